/**
 * Seats are booked in a real browser: pages at two instances of the example, which know of each other by the
 * broker alone. `SCREENSHOTS=FOLDER` keeps what the pages look like.
 */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { chromium } from 'playwright-core'
import type { Browser, Page } from 'playwright-core'
import { startSeats } from '../seats/program.ts'
import type { SeatsProgram } from '../seats/program.ts'

const executablePath = process.env['CHROMIUM'] ?? '/usr/bin/chromium'
const waitMsMax = 10_000

let directory: string
const instances: SeatsProgram[] = []
let browser: Browser
let faults: string[] = []

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'headwater-browser-'))
  instances.push(await startSeats(['--dir', directory]))
  instances.push(await startSecond())
  // Its sandbox needs what containers and root do not have; it shows nothing but our own page.
  browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] })
})
after(async () => {
  await browser?.close()
  for (const instance of instances.toReversed()) await instance.end('SIGINT')
  await rm(directory, { recursive: true, force: true })
})

describe('two people who book seats, each at another instance', () => {
  it('see what is decided, their own bookings, and at once those of the other', async () => {
    const ada = await pageOf('Ada', instances[0]!)
    const ben = await pageOf('Ben', instances[1]!)
    await seat(ada, '4C', 'free').click()
    await says(ada, 'Seat 4C on HW101: booked.')
    await seat(ada, '4C', 'yours').waitFor()
    await booking(ada, 'HW101, seat 4C').waitFor()
    await seat(ben, '4C', 'taken by Ada').waitFor()

    await seat(ben, '4C', 'taken by Ada').click()
    await says(ben, 'Seat 4C on HW101: somebody was faster.')
    await ben.getByText('None yet.').waitFor()
    await ben.getByRole('button', { name: 'Any seat will do' }).click()
    await booking(ben, 'HW101, seat 1A').waitFor()
    await seat(ada, '1A', 'taken by Ben').waitFor()
    for (const page of [ada, ben]) {
      await page
        .locator('option', { hasText: 'HW101 (30 seats left)' })
        .waitFor({ state: 'attached' })
    }
    await keepPicture(ada, 'ada')
    await keepPicture(ben, 'ben')

    await ada.getByRole('button', { name: 'Give back seat 4C on HW101' }).click()
    await says(ada, 'Seat 4C on HW101: given back.')
    await ada.getByText('None yet.').waitFor()
    await seat(ben, '4C', 'free').click()
    await seat(ada, '4C', 'taken by Ben').waitFor()
    assert.deepEqual(faults, [])
  })

  it('do so with the keyboard alone, and find everything as it was after a reload', async () => {
    const cleo = await pageOf('Cleo', instances[1]!, 'dark')
    await cleo.getByLabel('Flight', { exact: true }).selectOption('HW310')
    await seat(cleo, '2B', 'free').focus()
    await cleo.keyboard.press('Enter')
    await booking(cleo, 'HW310, seat 2B').waitFor()
    await cleo.reload()
    await booking(cleo, 'HW310, seat 2B').waitFor()
    assert.equal(await cleo.getByLabel('Your name').inputValue(), 'Cleo')
    await keepPicture(cleo, 'dark')
    assert.deepEqual(faults, [])
  })

  it('book on when their instance is killed and comes back, and are kept up to date again', async () => {
    const [one, two] = instances as [SeatsProgram, SeatsProgram]
    const fay = await pageOf('Fay', two)
    await two.end('SIGKILL')
    await seat(fay, '6B', 'free').click()
    await says(fay, 'One moment: asking again')
    instances[1] = await startSecond('--web-port', new URL(two.url).port)
    await says(fay, 'Seat 6B on HW101: booked.')
    await booking(fay, 'HW101, seat 6B').waitFor()
    const gil = await pageOf('Gil', one)
    await seat(gil, '6B', 'taken by Fay').waitFor()
    await seat(gil, '6C', 'free').click()
    await seat(fay, '6C', 'taken by Gil').waitFor()
    assert.deepEqual(faults, [])
  })

  it('are asked who they are before a seat is booked', async () => {
    const nobody = await pageOf('', instances[0]!)
    await seat(nobody, '8D', 'free').click()
    await says(nobody, 'Say who you are first.')
    await nobody.setViewportSize({ width: 390, height: 844 })
    await keepPicture(nobody, 'narrow')
    await seat(nobody, '8D', 'free').waitFor()
    assert.deepEqual(faults, [])
  })
})

function startSecond(...args: readonly string[]): Promise<SeatsProgram> {
  return startSeats(['--broker', instances[0]!.kafka, '--instance-id', '2', ...args])
}

async function pageOf(
  name: string,
  { url }: SeatsProgram,
  colorScheme: 'light' | 'dark' = 'light',
): Promise<Page> {
  const page = await browser.newPage({ viewport: { width: 1000, height: 800 }, colorScheme })
  faults = []
  page.setDefaultTimeout(waitMsMax)
  page.on('pageerror', (error) => faults.push(String(error)))
  await page.goto(url)
  await seat(page, '1A', '').waitFor()
  if (name !== '') await page.getByLabel('Your name').fill(name)
  await page.getByLabel('Your name').blur()
  return page
}

/** @param state what its label has to say of it; empty: whatever it is */
function seat(page: Page, name: string, state: string) {
  return page.getByRole('button', { name: `Seat ${name}, ${state}` })
}

function booking(page: Page, text: string) {
  return page.getByRole('listitem').filter({ hasText: text })
}

function says(page: Page, text: string): Promise<void> {
  return page.getByRole('status').filter({ hasText: text }).waitFor()
}

async function keepPicture(page: Page, name: string): Promise<void> {
  const folder = process.env['SCREENSHOTS']
  if (folder !== undefined)
    await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true })
}
