/**
 * Two instances of the example on a broker of its own, and passengers who book seats at whichever answers, while
 * either instance is killed: once for a moment, once for longer than a session.
 */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { flights, seats } from '../../examples/seats/cabin.ts'
import { BrokerProcess } from './broker-process.ts'
import { startSeats } from '../seats/program.ts'
import type { SeatsProgram } from '../seats/program.ts'

/** An instance that is killed for good is missed after its session of 15 s. */
const waitMsMax = 60_000
/** Of each flight two want the same seat at the same time. */
const perFlight = 2

describe('two instances of which either is killed while seats are booked', () => {
  it(
    'book no seat twice, lose no booking, and let everybody read their own',
    { timeout: 150_000 },
    async (test) => {
      const directory = await mkdtemp(join(tmpdir(), 'headwater-seats-kill-'))
      const broker = new BrokerProcess(directory, (how) => assert.fail(`the broker ended: ${how}`))
      const front = new Front()
      try {
        await broker.start()
        const { host, port } = broker.address
        await Promise.all(['a', 'b'].map((id) => front.start(id, `${host}:${port}`)))
        const passengers = flights.flatMap((flight) =>
          Array.from(
            { length: perFlight },
            (_, n) => new Passenger(front, flight, `${flight}-${n}`),
          ),
        )
        const booking = Promise.all(passengers.map((passenger) => passenger.book()))
        const goOn = async () => {
          const before = passengers.map(({ steps }) => steps)
          const areOn = () =>
            front.isOver || passengers.every(({ steps }, n) => steps >= before[n]! + 6)
          await Promise.race([until(areOn), booking])
        }
        await goOn()
        await front.kill('b')
        await front.start('b', `${host}:${port}`)
        await goOn()
        await front.kill('a')
        await goOn()
        await front.start('a', `${host}:${port}`)
        await goOn()
        for (const passenger of passengers) passenger.isLeaving = true
        await booking
        test.diagnostic(JSON.stringify(front.seen))
        await assertAllAreThere(front, passengers)
        assert.ok(front.seen.gone > 0, 'nobody was at an instance that was killed')
        assert.ok(front.seen.noAnswer > 0, 'nobody had to ask again')
      } finally {
        front.isOver = true
        await Promise.all(['a', 'b'].map((id) => front.kill(id)))
        await broker.end('SIGTERM')
        await rm(directory, { recursive: true, force: true })
      }
    },
  )
})

/** What both instances say in the end is what was acknowledged, and nothing else has happened. */
async function assertAllAreThere(front: Front, passengers: readonly Passenger[]): Promise<void> {
  const rejected = passengers.reduce((sum, { refusals }) => sum + refusals, 0)
  assert.ok(rejected > 0, 'no two wanted the same seat')
  for (const url of front.urls) {
    for (const flight of flights) {
      const on = passengers.filter((passenger) => passenger.flight === flight)
      const after = on.map(({ lastWrite }) => lastWrite).join()
      const map = (await front.ask(`/flights/${flight}?after=${after}`, {}, url)).body as SeatMap
      const taken = on.flatMap(({ name, own }) => [...own].map((seat) => [seat, name] as const))
      assert.deepEqual(map.taken, Object.fromEntries(taken))
      // Each acknowledged decision has one event, and there are no others.
      assert.equal(
        map.version,
        on.reduce((sum, { accepted }) => sum + accepted, 0),
      )
    }
  }
}

interface SeatMap {
  readonly version: number
  readonly taken: Readonly<Record<string, string>>
}

interface Decision {
  readonly accepted: boolean
  readonly reason?: string
  readonly after?: string
}

interface Answer {
  readonly status: number
  readonly body: unknown
}

/** The instances as a load balancer sees them, which asks on at another one when there is no answer. */
class Front {
  readonly seen = { answers: 0, noAnswer: 0, gone: 0 }
  /** Whoever still waits is let go. */
  isOver = false
  readonly #programs = new Map<string, SeatsProgram>()
  /** Kept while an instance is away, as nobody takes it out of the list at once. */
  readonly #urls = new Map<string, string>()

  get urls(): readonly string[] {
    return [...this.#urls.values()]
  }

  async start(id: string, broker: string): Promise<void> {
    const program = await startSeats(['--broker', broker, '--instance-id', id])
    this.#programs.set(id, program)
    this.#urls.set(id, program.url)
  }

  async kill(id: string): Promise<void> {
    await this.#programs.get(id)?.end('SIGKILL')
    this.#programs.delete(id)
  }

  /** @param only asks there and nowhere else */
  async ask(path: string, init: RequestInit = {}, only?: string): Promise<Answer> {
    for (let from = performance.now(), wait = 1; ; wait = Math.min(wait * 2, 100)) {
      const url = only ?? this.urls[randomInt(this.urls.length)]!
      const response = await fetch(`${url}${path}`, init).catch(() => undefined)
      const text = await response?.text().catch(() => undefined)
      if (response === undefined || text === undefined) this.seen.gone++
      else if (response.status === 503 || response.status === 504) this.seen.noAnswer++
      else {
        this.seen.answers++
        return { status: response.status, body: JSON.parse(text) }
      }
      assert.ok(!this.isOver && performance.now() - from < waitMsMax, `${path}: ${text}`)
      await delay(wait)
    }
  }
}

/** Books one seat after the other, gives every second one back, and looks at what that came to. */
class Passenger {
  readonly flight: string
  readonly name: string
  readonly own = new Set<string>()
  steps = 0
  accepted = 0
  refusals = 0
  lastWrite = ''
  isLeaving = false
  readonly #front: Front
  #asked = 0

  constructor(front: Front, flight: string, name: string) {
    this.#front = front
    this.flight = flight
    this.name = name
  }

  async book(): Promise<void> {
    for (let n = 0; !this.isLeaving; n++) {
      const seat = seats[n % seats.length]!
      if (this.own.has(seat)) await this.#giveBack(seat)
      else await this.#take(seat)
      if (n % 2 === 1 && this.own.has(seat)) await this.#giveBack(seat)
      this.steps++
    }
  }

  async #take(seat: string): Promise<void> {
    const body = JSON.stringify({ seat, passenger: this.name })
    const decision = await this.#decide(`/flights/${this.flight}/bookings`, {
      method: 'POST',
      body,
    })
    if (decision.accepted) {
      this.own.add(seat)
      return this.#readOwn(decision)
    }
    this.refusals++
    // The only other one on the flight: so the seat is not free, and not one's own.
    assert.equal(decision.reason, 'seat-taken')
  }

  async #giveBack(seat: string): Promise<void> {
    const path = `/flights/${this.flight}/bookings/${seat}?passenger=${this.name}`
    const decision = await this.#decide(path, { method: 'DELETE' })
    assert.equal(decision.accepted, true, `${this.name} gives back ${seat}: ${decision.reason}`)
    this.own.delete(seat)
    await this.#readOwn(decision)
  }

  /** Under one id, however often it takes. */
  async #decide(path: string, init: RequestInit): Promise<Decision> {
    const headers = { 'idempotency-key': `${this.name}/${++this.#asked}` }
    const { status, body } = await this.#front.ask(path, { ...init, headers })
    const decision = body as Decision
    assert.equal(status, decision.accepted ? 201 : 422, JSON.stringify(body))
    return decision
  }

  /** At whichever instance, what it holds is exactly what was acknowledged: nobody else books in this name. */
  async #readOwn({ after = '' }: Decision): Promise<void> {
    assert.notEqual(after, '')
    this.accepted++
    this.lastWrite = after
    const { status, body } = await this.#front.ask(`/passengers/${this.name}?after=${after}`)
    assert.equal(status, 200)
    const booked = (body as { flight: string; seat: string }[]).map(({ flight, seat }) => {
      assert.equal(flight, this.flight)
      return seat
    })
    assert.deepEqual(new Set(booked), this.own)
    assert.equal(booked.length, this.own.size)
    const map = (await this.#front.ask(`/flights/${this.flight}?after=${after}`)).body as SeatMap
    for (const seat of this.own) assert.equal(map.taken[seat], this.name)
  }
}

async function until(isSo: () => boolean): Promise<void> {
  for (const from = performance.now(); !isSo(); await delay(20)) {
    assert.ok(performance.now() - from < waitMsMax, 'it did not come to be')
  }
}
