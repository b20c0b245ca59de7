/** `npm run seats` as a program: its help, its end, and what it finds when it starts again. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { seatsCommand, startSeats } from './program.ts'

let directory: string
before(async () => void (directory = await mkdtemp(join(tmpdir(), 'headwater-seats-program-'))))
after(() => rm(directory, { recursive: true, force: true }))

describe('the program', () => {
  it('names its flags in its help, each with its variable', async () => {
    const { code, stdout } = await seatsCommand(['--help']).ended
    assert.equal(code, 0)
    for (const flag of ['--web-port', '--dir', '--broker', '--instance-id', '--query-advertise']) {
      const variable = `HEADWATER_${flag.slice(2).replaceAll('-', '_').toUpperCase()}`
      assert.match(stdout, new RegExp(`${flag} <[^]*\\[${variable}\\]`))
    }
  })

  it('ends well at Ctrl-C, also with a page that is open, and has every booking when it starts again', async () => {
    const args = ['--dir', join(directory, 'data')]
    const first = await startSeats(args)
    const body = JSON.stringify({ seat: '4C', passenger: 'Ada' })
    const headers = { 'content-type': 'application/json' }
    const init = { method: 'POST', body, headers }
    const decision = await fetch(`${first.url}/flights/HW101/bookings`, init)
    assert.equal(decision.status, 201)
    const { after } = (await decision.json()) as { after: string }
    const page = await fetch(`${first.url}/flights/HW101/live`)
    const gone = page.text().catch(() => 'gone')
    assert.equal(await first.end('SIGINT'), 0)
    await gone

    const second = await startSeats(args)
    const answer = await fetch(`${second.url}/passengers/Ada?after=${after}`)
    assert.deepEqual(await answer.json(), [{ flight: 'HW101', seat: '4C' }])
    const taken = ['--web-port', new URL(second.url).port]
    const elsewhere = ['--dir', join(directory, 'other'), '--port', '0', '--query-port', '0']
    const other = seatsCommand([...elsewhere, ...taken])
    const { code, stderr } = await other.ended
    assert.equal(code, 1)
    assert.match(stderr, /cannot listen on 127\.0\.0\.1:\d+: give another --web-port/)
    assert.equal(await second.end('SIGINT'), 0)
  })
})
