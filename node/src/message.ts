/*
 * Messages as they are sent, and as they are received: views of a shared buffer, read when asked for.
 */
import { inspect } from 'node:util'
import { COLUMNS, Column } from './layout.js'
import type { Block } from './native.js'

/** A queue of a topic. */
export interface MessageQueue {
  /** Its topic. */
  readonly topic: string
  /** The name of its broker. */
  readonly broker: string
  /** Its number there. */
  readonly id: number
}

/** A message to be sent. */
export interface OutgoingMessage {
  /** The topic. */
  topic: string
  /** At least one byte; text is sent as UTF-8. It is copied before the call returns. */
  body: string | Uint8Array
  /** What consumers filter by. */
  tag?: string | undefined
  /** What the message can be found by; white space separates keys. */
  key?: string | readonly string[] | undefined
  /** Messages of one sharding key go to one queue, the same in every language. */
  shardingKey?: string | undefined
  /** The queue to send to, instead of any; with one attempt. Of the message's topic. */
  queue?: MessageQueue | undefined
  /** Properties of the application. */
  properties?: Readonly<Record<string, string>> | undefined
  /** Deliver after the delay of this level, 1 (1 s) to 18 (2 h) with the broker's usual table; 0: at once. */
  delayLevel?: number | undefined
  /** A number of the application, 32 bits. */
  flag?: number | undefined
}

/** Characters between names and values, and between properties. */
const NAME_END = '\u0001'
const PROPERTY_END = '\u0002'

/** @internal Messages that crossed together. */
export class Batch {
  readonly block: Block
  readonly queues: readonly MessageQueue[]
  readonly length: number

  constructor(block: Block, queues: readonly MessageQueue[]) {
    this.block = block
    this.queues = queues
    this.length = block.table.length / COLUMNS
  }

  slot(index: number): number {
    return this.block.table[index * COLUMNS + Column.slot]
  }

  message(index: number): Message {
    return new Message(this, index)
  }
}

/**
 * A received message. It keeps the buffer of the up to 64 messages that came together: copy `body` to keep it for long.
 *
 * Offsets and timestamps are numbers: exact up to 2^53, rounded above, where no queue gets.
 */
export class Message {
  readonly #batch: Batch
  readonly #row: number
  #properties: Record<string, string> | undefined

  /** @internal */
  constructor(batch: Batch, index: number) {
    this.#batch = batch
    this.#row = index * COLUMNS
  }

  #number(column: number): number {
    return this.#batch.block.table[this.#row + column]
  }

  #text(at: number, length: number): string {
    const start = this.#number(at)
    return this.#batch.block.bytes.toString('utf8', start, start + this.#number(length))
  }

  /** The topic. */
  get topic(): string {
    return this.queue.topic
  }

  /** The queue it came from. */
  get queue(): MessageQueue {
    return this.#batch.queues[this.#number(Column.queue)]
  }

  /** Its offset there. */
  get queueOffset(): number {
    return this.#number(Column.queueOffset)
  }

  /** The body: a part of a shared buffer, not a copy. */
  get body(): Buffer {
    const start = this.#number(Column.bodyAt)
    return this.#batch.block.bytes.subarray(start, start + this.#number(Column.bodyLength))
  }

  /** The id its producer gave it. */
  get messageId(): string {
    return this.#text(Column.idAt, Column.idLength)
  }

  /** All properties, those of the client and the broker too. */
  get properties(): Readonly<Record<string, string>> {
    return (this.#properties ??= this.#parse())
  }

  #parse(): Record<string, string> {
    const found = Object.create(null) as Record<string, string>
    for (const property of this.#text(Column.propertiesAt, Column.propertiesLength).split(PROPERTY_END)) {
      const end = property.indexOf(NAME_END)
      if (end > 0) found[property.slice(0, end)] = property.slice(end + 1)
    }
    return found
  }

  /** The tag. */
  get tag(): string | undefined {
    return this.properties.TAGS
  }

  /** The keys. */
  get keys(): string[] {
    return this.properties.KEYS?.split(' ').filter((key) => key !== '') ?? []
  }

  /** The sharding key. */
  get shardingKey(): string | undefined {
    return this.properties.__SHARDINGKEY
  }

  /** When its producer made it, milliseconds since 1970. */
  get bornTimestamp(): number {
    return this.#number(Column.bornTimestamp)
  }

  /** When the broker stored it, milliseconds since 1970. */
  get storeTimestamp(): number {
    return this.#number(Column.storeTimestamp)
  }

  /** How often it was delivered before. */
  get reconsumeTimes(): number {
    return this.#number(Column.reconsumeTimes)
  }

  /** The number of the application. */
  get flag(): number {
    return this.#number(Column.flag)
  }

  /** A plain object for logs; the body as base64. */
  toJSON(): Record<string, unknown> {
    return { ...this.#plain(), body: this.body.toString('base64') }
  }

  #plain(): Record<string, unknown> {
    const { topic, queue, queueOffset, messageId, tag, keys, properties, bornTimestamp, storeTimestamp } = this
    const { reconsumeTimes, flag } = this
    const counted = { bornTimestamp, storeTimestamp, reconsumeTimes, flag }
    return { topic, queue: { ...queue }, queueOffset, messageId, tag, keys, properties: { ...properties }, ...counted }
  }

  /** @internal */
  [inspect.custom](): unknown {
    return { ...this.#plain(), body: this.body }
  }
}
