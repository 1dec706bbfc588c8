/*
 * The lite pull consumer.
 *
 * Messages that a poll took and nobody got (it was aborted, a loop was left) are kept here and given out first. The addon
 * counts them as handed out, so positions, commits and closing are corrected by them.
 */
import { bag, given, integer, messageQueue, signal as checkSignal, text, time, wrong } from './check.js'
import { begun, closed, FerroMQError, made, misuse } from './errors.js'
import { Handle } from './handle.js'
import { Log, LOG_OPTIONS, type LogOptions } from './log.js'
import type { Batch, Message, MessageQueue } from './message.js'
import { native, type LiteArguments, type NativeLite } from './native.js'
import type { LitePullConsumerSettings } from './options.js'
import { Stream, type StreamSource } from './stream.js'

/** Options of a lite pull consumer. */
export interface LitePullConsumerOptions extends LitePullConsumerSettings, LogOptions {
  /** The consumer group. */
  group: string
}

/** Options of one poll. */
export interface PollOptions {
  /** How long to wait for messages, in milliseconds. Default: 1000. */
  timeout?: number | undefined
  /** Gives up: the promise rejects with the signal's reason, and no message is lost. */
  signal?: AbortSignal | undefined
}

/** An offset to commit. */
export interface QueueOffset {
  /** The queue. */
  queue: MessageQueue
  /** The offset of the next message to consume. */
  offset: number
}

const POLL_TIMEOUT_MS = 1000
const POLL_TIMEOUT_MAX_MS = 24 * 60 * 60 * 1000
/** How long a loop waits at a time. */
const LOOP_POLL_MS = 30_000

/**
 * Reads queues at the caller's pace: those of its group (`subscribe`) or given ones (`assign`). Making one opens nothing; it
 * connects with its first call. Offsets are those of the next message to consume.
 *
 * From its first call on the process stays alive until it is closed.
 */
export class LitePullConsumer extends Handle implements AsyncDisposable, AsyncIterable<Message> {
  /** @internal */
  protected readonly native: NativeLite
  readonly #log: Log
  #kept: Message[] = []
  /** The message that a loop has not settled. */
  #current: Message | undefined
  /** The poll under way. */
  #polling: Promise<Message[]> | undefined
  #looped = false
  #joined = false
  #closing: Promise<void> | undefined

  /**
   * @throws FerroMQError with code FMQ_CONFIG: an unknown option or an impossible value.
   */
  constructor(options: LitePullConsumerOptions) {
    super()
    const settings = given(options, ['group', ...LOG_OPTIONS])
    const group = text('group', options.group)
    this.#log = new Log(options)
    this.native = made(native.openLite(group, settings, this.waker()))
    this.#log.open()
  }

  async #call<T>(name: string, given: LiteArguments = {}): Promise<T> {
    if (this.#closing !== undefined) throw closed('lite pull consumer')
    return this.#askNative(name, given)
  }

  #askNative<T>(name: string, given: LiteArguments): Promise<T> {
    if (!this.#joined) {
      this.#joined = true
      this.keep()
    }
    return this.ask<T>((token) => begun(this.native.call(token, name, given)))
  }

  /** Connects now instead of with the first call. */
  async start(): Promise<void> {
    await this.#call('start')
  }

  /** Joins the group for a topic: `*`, or tags joined by `||`. The group shares the queues. */
  async subscribe(topic: string, expression = '*'): Promise<void> {
    await this.#call('subscribe', { topic: text('topic', topic), expression: text('expression', expression) })
  }

  /** Ends the subscription of a topic; false when there was none. */
  async unsubscribe(topic: string): Promise<boolean> {
    const ended = await this.#call<boolean>('unsubscribe', { topic: text('topic', topic) })
    this.#kept = this.#kept.filter((message) => message.topic !== topic)
    return ended
  }

  /** Reads exactly these queues, only messages whose tag fits the expression. */
  async assign(queues: readonly MessageQueue[], expression = '*'): Promise<void> {
    const wanted = queueList(queues)
    await this.#call('assign', { queues: wanted, expression: text('expression', expression) })
    this.#kept = this.#kept.filter((message) => wanted.some((queue) => isSame(queue, message.queue)))
  }

  /**
   * Messages, waited for up to `timeout`; empty when none came. With `autoCommit`, the next poll says that these are
   * processed.
   */
  async poll(options?: PollOptions): Promise<Message[]> {
    const checked = bag('options', options, ['timeout', 'signal'])
    const timeout = integer('timeout', checked.timeout ?? POLL_TIMEOUT_MS, 0, POLL_TIMEOUT_MAX_MS)
    const signal = checkSignal(checked.signal)
    if (this.#looped) throw misuse('a loop reads from this consumer: end it before polling')
    return this.#poll(timeout, signal)
  }

  /** With `isKept` the messages are kept here: at once, so that closing sees them. */
  async #poll(timeout: number, signal: AbortSignal | undefined, isKept = false): Promise<Message[]> {
    signal?.throwIfAborted()
    if (this.#closing !== undefined) throw closed('lite pull consumer')
    if (this.#polling !== undefined) throw misuse('a poll is under way: await it before the next one')
    const interrupt = () => void this.native.interrupt()
    signal?.addEventListener('abort', interrupt, { once: true })
    try {
      this.#polling = this.#fetch(timeout)
      const messages = await this.#polling
      if (isKept || signal?.aborted) this.#kept = messages
      signal?.throwIfAborted()
      return messages
    } finally {
      this.#polling = undefined
      signal?.removeEventListener('abort', interrupt)
    }
  }

  async #fetch(timeout: number): Promise<Message[]> {
    if (this.#kept.length > 0) return this.#kept.splice(0)
    const batch = await this.#call<Batch>('poll', { numbers: [timeout] })
    return Array.from({ length: batch.length }, (_, index) => batch.message(index))
  }

  /**
   * The messages, one at a time. Asking for the next one settles the one before: it counts for `autoCommit`. Leaving the
   * loop early, by `break` or by throwing, which cannot be told apart, does not: the message it had comes again with the
   * next poll or loop, or elsewhere after closing. To leave with the last message settled, abort the signal and let the loop
   * take its next step, which ends it.
   */
  messages(options?: { signal?: AbortSignal }): AsyncIterableIterator<Message> {
    const signal = checkSignal(bag('options', options, ['signal']).signal)
    if (this.#closing !== undefined) throw closed('lite pull consumer')
    if (this.#looped) throw misuse('a loop reads from this consumer already')
    this.#looped = true
    return new Stream(this.#source(), signal)
  }

  /** `messages()` */
  [Symbol.asyncIterator](): AsyncIterableIterator<Message> {
    return this.messages()
  }

  #source(): StreamSource<Message> {
    return {
      isClosed: () => this.#closing !== undefined,
      next: () => (this.#current = this.#kept.shift()),
      fetch: async (isOver) => {
        try {
          while (this.#kept.length === 0) {
            if (isOver()) return false
            await this.#poll(LOOP_POLL_MS, undefined, true)
          }
          return true
        } catch (error) {
          if (this.#closing !== undefined && error instanceof FerroMQError && error.code === 'FMQ_CLOSED') return false
          throw error
        }
      },
      wake: () => void this.native.interrupt(),
      settle: () => {
        this.#current = undefined
      },
      end: () => {
        if (this.#current !== undefined) this.#kept.unshift(this.#current)
        this.#current = undefined
        this.#looped = false
      },
    }
  }

  /** Commits the positions of all assigned queues, or these offsets, and waits for the brokers' answers. */
  async commit(offsets?: readonly QueueOffset[]): Promise<void> {
    if (offsets !== undefined) return this.#commitOffsets(offsetList(offsets))
    if (this.#kept.length === 0) return this.#call<void>('commit')
    // What nobody has got must not be committed.
    const queues = await this.assignment()
    const positions = await Promise.all(queues.map((queue) => this.position(queue)))
    const known = queues.map((queue, index) => ({ queue, offset: positions[index] }))
    return this.#commitOffsets(known.filter((one): one is QueueOffset => one.offset !== null))
  }

  async #commitOffsets(offsets: readonly QueueOffset[]): Promise<void> {
    const [queues, numbers] = [offsets.map(({ queue }) => queue), offsets.map(({ offset }) => offset)]
    await this.#call('commitOffsets', { queues, numbers })
  }

  /** The committed offset of a queue; null when there is none. */
  async committed(queue: MessageQueue): Promise<number | null> {
    return this.#call('committed', { queues: [messageQueue(queue)] })
  }

  /** The offset after the last message given out; null when the queue is not assigned or not read yet. */
  async position(queue: MessageQueue): Promise<number | null> {
    const known = messageQueue(queue)
    const position = await this.#call<number | null>('position', { queues: [known] })
    const kept = this.#kept.find((message) => isSame(message.queue, known))
    return kept === undefined ? position : kept.queueOffset
  }

  /** Reads on at an offset, which must be within the queue. */
  async seek(queue: MessageQueue, offset: number): Promise<void> {
    await this.#seek('seek', queue, [integer('offset', offset, 0)])
  }

  /** Reads on at the first message. */
  async seekToBegin(queue: MessageQueue): Promise<void> {
    await this.#seek('seekToBegin', queue)
  }

  /** Reads on after the last message. */
  async seekToEnd(queue: MessageQueue): Promise<void> {
    await this.#seek('seekToEnd', queue)
  }

  async #seek(name: string, queue: MessageQueue, numbers?: number[]): Promise<void> {
    const known = messageQueue(queue)
    await this.#call(name, { queues: [known], numbers })
    this.#kept = this.#kept.filter((message) => !isSame(message.queue, known))
  }

  /** The queues assigned now. */
  async assignment(): Promise<MessageQueue[]> {
    return this.#call('assignment')
  }

  /** The queues of a topic. */
  async queues(topic: string): Promise<MessageQueue[]> {
    return this.#call('queues', { topic: text('topic', topic) })
  }

  /** The offset of the first message stored at or after a time: a Date, or milliseconds since 1970. */
  async offsetForTime(queue: MessageQueue, when: Date | number): Promise<number> {
    return this.#call('offsetForTime', { queues: [messageQueue(queue)], numbers: [time('when', when)] })
  }

  /** The smallest offset still there. */
  async minOffset(queue: MessageQueue): Promise<number> {
    return this.#call('minOffset', { queues: [messageQueue(queue)] })
  }

  /** The offset that the next message will get. */
  async maxOffset(queue: MessageQueue): Promise<number> {
    return this.#call('maxOffset', { queues: [messageQueue(queue)] })
  }

  /** Reads nothing more from these queues; what is here already is still given out. */
  async pause(queues: readonly MessageQueue[]): Promise<void> {
    await this.#call('pause', { queues: queueList(queues) })
  }

  /** Reads these queues again. */
  async resume(queues: readonly MessageQueue[]): Promise<void> {
    await this.#call('resume', { queues: queueList(queues) })
  }

  /**
   * Ends polls that wait, commits with `autoCommit` what was given out and settled, leaves the group. What a loop has not
   * settled is not committed.
   */
  close(): Promise<void> {
    return (this.#closing ??= this.#close())
  }

  async #close(): Promise<void> {
    try {
      this.native.interrupt()
      await this.#polling?.catch(() => {})
      await this.#stepBack(this.#current === undefined ? this.#kept : [this.#current, ...this.#kept])
      await this.ask<void>((token) => begun(this.native.close(token)))
    } finally {
      this.#log.close()
      if (this.#joined) this.letGo()
    }
  }

  /** Lets the addon forget that it has handed these out: it commits what it has handed out. */
  async #stepBack(unread: readonly Message[]): Promise<void> {
    const first = new Map<MessageQueue, number>()
    for (const { queue, queueOffset } of unread) {
      if (!first.has(queue)) first.set(queue, queueOffset)
    }
    const steps = [...first].map(([queue, offset]) => this.#askNative('seek', { queues: [queue], numbers: [offset] }))
    for (const result of await Promise.allSettled(steps)) {
      if (result.status === 'rejected') {
        this.#log.write('warn', 'messages that were not read may be committed', result.reason)
      }
    }
  }

  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

function isSame(a: MessageQueue, b: MessageQueue): boolean {
  return a.id === b.id && a.topic === b.topic && a.broker === b.broker
}

function queueList(queues: readonly MessageQueue[]): MessageQueue[] {
  if (!Array.isArray(queues)) throw wrong('queues', 'an array of queues', queues)
  return queues.map(messageQueue)
}

function offsetList(offsets: readonly QueueOffset[]): QueueOffset[] {
  if (!Array.isArray(offsets)) throw wrong('offsets', 'an array of queues and offsets', offsets)
  return offsets.map((one: QueueOffset) => {
    if (one === null || typeof one !== 'object') throw wrong('offsets', 'an array of queues and offsets', offsets)
    return { queue: messageQueue(one.queue), offset: integer('offset', one.offset, 0) }
  })
}
