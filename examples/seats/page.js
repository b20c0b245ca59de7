/** The page in the browser: clicks become commands, and what is shown is what was answered. */
const at = (id) => document.getElementById(id)
const refusals = {
  'no-such-flight': 'there is no such flight.',
  'no-such-seat': 'there is no such seat.',
  'flight-full': 'the flight is full. Try another one.',
  'seat-taken': 'somebody was faster. Choose another one.',
  'not-booked': 'it is not booked in your name.',
}
const attemptsMax = 40
let shown = { version: -1, taken: {} }
let feed

const passenger = () => at('name').value.trim()
const flight = () => at('flight').value
const path = (...parts) => '/' + parts.map(encodeURIComponent).join('/')
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

function say(kind, text) {
  at('said').dataset.kind = kind
  at('said').textContent = text
}

// An answer that is none (an instance is away, or moving) is asked for again; by its id, a command is
// decided once however often it is asked.
async function fetched(url, init) {
  for (let attempt = 1; ; attempt++) {
    const response = await fetch(url, init).catch(() => undefined)
    if (response !== undefined && response.status < 500) return response
    if (attempt === attemptsMax) throw new Error('nobody answers. Try again in a while.')
    say('', 'One moment: asking again…')
    await pause(500)
  }
}

async function json(url) {
  return (await fetched(url)).json()
}

async function decide({ what, done }, url, init) {
  try {
    const id = crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`
    const headers = { 'content-type': 'application/json', 'idempotency-key': id }
    const decision = await (await fetched(url, { ...init, headers })).json()
    if (decision.error) return say('refused', decision.error)
    if (!decision.accepted) return say('refused', `${what}: ${refusals[decision.reason]}`)
    const { after } = decision
    // Its own write is in what is read now, at whichever instance.
    const [map] = await Promise.all([
      json(`${path('flights', flight())}?after=${after}`),
      showMine(after),
    ])
    show(map)
    say('booked', `${what}: ${done}.`)
  } catch (error) {
    say('refused', `${what}: ${error.message}`)
  }
}

async function book(seat) {
  if (passenger() === '') {
    say('refused', 'Say who you are first.')
    return at('name').focus()
  }
  if (shown.taken[seat] === passenger()) return say('', `Seat ${seat} is yours already.`)
  const body = JSON.stringify({ seat, passenger: passenger() })
  const what = seat === '' ? `A seat on ${flight()}` : `Seat ${seat} on ${flight()}`
  at(`seat-${seat}`)?.classList.add('asked')
  await decide({ what, done: 'booked' }, path('flights', flight(), 'bookings'), {
    method: 'POST',
    body,
  })
  at(`seat-${seat}`)?.classList.remove('asked')
}

async function cancel(of, seat) {
  const url = `${path('flights', of, 'bookings', seat)}?passenger=${encodeURIComponent(passenger())}`
  await decide({ what: `Seat ${seat} on ${of}`, done: 'given back' }, url, { method: 'DELETE' })
  at('name').focus()
}

function show(map) {
  // Answers and changes come by different ways: the newer one counts.
  if (map.version < shown.version) return
  shown = map
  const buttons = [...at('cabin').querySelectorAll('button')]
  for (const button of buttons) {
    const { seat } = button.dataset
    const by = map.taken[seat]
    const isMine = by !== undefined && by === passenger()
    button.classList.toggle('taken', by !== undefined && !isMine)
    button.classList.toggle('mine', isMine)
    const state = by === undefined ? 'free' : isMine ? 'yours' : `taken by ${by}`
    button.setAttribute('aria-label', `Seat ${seat}, ${state}`)
    button.title = state
  }
  nameFlight(flight(), buttons.length - Object.keys(map.taken).length)
}

async function showMine(after = '') {
  const name = passenger()
  const bookings = name === '' ? [] : await json(`${path('passengers', name)}?after=${after}`)
  at('none').hidden = bookings.length > 0
  at('mine').replaceChildren(
    ...bookings.map((one) => {
      const item = document.createElement('li')
      const button = document.createElement('button')
      button.type = 'button'
      button.textContent = 'Give back'
      button.setAttribute('aria-label', `Give back seat ${one.seat} on ${one.flight}`)
      button.onclick = () => cancel(one.flight, one.seat)
      item.append(`${one.flight}, seat ${one.seat}`, button)
      return item
    }),
  )
}

function nameFlight(of, left) {
  for (const option of at('flight').options) {
    if (option.value === of) option.text = `${of} (${left} seats left)`
  }
}

async function showFlights() {
  const all = await json('/flights')
  if (flight() === '') at('flight').replaceChildren(...all.map((one) => new Option('', one.flight)))
  // What the shown flight's map says is as new, or newer.
  const others = all.filter((one) => shown.version < 0 || one.flight !== flight())
  for (const one of others) nameFlight(one.flight, one.left)
}

function draw({ rows, letters }) {
  const lines = Array.from({ length: rows }, (_, n) => {
    const row = document.createElement('div')
    row.className = 'row'
    for (const [i, letter] of letters.entries()) {
      if (i === letters.length / 2) row.append(aisle(n + 1))
      const seat = `${n + 1}${letter}`
      const button = document.createElement('button')
      Object.assign(button, { type: 'button', className: 'seat', id: `seat-${seat}` })
      button.dataset.seat = seat
      button.textContent = seat
      button.onclick = () => book(seat)
      row.append(button)
    }
    return row
  })
  at('cabin').replaceChildren(...lines)
}

function aisle(row) {
  const span = document.createElement('span')
  span.textContent = row
  return span
}

async function open() {
  const of = flight()
  feed?.close()
  const map = await json(path('flights', of))
  if (of !== flight()) return
  at('cabin-title').textContent = `Flight ${of}`
  shown = { version: -1, taken: {} }
  draw(map)
  show(map)
  follow(of)
}

function follow(of) {
  feed?.close()
  feed = new EventSource(path('flights', of, 'live'))
  feed.addEventListener('seats', ({ data }) => of === flight() && show(JSON.parse(data)))
  // A browser connects anew by itself, unless it was answered that there is nothing to be had now.
  feed.onerror = async ({ target }) => {
    if (target.readyState !== EventSource.CLOSED) return
    await pause(1000)
    if (target === feed) follow(of)
  }
}

at('name').value = sessionStorage.getItem('name') ?? ''
at('name').onchange = () => {
  sessionStorage.setItem('name', passenger())
  show(shown)
  void showMine()
}
at('flight').onchange = () => void open()
at('flight').onfocus = () => void showFlights()
at('any').onclick = () => book('')
await showFlights()
await Promise.all([open(), showMine()])
