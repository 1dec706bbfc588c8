/*
 * The producer.
 *
 * Messages of one turn of the program are gathered and cross together at its end (a microtask); results come back in bulk.
 * They cross in the order in which they were given; the addon keeps it for those of `send` and for those of `enqueue` and
 * `sendMany`, not between the two.
 */
import { abortable } from './abort.js'
import { bag, given, integer, signal as checkSignal, text } from './check.js'
import { begun, closed, FerroMQError, FlushError, made, SendManyError } from './errors.js'
import { type Flushed, Handle } from './handle.js'
import { BODY_LENGTH, PROPERTY_COUNT } from './layout.js'
import { Log, LOG_OPTIONS, type LogOptions } from './log.js'
import type { MessageQueue, OutgoingMessage } from './message.js'
import { native, type NativeProducer, type Refused } from './native.js'
import type { ProducerSettings } from './options.js'
import { Packer } from './packer.js'

/** How a broker stored a message; every status means that it is stored. */
export type SendStatus = 'SEND_OK' | 'FLUSH_DISK_TIMEOUT' | 'FLUSH_SLAVE_TIMEOUT' | 'SLAVE_NOT_AVAILABLE'

/** The answer to a send. */
export interface Receipt {
  /** The unique id that the message got. */
  messageId: string
  /** The queue that took it. */
  queue: MessageQueue
  /** Its offset there, exact up to 2^53. */
  queueOffset: number
  /** How it was stored. */
  status: SendStatus
}

/** Options of a producer. */
export interface ProducerOptions extends ProducerSettings, LogOptions {
  /** The producer group. */
  group: string
}

/** Options of one send. */
export interface SendOptions {
  /** Gives up waiting: the promise rejects with the signal's reason, but the message may be sent all the same. */
  signal?: AbortSignal | undefined
}

/** Options of closing a producer. */
export interface CloseOptions {
  /** How long messages given before may take, in milliseconds; what was not begun then fails. Default: 10,000. */
  timeout?: number | undefined
}

/** Bytes after which sends cross before the turn ends. */
const CROSS_BYTES = 1024 * 1024
const CLOSE_TIMEOUT_MS = 10_000
/** For the tests and benchmarks of this package: a producer that answers by itself. */
const ECHO: unique symbol = Symbol.for('ferromq.echo')

/**
 * Sends messages. Making one opens nothing; it connects with its first send.
 *
 * The process stays alive while sends are under way, not for an idle producer.
 */
export class Producer extends Handle implements AsyncDisposable {
  /** @internal */
  protected readonly native: NativeProducer
  readonly #log: Log
  readonly #packer = new Packer()
  /** Tokens of the messages in the packer; none when these are to be put in line. */
  #tokens: number[] = []
  /** What is in the packer is to be put in line. */
  #isLine = false
  /** Messages and bytes that the line will take for certain. */
  #roomCount = 0
  #roomBytes = 0
  /** Failures of enqueued messages that no flush has told yet. */
  #untold: Flushed = { failed: 0, first: undefined }
  /** A flush is under way that keeps the process alive for enqueued messages. */
  #watching = false
  #closing: Promise<void> | undefined

  /**
   * @throws FerroMQError with code FMQ_CONFIG: an unknown option or an impossible value.
   */
  constructor(options: ProducerOptions) {
    super()
    const settings = given(options, ['group', ...LOG_OPTIONS])
    const group = text('group', options.group)
    this.#log = new Log(options)
    const echo = (options as { [ECHO]?: boolean })[ECHO] === true
    this.native = made(native.openProducer(group, settings, echo, this.waker()))
    this.#log.open()
  }

  /** Connects now instead of with the first send. */
  async start(): Promise<void> {
    this.#checkOpen()
    await this.ask((token) => begun(this.native.start(token)))
  }

  /** Sends a message, with retries on other brokers unless it has a sharding key. */
  send(message: OutgoingMessage, options?: SendOptions): Promise<Receipt> {
    return this.#send(message, options, false) as Promise<Receipt>
  }

  /** Sends a message to which no answer is wanted: the promise resolves when it was written, not when it is stored. */
  sendOneway(message: OutgoingMessage, options?: SendOptions): Promise<void> {
    return this.#send(message, options, true) as Promise<void>
  }

  #send(message: OutgoingMessage, options: SendOptions | undefined, oneWay: boolean): Promise<unknown> {
    if (options !== undefined) return this.#sendAbortable(message, options, oneWay)
    return new Promise((resolve, reject) => this.#give(message, oneWay, resolve, reject))
  }

  async #sendAbortable(message: OutgoingMessage, options: SendOptions, oneWay: boolean): Promise<unknown> {
    const signal = checkSignal(bag('options', options, ['signal']).signal)
    signal?.throwIfAborted()
    return abortable(new Promise((resolve, reject) => this.#give(message, oneWay, resolve, reject)), signal)
  }

  #give(
    message: OutgoingMessage,
    oneWay: boolean,
    resolve: (value: unknown) => void,
    reject: (error: unknown) => void,
  ): void {
    this.#checkOpen()
    const packer = this.#packer
    if (this.#isLine) this.#cross()
    const place = packer.add(message, oneWay)
    const token = this.begin({ resolve, reject })
    packer.numbers[place] = token
    this.#tokens.push(token)
    this.#crossSoon()
  }

  #crossSoon(): void {
    const packer = this.#packer
    if (packer.used >= CROSS_BYTES) this.#cross()
    else if (packer.count === 1) queueMicrotask(() => this.#cross())
  }

  /** Gives what is gathered to the addon. */
  #cross(): void {
    const packer = this.#packer
    if (packer.count === 0) return
    if (this.#isLine) {
      const { count } = packer
      const refused = this.#crossLine()
      // There is room for all of them: whatever else it is, a flush tells.
      if (refused) this.#note({ failed: count, first: new FerroMQError(refused) })
      return
    }
    const tokens = this.#tokens
    const refused = this.native.send(packer.count, packer.bytes, packer.numbers)
    packer.reset()
    this.#tokens = []
    if (refused) tokens.forEach((token) => this.end(token).reject(new FerroMQError(refused)))
  }

  /** Puts what is gathered in line. */
  #crossLine(): Refused {
    const packer = this.#packer
    const refused = this.native.enqueue(packer.count, packer.bytes, packer.numbers)
    packer.reset()
    this.#isLine = false
    if (!this.#watching) this.#watch()
    return refused
  }

  /**
   * Sends many messages, each on its own, with one crossing and one promise; receipts come in the order of the messages. Of
   * one sharding key, messages may overtake each other when one is sent again: await sends of one key one by one.
   *
   * @throws SendManyError when some were not sent: its `results` tell which.
   */
  async sendMany(messages: Iterable<OutgoingMessage>, options?: SendOptions): Promise<Receipt[]> {
    const signal = checkSignal(bag('options', options, ['signal']).signal)
    signal?.throwIfAborted()
    this.#checkOpen()
    const results = await abortable(this.#giveMany([...messages]), signal)
    const failures = results.filter((result): result is FerroMQError => result instanceof FerroMQError)
    if (failures.length > 0) throw new SendManyError(results, failures)
    return results as Receipt[]
  }

  #giveMany(messages: OutgoingMessage[]): Promise<(Receipt | FerroMQError)[]> {
    this.#cross()
    const packer = this.#packer
    try {
      for (const message of messages) packer.add(message, false)
      return this.ask((token) => begun(this.native.sendMany(token, packer.count, packer.bytes, packer.numbers)))
    } finally {
      packer.reset()
    }
  }

  /**
   * Puts a message in line and returns at once; `flush` tells what became of it. The process stays alive until it was sent.
   *
   * @throws FerroMQError with code FMQ_QUEUE_FULL when `queueCountMax` or `queueBytesMax` is reached: flush, then go on.
   */
  enqueue(message: OutgoingMessage): void {
    this.#checkOpen()
    if (!this.#isLine) this.#cross()
    const { numbers, place } = this.#addToLine(message)
    const size = numbers[place + BODY_LENGTH]
    this.#roomCount -= 1
    this.#roomBytes -= size
    // What the addon may refuse, for its properties or because the line is full, crosses now, as the last of its batch.
    const isCertain = this.#roomCount >= 0 && this.#roomBytes >= 0 && numbers[place + PROPERTY_COUNT] === 0
    if (isCertain) {
      this.#crossSoon()
      return
    }
    const refused = this.#crossLine()
    ;[this.#roomCount, this.#roomBytes] = this.native.room()
    begun(refused)
  }

  #addToLine(message: OutgoingMessage): { numbers: Int32Array; place: number } {
    const packer = this.#packer
    const place = packer.add(message, false)
    packer.numbers[place] = -1
    this.#isLine = true
    return { numbers: packer.numbers, place }
  }

  /** Keeps the process alive until nothing is under way. */
  #watch(): void {
    this.#watching = true
    const over = (flushed?: Flushed) => {
      this.#watching = false
      if (flushed) this.#note(flushed)
    }
    this.ask<Flushed>((token) => begun(this.native.flush(token))).then(over, () => over())
  }

  #note({ failed, first }: Flushed): void {
    this.#untold.failed += failed
    this.#untold.first ??= first
  }

  /**
   * Waits until nothing is under way any more.
   *
   * @throws FlushError when messages enqueued since the last flush were not sent.
   */
  async flush(): Promise<void> {
    this.#checkOpen()
    this.#cross()
    this.#note(await this.ask<Flushed>((token) => begun(this.native.flush(token))))
    const { failed, first } = this.#untold
    this.#untold = { failed: 0, first: undefined }
    if (first !== undefined) throw new FlushError(failed, first)
  }

  /** Refuses new messages, waits for those given before, and closes. Later calls wait for the first one. */
  close(options?: CloseOptions): Promise<void> {
    return (this.#closing ??= this.#close(options))
  }

  async #close(options: CloseOptions | undefined): Promise<void> {
    const { timeout = CLOSE_TIMEOUT_MS } = bag('options', options, ['timeout'])
    integer('timeout', timeout, 0, 2 ** 32 - 1)
    this.#cross()
    try {
      await this.ask((token) => begun(this.native.close(token, timeout)))
    } finally {
      this.#log.close()
    }
  }

  /** `close()`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #checkOpen(): void {
    if (this.#closing !== undefined) throw closed('producer')
  }
}

