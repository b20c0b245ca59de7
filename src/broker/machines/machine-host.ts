/**
 * Runs one coordinator machine on one log: decide, append, apply, reply.
 *
 * All changes of a decision are one batch in the machine's log, so they are stored together or not at
 * all; they are applied at once, and the replies are parked until the batch is durable. A reply of a
 * decision without stored changes waits behind what is not durable yet: nobody is told of a state that a
 * crash may take back. Effects run right after the changes are applied: every log of a broker shares one
 * journal, so what an effect writes can never survive the change that caused it.
 *
 * A machine that decides in steps may take several turns for a command; what comes meanwhile waits for it.
 *
 * The log is numbered (`coordinator.groups-1`). One grown long is shortened, when it is opened and while the
 * machine runs: the state is dumped into the next number, and deleting the old one is the switch, so a crash
 * leaves one or the other. While the machine runs it is not its own state that is dumped but one built from
 * the log as far as that has come; what is decided meanwhile goes into both. In one turn the last of it and the
 * deletion go into the journal, so whatever a crash leaves of the journal, one of the two logs is whole.
 */
import { assert, isHeadwaterError, type HeadwaterError } from '../../base/errors.ts'
import type { Instant } from '../../base/instant.ts'
import type { Steps } from '../../base/steps.ts'
import type { Reply } from '../../coordinator/answer.ts'
import type { AnswerOf } from '../../coordinator/commands.ts'
import type { Decision, Machine } from '../../coordinator/machine.ts'
import type { Clock, Timer } from '../../io/ports.ts'
import type { LogStore } from '../../log/store/log-store.ts'
import type { Log } from '../../log/log.ts'
import { BatchBuilder } from '../../records/record.ts'
import type { Turns } from '../turns.ts'
import { AttentiveClock } from './attentive-clock.ts'
import {
  appendCopy,
  bytesOf,
  dumpBatches,
  enoughFor,
  nextLogName,
  openMachineLog,
  replayLog,
  shorten,
  type Replayed,
} from './machine-log.ts'

/** Bytes read, or copied, in one turn while the machine runs. */
const turnBytes = 64 * 1024
/** Changes encoded between two looks at whose turn it is. */
const encodeStride = 16
/** What a reply costs whoever waits for it, beside items that are only looked up. */
const replyItems = 4
/** So many replies are given at once. */
const fewReplies = 4

export interface MachineHostOptions<Effect> {
  readonly store: LogStore
  readonly clock: Clock
  /** What runs a machine that decides in steps. */
  readonly turns: Turns
  /** A log with more bytes than this is shortened, and again when it is twice what that left. */
  readonly logBytesMax: number
  /** Runs an effect; replies of its decision wait for the promise, if there is one. */
  readonly runEffect: (effect: Effect) => Promise<void> | void
  /** Hears that the log of a machine that runs cannot be read: it goes on, and its log stays long. */
  readonly onUnreadable?: (error: HeadwaterError) => void
  /** Hears that the machine's log cannot be read: then it answers nobody. Without it that is thrown. */
  readonly onDamage?: (error: HeadwaterError) => void
}

/** The answer before it is durable, and what to wait for before telling anyone. */
export interface Provisional<R> {
  readonly response: R
  readonly durable: Promise<void> | undefined
}

interface Executed<Change, Effect> {
  readonly decision: Decision<Change, Effect>
  readonly durable: Promise<void> | undefined
}

interface Waiter {
  readonly resolve: (response: unknown) => void
  readonly reject: (error: unknown) => void
}

export class MachineHost<State, Command extends { readonly type: string }, Change, Effect> {
  readonly state: State
  /** Whether changes before now are lost for good, so that the state is not all there was. */
  readonly hasLostChanges: boolean
  /** Why it answers nobody, when its log cannot be read. */
  readonly damage: HeadwaterError | undefined
  readonly #machine: Machine<State, Command, Change, Effect>
  readonly #logs: LogStore
  #log: Log
  readonly #logBytesMaxAsked: number
  /** A log with more bytes is shortened. */
  #logBytesMax: number
  /** What was stored since the shortening that is under way began, and is not in the new log. */
  #since: Uint8Array[] | undefined
  readonly #clock: Clock
  readonly #turns: Turns
  /** What machines know as the monotonic clock. */
  readonly #attentive: AttentiveClock
  readonly #runEffect: (effect: Effect) => Promise<void> | void
  readonly #onUnreadable: ((error: HeadwaterError) => void) | undefined
  readonly #waiters = new Map<string, Waiter>()
  /** Commands that came while a long one is decided. */
  readonly #queue: Command[] = []
  #isDeciding = false
  #nextToken = 1
  #timer: Timer | undefined
  #wakeAt = Infinity
  #lastDurable: Promise<void> | undefined
  #closed: Error | undefined

  private constructor(
    machine: Machine<State, Command, Change, Effect>,
    { state, hasLostChanges, damage }: Replayed<State>,
    log: Log,
    options: MachineHostOptions<Effect>,
  ) {
    this.#machine = machine
    this.state = state
    this.hasLostChanges = hasLostChanges
    this.damage = damage
    this.#closed = damage
    this.#logs = options.store
    this.#log = log
    this.#logBytesMaxAsked = options.logBytesMax
    this.#logBytesMax = enoughFor(log, options.logBytesMax)
    this.#clock = options.clock
    this.#turns = options.turns
    this.#attentive = new AttentiveClock(options.clock)
    this.#runEffect = options.runEffect
    this.#onUnreadable = options.onUnreadable
  }

  /** Replays the machine's log. No command is decided before `start`. */
  static async open<State, Command extends { readonly type: string }, Change, Effect>(
    machine: Machine<State, Command, Change, Effect>,
    options: MachineHostOptions<Effect>,
  ): Promise<MachineHost<State, Command, Change, Effect>> {
    const { store, clock } = options
    let log = await openMachineLog(store, machine.name)
    let replayed: Replayed<State>
    try {
      replayed = await replayLog(machine, log)
    } catch (error) {
      const { onDamage } = options
      if (onDamage === undefined || !isHeadwaterError(error, 'data-corrupt')) throw error
      onDamage(error)
      const halted = { state: machine.initial(), hasLostChanges: false, damage: error }
      return new MachineHost(machine, halted, log, options)
    }
    // Shortened, it would not show any more that something is lost.
    if (log.sizeBytes > options.logBytesMax && !replayed.hasLostChanges) {
      const shortened = await shorten(store, machine, replayed.state, log, clock.now())
      if (shortened !== log) replayed = await replayLog(machine, shortened)
      log = shortened
    }
    return new MachineHost(machine, replayed, log, options)
  }

  /** Decides what a replay left to do: effects to run again, timeouts to set. */
  start(): void {
    if (this.damage !== undefined) return
    for (const command of this.#machine.afterReplay(this.state)) this.#execute(command)
  }

  /** Builds the state again from the log, a slice a turn, and goes on in a new log that begins with it. */
  async #shorten(): Promise<void> {
    const old = this.#log
    const since: Uint8Array[] = (this.#since = [])
    const upTo = old.endOffset
    await this.#lastDurable
    const turn = (): Promise<void> => new Promise((resolve) => this.#clock.soon(resolve))
    const { state } = await replayLog(this.#machine, old, { upTo, readBytes: turnBytes, turn })
    const log = await this.#logs.create(nextLogName(this.#machine.name, old))
    for (const batch of dumpBatches(this.#machine, state, this.#clock.now(), turnBytes)) {
      await appendCopy(log, batch)
      await turn()
    }
    while (bytesOf(since) > turnBytes) await appendCopy(log, since.shift()!)
    // From here on in one turn.
    if (this.#closed !== undefined) return
    for (const batch of since) void appendCopy(log, batch)
    this.#since = undefined
    this.#log = log
    this.#logBytesMax = enoughFor(log, this.#logBytesMaxAsked)
    await this.#logs.delete(old.name)
  }

  #shortenIfLong(): void {
    // Shortened, it would not show any more that something is lost.
    if (this.hasLostChanges || this.#since !== undefined) return
    if (this.#log.sizeBytes <= this.#logBytesMax) return
    this.#shorten().catch((error: unknown) => {
      // A store that takes nothing more has told the broker, and the old log is whole.
      if (!isHeadwaterError(error)) throw error
      this.#since = undefined
      this.#logBytesMax = Infinity
      if (error.code === 'data-corrupt') this.#onUnreadable?.(error)
    })
  }

  /** Asks, and waits for the durable answer. */
  call<C extends Command>(make: (token: string) => C): Promise<AnswerOf<C['type']>> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed)
    const token = this.#token()
    return new Promise((resolve, reject) => {
      // A reply carries the token of the command it was made for, by `answer` alone.
      this.#waiters.set(token, { resolve: resolve as Waiter['resolve'], reject })
      this.tell(make(token))
    })
  }

  /** Asks a command that is always answered by its own decision, and gives the answer at once. */
  ask<C extends Command>(make: (token: string) => C): Provisional<AnswerOf<C['type']>> {
    assert(!this.#isInTurns, `${this.#machine.name} may take its time to answer`)
    const token = this.#token()
    const { decision, durable } = this.#execute(make(token))
    const own = decision.replies.find((reply) => reply.to === token)
    assert(own !== undefined, `${this.#machine.name} left a command unanswered that cannot wait`)
    return { response: own.response as AnswerOf<C['type']>, durable }
  }

  /** Gives a command whose answer, if any, goes to whoever waits for its token. */
  tell(command: Command): void {
    if (!this.#isInTurns) return void this.#execute(command)
    if (this.#isDeciding) return void this.#queue.push(command)
    const decided = this.#turns.run(this.#executeInSteps(command))
    if (!(decided instanceof Promise)) return
    this.#isDeciding = true
    void decided
      .catch((error: unknown) => this.#refuseCommand(command, error))
      .then(() => this.#resume())
  }

  get #isInTurns(): boolean {
    return this.#machine.decideInSteps !== undefined
  }

  #refuseCommand(command: Command, error: unknown): void {
    if (this.#closed !== undefined) return
    const waiter = 'token' in command ? this.#waiters.get(command.token as string) : undefined
    if (waiter === undefined) throw error
    waiter.reject(error)
  }

  #resume(): void {
    this.#isDeciding = false
    while (!this.#isDeciding && this.#closed === undefined) {
      const command = this.#queue.shift()
      if (command === undefined) return
      try {
        this.tell(command)
      } catch (error) {
        this.#refuseCommand(command, error)
      }
    }
  }

  /** Fails what still waits, and every later command. */
  close(error: Error): void {
    this.#closed = error
    this.#timer?.cancel()
    for (const waiter of this.#waiters.values()) waiter.reject(error)
    this.#waiters.clear()
  }

  #token(): string {
    return `${this.#nextToken++}`
  }

  #execute(command: Command): Executed<Change, Effect> {
    const now = this.#now()
    const decision = this.#machine.decide(this.state, command, now)
    let builder: BatchBuilder | undefined
    for (const change of decision.changes) builder = this.#encode(change, now, builder)
    const durable = this.#store(builder?.finish())
    for (const change of decision.changes) this.#machine.apply(this.state, change)
    return this.#conclude(decision, durable)
  }

  *#executeInSteps(command: Command): Steps<Executed<Change, Effect>> {
    const now = this.#now()
    const decision = yield* this.#machine.decideInSteps!(this.state, command, now)
    let builder: BatchBuilder | undefined
    let count = 0
    for (const change of decision.changes) {
      builder = this.#encode(change, now, builder)
      if (++count % encodeStride === 0) yield encodeStride
    }
    if (this.#closed !== undefined) throw this.#closed
    const durable = this.#store(builder?.finish())
    for (const change of decision.changes) {
      this.#machine.apply(this.state, change)
      yield 1
    }
    return this.#conclude(decision, durable)
  }

  #encode(
    change: Change,
    { wallMs }: Instant,
    builder: BatchBuilder | undefined,
  ): BatchBuilder | undefined {
    const bytes = this.#machine.encode(change)
    if (bytes === undefined) return builder
    const begun = builder ?? new BatchBuilder(256)
    begun.append(wallMs, null, bytes)
    return begun
  }

  #now(): Instant {
    const now: Instant = { monotonicMs: this.#attentive.now(), wallMs: this.#clock.now() }
    if (this.#closed !== undefined) throw this.#closed
    return now
  }

  #conclude(
    decision: Decision<Change, Effect>,
    durable: Promise<void> | undefined,
  ): Executed<Change, Effect> {
    this.#shortenIfLong()
    if (decision.wakeAt !== undefined) this.#wakeBy(decision.wakeAt)
    const running: Promise<void>[] = []
    for (const effect of decision.effects) {
      const ran = this.#runEffect(effect)
      if (ran !== undefined) running.push(ran)
    }
    if (decision.replies.length > 0 || running.length > 0)
      this.#park(decision.replies, durable, running)
    return { decision, durable }
  }

  /** Appends what is to be stored. The promise is that of the last batch that is not durable yet. */
  #store(batch: Uint8Array | undefined): Promise<void> | undefined {
    if (batch === undefined) return this.#lastDurable
    this.#since?.push(batch.slice())
    const result = this.#log.append(batch)
    assert(result.kind === 'appended', 'a coordinator log refused a batch')
    const durable = result.durable
    this.#lastDurable = durable
    const forget = (): void => {
      if (this.#lastDurable === durable) this.#lastDurable = undefined
    }
    durable.then(forget, forget)
    return durable
  }

  #park(
    replies: readonly Reply[],
    durable: Promise<void> | undefined,
    running: readonly Promise<void>[],
  ): void {
    if (durable === undefined && running.length === 0) return this.#deliver(replies)
    const all = running.length === 0 ? durable! : Promise.all([durable, ...running])
    void all.then(
      () => this.#deliver(replies),
      (error: unknown) => this.#refuse(replies, error),
    )
  }

  /** A reply may be all that a client waited for; many of them, as after a rebalance, take turns. */
  #deliver(replies: readonly Reply[]): void {
    if (replies.length <= fewReplies) for (const reply of replies) this.#resolve(reply)
    else void this.#turns.run(this.#resolveAll(replies))
  }

  *#resolveAll(replies: readonly Reply[]): Steps<void> {
    for (const reply of replies) {
      this.#resolve(reply)
      yield replyItems
    }
  }

  #resolve({ to, response }: Reply): void {
    this.#waiters.get(to)?.resolve(response)
    this.#waiters.delete(to)
  }

  #refuse(replies: readonly Reply[], error: unknown): void {
    for (const reply of replies) {
      this.#waiters.get(reply.to)?.reject(error)
      this.#waiters.delete(reply.to)
    }
  }

  #wakeBy(at: number): void {
    if (at >= this.#wakeAt) return
    this.#timer?.cancel()
    this.#wakeAt = at
    this.#timer = this.#attentive.at(at, () => {
      this.#wakeAt = Infinity
      try {
        this.tell({ type: 'wake' } as Command)
      } catch (error) {
        // A store that takes nothing more has told the broker, which is about to close this host.
        if (!isHeadwaterError(error)) throw error
      }
    })
  }
}
