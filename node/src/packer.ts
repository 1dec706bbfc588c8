/*
 * Messages to be sent, packed into one buffer and one table (`layout.ts`), so that any number of them crosses at once.
 *
 * What is refused here leaves no trace in the buffer: the next message takes its place.
 */
import { integer, messageQueue, text, unknownName, wrong } from './check.js'
import { OUTGOING_COLUMNS, Way } from './layout.js'
import type { OutgoingMessage } from './message.js'

const FIELDS = ['topic', 'body', 'tag', 'key', 'shardingKey', 'queue', 'properties', 'delayLevel', 'flag'] as const
const KNOWN: ReadonlySet<string> = new Set(FIELDS)

/** Sizes at the beginning, and again after something larger was packed. */
const BYTES = 64 * 1024
const NUMBERS = 1024
/** A buffer above this size is given back when it was used. */
const BYTES_KEPT = 2 * 1024 * 1024
/** Lengths are 32-bit numbers, and so is their sum. */
const BYTES_MAX = 2 ** 31 - 1
/** Up to this length, text is copied letter by letter: cheaper than a call. */
const SHORT = 24
const INT32_MIN = -(2 ** 31)
const INT32_MAX = 2 ** 31 - 1

export class Packer {
  bytes = Buffer.allocUnsafeSlow(BYTES)
  numbers = new Int32Array(NUMBERS)
  /** Messages packed. */
  count = 0
  /** Bytes used. */
  used = 0
  #at = 0
  #topic: string | undefined

  /** Forgets what is packed. */
  reset(): void {
    this.count = 0
    this.used = 0
    this.#at = 0
    this.#topic = undefined
    if (this.bytes.length > BYTES_KEPT) this.bytes = Buffer.allocUnsafeSlow(BYTES)
  }

  /**
   * Packs a message and returns the place of its token in `numbers`.
   *
   * @throws TypeError of what it is made of; then nothing was packed.
   */
  add(message: OutgoingMessage, oneWay: boolean): number {
    const { used } = this
    const row = this.#at
    const topic = this.#topic
    try {
      this.#pack(message, oneWay)
    } catch (error) {
      this.used = used
      this.#at = row
      this.#topic = topic
      throw error
    }
    this.count += 1
    return row
  }

  #pack(message: OutgoingMessage, oneWay: boolean): void {
    if (message === null || typeof message !== 'object') throw wrong('message', 'an object', message)
    for (const name in message) {
      if (!KNOWN.has(name)) throw unknownName('field', name, FIELDS)
    }
    const { topic, body, tag, key, properties, delayLevel, flag } = message
    const row = this.#at
    this.#reserveNumbers(OUTGOING_COLUMNS)
    this.#at = row + OUTGOING_COLUMNS
    const same = topic === this.#topic && topic !== undefined
    const topicLength = same ? -1 : this.#text(text('topic', topic))
    this.#topic = topic
    const tagLength = tag === undefined ? -1 : this.#text(text('tag', tag))
    const keysLength = key === undefined ? -1 : this.#text(joined(key))
    const { way, place, queueId } = destination(message, oneWay)
    const placeLength = place === undefined ? -1 : this.#text(place)
    const propertyCount = properties === undefined ? 0 : this.#properties(properties)
    const bodyLength = this.#body(body)
    const { numbers } = this
    numbers[row + 1] = way
    numbers[row + 2] = flag === undefined ? 0 : integer('flag', flag, INT32_MIN, INT32_MAX)
    numbers[row + 3] = delayLevel === undefined ? 0 : integer('delayLevel', delayLevel, 0, INT32_MAX)
    numbers[row + 4] = topicLength
    numbers[row + 5] = tagLength
    numbers[row + 6] = keysLength
    numbers[row + 7] = placeLength
    numbers[row + 8] = propertyCount
    numbers[row + 9] = bodyLength
    numbers[row + 10] = queueId
  }

  #properties(properties: Readonly<Record<string, string>>): number {
    if (properties === null || typeof properties !== 'object') throw wrong('properties', 'an object', properties)
    const names = Object.keys(properties)
    const first = this.#at
    this.#reserveNumbers(2 * names.length)
    this.#at = first + 2 * names.length
    for (let index = 0; index < names.length; index += 1) {
      const name = names[index]
      const value = properties[name]
      if (typeof value !== 'string') throw wrong(`property ${name}`, 'a string', value)
      this.numbers[first + 2 * index] = this.#text(name)
      this.numbers[first + 2 * index + 1] = this.#text(value)
    }
    return names.length
  }

  #body(body: string | Uint8Array): number {
    if (typeof body === 'string') return this.#text(body)
    if (!(body instanceof Uint8Array)) throw wrong('body', 'a string or a Uint8Array', body)
    this.#reserve(body.length)
    this.bytes.set(body, this.used)
    this.used += body.length
    return body.length
  }

  /** Appends text as UTF-8 and returns its bytes. */
  #text(value: string): number {
    const { length } = value
    // A UTF-16 unit takes at most three bytes.
    this.#reserve(3 * length)
    const { bytes, used } = this
    if (length <= SHORT) {
      let index = 0
      for (; index < length; index += 1) {
        const unit = value.charCodeAt(index)
        if (unit > 127) break
        bytes[used + index] = unit
      }
      if (index === length) {
        this.used = used + length
        return length
      }
    }
    const written = bytes.write(value, used)
    this.used = used + written
    return written
  }

  #reserve(count: number): void {
    const needed = this.used + count
    if (needed <= this.bytes.length) return
    if (needed > BYTES_MAX) throw new RangeError(`messages of ${needed} bytes are too many for one call`)
    const larger = Buffer.allocUnsafeSlow(Math.min(Math.max(needed, 2 * this.bytes.length), BYTES_MAX))
    larger.set(this.bytes.subarray(0, this.used))
    this.bytes = larger
  }

  #reserveNumbers(count: number): void {
    const needed = this.#at + count
    if (needed <= this.numbers.length) return
    const larger = new Int32Array(Math.max(needed, 2 * this.numbers.length))
    larger.set(this.numbers)
    this.numbers = larger
  }
}

interface Destination {
  way: number
  /** The sharding key, or the name of the queue's broker. */
  place?: string
  queueId: number
}

const ANYWHERE: Destination = { way: Way.any, queueId: 0 }
const ONE_WAY: Destination = { way: Way.oneWay, queueId: 0 }

/** Where a message goes. */
function destination({ topic, shardingKey, queue }: OutgoingMessage, oneWay: boolean): Destination {
  if (shardingKey === undefined && queue === undefined) return oneWay ? ONE_WAY : ANYWHERE
  if (shardingKey !== undefined && queue !== undefined) throw new TypeError('give shardingKey or queue, not both')
  if (oneWay) throw new TypeError(`a one-way message cannot have a ${queue === undefined ? 'shardingKey' : 'queue'}`)
  if (queue === undefined) return { way: Way.sharded, place: text('shardingKey', shardingKey), queueId: 0 }
  const known = messageQueue(queue)
  if (known.topic !== topic) throw new TypeError(`queue is of topic ${known.topic}, the message of topic ${topic}`)
  return { way: Way.queue, place: known.broker, queueId: known.id }
}

function joined(key: string | readonly string[]): string {
  if (typeof key === 'string') return key
  if (!Array.isArray(key)) throw wrong('key', 'a string or an array of strings', key)
  return key.map((one) => text('key', one)).join(' ')
}
