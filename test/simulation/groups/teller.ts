/**
 * Asks the tally service to take deposits, one after the other for each account, and asks again under the same id
 * until it knows what came of it, whatever befalls the service, the broker and the way between them.
 *
 * What it was told must be so: an accepted deposit is where the answer says, once, and a refused one nowhere. It asks
 * about old ones, too, with many of their account between, and has to be told the same.
 */
import assert from 'node:assert/strict'
import { isHeadwaterError } from '../../../src/base/errors.ts'
import { sleep } from '../../../src/client/cluster/backoff.ts'
import { Asker } from '../../../src/streams/commands/asker.ts'
import type { CommandAnswer } from '../../../src/streams/commands/answer.ts'
import { askSettings } from '../../../src/streams/commands/settings.ts'
import { drawInteger, fork } from '../../../src/testing/seed.ts'
import type { Draw } from '../../../src/testing/seed.ts'
import type { SimProcess, World } from '../../../src/testing/world.ts'
import { brokerAddress } from '../cluster/machine.ts'
import { Deposits } from './contracts.ts'
import { accounts, isRefused } from './facts.ts'

const timeouts = ['50ms', '300ms', '2s'] as const
const pauseMsMax = 1_500
/** Deposits that are asked for at once, now and then. */
const manyDeposits = 20
const manyEvery = 8

export class Teller {
  /** Deposits that were accepted, by id, each with its place: `partition/offset`. */
  readonly accepted = new Map<string, string>()
  refused = 0
  /** How often nobody said what came of one. */
  inDoubt = 0
  readonly #world: World
  readonly #process: SimProcess
  readonly #asker: Asker
  #number = 0

  constructor(world: World) {
    this.#world = world
    this.#process = world.start('teller')
    const { clock, random, network } = this.#process
    this.#asker = new Asker({
      broker: { bootstrap: [brokerAddress], dial: (host, port) => network.connect(host, port) },
      clock,
      random,
      settings: askSettings({}),
      newId: () => 'every deposit has its id',
    })
  }

  /** Resolves when it is over and everything that was asked is answered. */
  async askUntil(isOver: () => boolean): Promise<void> {
    await Promise.all(accounts.slice(0, 3).map((account) => this.#askFor(account, isOver)))
    await this.#asker.close()
  }

  async #askFor(account: string, isOver: () => boolean): Promise<void> {
    const draw = fork(this.#world.draw)
    const told: CommandAnswer[] = []
    while (!isOver()) {
      await sleep(this.#process.clock, drawInteger(draw, 0, pauseMsMax))
      const count = drawInteger(draw, 1, manyEvery) === 1 ? manyDeposits : 1
      const ids = Array.from({ length: count }, () => `d${this.#number++}`)
      const answers = await Promise.all(ids.map((id) => this.#insist(account, id, draw)))
      for (const [i, id] of ids.entries()) this.#told(id, answers[i]!)
      told.push(...answers)
      const old = told[drawInteger(draw, 0, told.length - 1)]!
      const again = await this.#insist(account, old.id, draw)
      assert.deepEqual(again, old, `deposit ${old.id} asked again after ${told.length}`)
    }
  }

  /** Asks until it is known what came of a deposit. */
  async #insist(account: string, id: string, draw: Draw): Promise<CommandAnswer> {
    for (;;) {
      const timeout = timeouts[drawInteger(draw, 0, timeouts.length - 1)]!
      const answer = await this.#ask(account, id, timeout)
      if (answer !== undefined) return answer
    }
  }

  /** Undefined when nobody has said what came of it. */
  async #ask(
    account: string,
    id: string,
    timeout: (typeof timeouts)[number],
  ): Promise<CommandAnswer | undefined> {
    try {
      return await this.#asker.ask(Deposits, { account, id }, { id, timeout })
    } catch (error) {
      if (!isHeadwaterError(error)) throw error
      const isTransient = error.retriable || isHeadwaterError(error, 'not-found')
      assert(isTransient, `deposit ${id}: ${error.code} ${error.message}`)
      this.inDoubt++
      await sleep(this.#process.clock, 20)
      return undefined
    }
  }

  #told(id: string, answer: CommandAnswer): void {
    this.#world.trace(`deposit ${id}: ${JSON.stringify(answer)}`)
    assert.equal(answer.id, id)
    assert.equal(answer.accepted, !isRefused(id), `deposit ${id}`)
    if (!answer.accepted) {
      this.refused++
      return
    }
    const [{ stream, partition, offset }, ...more] = answer.events as [(typeof answer.events)[0]]
    assert.deepEqual([stream, more.length], ['deposited', 0])
    this.accepted.set(id, `${partition}/${offset}`)
  }
}
