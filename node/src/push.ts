/*
 * The push consumer: workers, or a loop, that take messages from the addon and settle them.
 *
 * Taking and settling are plain calls; a wake-up tells when there is something again. Every message that was taken is
 * settled exactly once: consumed, to be retried, or released.
 */
import { breathe, isDue } from './breath.js'
import { bag, callable, flag, given, integer, signal as checkSignal, text, wrong } from './check.js'
import { begun, closed, made, misuse } from './errors.js'
import { batch, Handle } from './handle.js'
import { Outcome } from './layout.js'
import { Log, LOG_OPTIONS, type LogOptions } from './log.js'
import type { Batch, Message } from './message.js'
import { native, type NativePush } from './native.js'
import type { PushConsumerSettings } from './options.js'
import { Stream, type StreamSource } from './stream.js'

/** Options of a push consumer. */
export interface PushConsumerOptions extends PushConsumerSettings, LogOptions {
  /** The consumer group. */
  group: string
  /** Topics, each with the tags wanted: `*` for all, or tags joined by `||`. */
  subscriptions: Readonly<Record<string, string>>
}

/** Options of consuming with a handler. */
export interface RunOptions {
  /** Handlers at a time. Default: the consumer's option `concurrency`, 20. */
  concurrency?: number | undefined
  /** Messages of a queue one after the other, each when the one before has succeeded. Default: false. */
  orderly?: boolean | undefined
  /** Ends the run as soon as the handlers that run have ended; the consumer stays open. */
  signal?: AbortSignal | undefined
}

/** Options of consuming in a loop. */
export interface MessagesOptions {
  /** Messages of a queue in their order. Default: false. */
  orderly?: boolean | undefined
  /** Ends the loop at its next step. */
  signal?: AbortSignal | undefined
}

/** Consumes a message. What it returns is awaited; when it throws or rejects, the message comes again. */
export type Handler = (message: Message) => unknown

const DEFAULT_CONCURRENCY = 20
const CONCURRENCY_MAX = 1000
/** Pairs of slot and outcome that are settled together at most: what one taking gives, with room. */
const SETTLED_MAX = 4096
/** For the tests and benchmarks of this package: a consumer of made-up messages, `[count, bodyLength]`. */
const ECHO: unique symbol = Symbol.for('ferromq.echo')

/**
 * Consumes the messages of a group's share of queues. Making one opens nothing; it joins the group when it is run or looped
 * over, as one or the other at a time. Delivery is at least once.
 *
 * From then on the process stays alive until it is closed.
 */
export class PushConsumer extends Handle implements AsyncDisposable, AsyncIterable<Message> {
  /** @internal */
  protected readonly native: NativePush
  readonly #log: Log
  readonly #concurrency: number
  readonly #settled = new Settled()
  /** Called when there may be something to take, the latest first. */
  readonly #idle: (() => void)[] = []
  /** How it joined. */
  #joined: { orderly: boolean; done: Promise<void> } | undefined
  /** Keeps the process alive no more. */
  #left = false
  #consuming = false
  #closing: Promise<void> | undefined

  /**
   * @throws FerroMQError with code FMQ_CONFIG: an unknown option or an impossible value; FMQ_VALIDATION: a subscription.
   */
  constructor(options: PushConsumerOptions) {
    super()
    const settings = given(options, ['group', 'subscriptions', ...LOG_OPTIONS])
    const group = text('group', options.group)
    this.#log = new Log(options)
    this.#concurrency = options.concurrency ?? DEFAULT_CONCURRENCY
    const echo = (options as { [ECHO]?: [number, number] })[ECHO]
    if (echo) {
      this.native = made(native.openPushEcho(echo[0], echo[1], this.waker()))
    } else {
      const [topics, expressions] = subscribed(options.subscriptions)
      this.native = made(native.openPush(group, settings, topics, expressions, this.waker()))
    }
    this.#log.open()
  }

  /**
   * Consumes with a handler, `concurrency` messages at a time, until the signal says stop or the consumer is closed; then it
   * resolves when the handlers that run have ended. What they throw is logged, and the message comes again.
   */
  async run(options: RunOptions, handler: Handler): Promise<void> {
    const checked = bag('options', options, ['concurrency', 'orderly', 'signal'])
    const { concurrency = this.#concurrency, orderly = false } = checked
    integer('concurrency', concurrency, 1, CONCURRENCY_MAX)
    flag('orderly', orderly)
    const signal = checkSignal(checked.signal)
    callable('handler', handler)
    const run = new Run(handler, orderly)
    const stop = () => {
      run.stopped = true
      this.#wakeAll()
    }
    this.#begin()
    try {
      if (signal?.aborted) return
      signal?.addEventListener('abort', stop, { once: true })
      await this.#join(orderly, concurrency)
      await Promise.all(Array.from({ length: concurrency }, () => this.#work(run)))
    } finally {
      signal?.removeEventListener('abort', stop)
      this.#consuming = false
    }
  }

  /**
   * The messages, one at a time. Asking for the next one settles the one before as consumed. Leaving the loop early, by
   * `break` or by throwing, which cannot be told apart, does not: the message it had is released, so that it comes again,
   * here or elsewhere, without counting as failed. To leave with the last message settled, abort the signal and let the loop
   * take its next step, which ends it.
   */
  messages(options?: MessagesOptions): AsyncIterableIterator<Message> {
    const checked = bag('options', options, ['orderly', 'signal'])
    const { orderly = false } = checked
    flag('orderly', orderly)
    const signal = checkSignal(checked.signal)
    this.#begin()
    return new Stream(this.#source(orderly), signal)
  }

  /** `messages()` */
  [Symbol.asyncIterator](): AsyncIterableIterator<Message> {
    return this.messages()
  }

  /**
   * Takes nothing more, lets what runs end for up to `drainTimeout`, gives back what was not begun, commits and leaves the
   * group. In the body of a loop over the messages, do not await it: the loop's next step settles the message that it waits
   * for.
   */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    try {
      const closing = this.ask<void>((token) => {
        // Never joined: there is nothing to leave.
        if (!this.native.close(token)) this.end(token).resolve(undefined)
      })
      this.#wakeAll()
      await closing
    } finally {
      this.#log.close()
      this.#leave()
    }
  }

  #leave(): void {
    if (this.#joined !== undefined && !this.#left) this.letGo()
    this.#left = true
  }

  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #begin(): void {
    if (this.#closing !== undefined) throw closed('push consumer')
    if (this.#consuming) throw misuse('this consumer is run or looped over already: make another one, or end that first')
    this.#consuming = true
  }

  #join(orderly: boolean, takers: number): Promise<void> {
    if (this.#joined === undefined) {
      const done = this.ask<void>((token) => begun(this.native.start(token, orderly, takers)))
      this.#joined = { orderly, done }
      this.keep()
      // One that could not join has nothing to stay for.
      done.catch(() => this.#leave())
    } else if (this.#joined.orderly !== orderly) {
      throw misuse(`this consumer has joined its group ${orderly ? 'without' : 'with'} order: make another one`)
    }
    return this.#joined.done
  }

  /** @internal */
  protected override ready(): void {
    this.#idle.pop()?.()
  }

  #wakeAll(): void {
    this.#idle.splice(0).forEach((wake) => wake())
  }

  #take(): Batch | undefined {
    const block = this.native.take()
    return block ? batch(block, this.met) : undefined
  }

  /** Settles what is noted. It was taken, so closing waits for it; afterwards there is nobody to tell. */
  #settle(): void {
    const settled = this.#settled
    if (settled.count > 0) this.native.settle(settled.count, settled.pairs)
    settled.count = 0
  }

  async #work(run: Run): Promise<void> {
    while (!run.stopped && this.#closing === undefined) {
      const taken = this.#take()
      if (taken === undefined) {
        await new Promise<void>((resolve) => this.#idle.push(resolve))
        continue
      }
      await this.#serve(taken, run)
    }
  }

  /** Gives the messages of one taking to the handler, one by one. */
  async #serve(taken: Batch, run: Run): Promise<void> {
    const outcomes = new Int32Array(taken.length).fill(Outcome.released)
    for (let index = 0; index < taken.length; index += 1) {
      if (run.stopped || this.#closing !== undefined) break
      const message = taken.message(index)
      outcomes[index] = Outcome.consumed
      try {
        const result = run.handler(message)
        if (isThenable(result)) await result
      } catch (error) {
        outcomes[index] = Outcome.retry
        this.#failed(message, error)
        // What is behind it comes again with it.
        if (run.orderly) break
      }
      if (isDue()) await breathe()
    }
    for (let index = 0; index < taken.length; index += 1) this.#settled.note(taken.slot(index), outcomes[index])
    this.#settle()
  }

  #failed(message: Message, error: unknown): void {
    const { topic, queue, queueOffset, messageId } = message
    const where = `${topic} ${queue.broker}/${queue.id} at ${queueOffset}`
    this.#log.write('error', `the handler failed, ${messageId} (${where}) will come again`, error)
  }

  #source(orderly: boolean): StreamSource<Message> {
    let taken: Batch | undefined
    let next = 0
    const note = (index: number, outcome: number) => this.#settled.note((taken as Batch).slot(index), outcome)
    const fetch = async (isOver: () => boolean): Promise<boolean> => {
      await this.#join(orderly, 1)
      for (;;) {
        if (isOver() || this.#closing !== undefined) return false
        taken = this.#take()
        next = 0
        if (taken !== undefined) return true
        await new Promise<void>((resolve) => this.#idle.push(resolve))
      }
    }
    return {
      isClosed: () => this.#closing !== undefined,
      next: () => (taken !== undefined && next < taken.length ? taken.message(next++) : undefined),
      fetch,
      wake: () => this.#wakeAll(),
      settle: () => {
        note(next - 1, Outcome.consumed)
        if (taken !== undefined && next === taken.length) this.#settle()
      },
      end: (hasCurrent) => {
        const from = hasCurrent ? next - 1 : next
        for (let index = from; taken !== undefined && index < taken.length; index += 1) note(index, Outcome.released)
        taken = undefined
        this.#settle()
        this.#consuming = false
      },
    }
  }
}

/** What the workers of one run share. */
class Run {
  stopped = false
  readonly handler: Handler
  readonly orderly: boolean

  constructor(handler: Handler, orderly: boolean) {
    this.handler = handler
    this.orderly = orderly
  }
}

/** Pairs of slot and outcome. */
class Settled {
  readonly pairs = new Int32Array(2 * SETTLED_MAX)
  count = 0

  note(slot: number, outcome: number): void {
    this.pairs[2 * this.count] = slot
    this.pairs[2 * this.count + 1] = outcome
    this.count += 1
  }
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return value !== null && typeof value === 'object' && typeof (value as { then?: unknown }).then === 'function'
}

function subscribed(subscriptions: unknown): [string[], string[]] {
  if (subscriptions === null || typeof subscriptions !== 'object' || Array.isArray(subscriptions)) {
    throw wrong('subscriptions', 'an object of topics and tags', subscriptions)
  }
  const entries = Object.entries(subscriptions) as [string, unknown][]
  if (entries.length === 0) throw misuse('subscriptions has no topic')
  return [entries.map(([topic]) => topic), entries.map(([topic, tags]) => text(`subscriptions.${topic}`, tags))]
}
