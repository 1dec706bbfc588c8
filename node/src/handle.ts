/*
 * What all objects share: calls under way by token, the queues they have met, and the draining of events.
 *
 * A token is the place of its call in a table, and is used again when the call has ended. An object with calls under way
 * keeps the process alive; the wake-up holds the object weakly, so that one that was forgotten can go.
 */
import { hold, release } from './alive.js'
import { breathe, isDue } from './breath.js'
import { FerroMQError } from './errors.js'
import { Event, Kind, STATUSES } from './layout.js'
import { Batch, type MessageQueue } from './message.js'
import type { Drainable, Drained } from './native.js'
import type { Receipt } from './producer.js'

/** @internal A call that waits for its result. */
export interface Call {
  resolve(value: unknown): void
  reject(error: unknown): void
}

/** @internal What a flush found. */
export interface Flushed {
  failed: number
  first: FerroMQError | undefined
}

export abstract class Handle {
  readonly #calls: (Call | undefined)[] = []
  readonly #free: number[] = []
  #pending = 0
  #held = 0
  /** @internal The queues met so far, by number. */
  protected readonly met: MessageQueue[] = []
  /** @internal */
  protected abstract readonly native: Drainable

  /** @internal The function that the addon calls when there is something to drain. */
  protected waker(): () => void {
    const weak = new WeakRef(this)
    return () => weak.deref()?.drain()
  }

  /** @internal Keeps the process alive until `letGo`, as often as it is called. */
  protected keep(): void {
    if (this.#held++ === 0) hold(this)
  }

  /** @internal */
  protected letGo(): void {
    if (--this.#held === 0) release(this)
  }

  /** @internal */
  protected begin(call: Call): number {
    const token = this.#free.pop() ?? this.#calls.length
    this.#calls[token] = call
    if (this.#pending++ === 0) this.keep()
    return token
  }

  /** @internal Ends a call; its token is free again. */
  protected end(token: number): Call {
    const call = this.#calls[token] as Call
    this.#calls[token] = undefined
    this.#free.push(token)
    if (--this.#pending === 0) this.letGo()
    return call
  }

  /** @internal A call whose result is a promise; `start` begins it under a token, or throws. */
  protected ask<T>(start: (token: number) => void): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const token = this.begin({ resolve: resolve as (value: unknown) => void, reject })
      try {
        start(token)
      } catch (error) {
        this.end(token)
        throw error
      }
    })
  }

  /** @internal There are messages to take. */
  protected ready(): void {}

  /** @internal Gives out what has happened, when the event loop has had its turn. Called by the addon: never throws. */
  protected drain(): void {
    if (isDue()) void breathe().then(() => this.#drain())
    else this.#drain()
  }

  #drain(): void {
    const drained = this.native.drain()
    if (drained) this.#giveOut(drained)
  }

  #giveOut(drained: Drained): void {
    for (const queue of drained.queues) this.met.push(Object.freeze(queue))
    const reader = new Reader(drained, this.met)
    while (reader.more()) {
      const record = reader.next()
      if (record === Event.ready) {
        this.ready()
        continue
      }
      const token = reader.next()
      if (record === Event.stored) this.end(token).resolve(reader.receipt())
      else if (record === Event.failed) this.end(token).reject(reader.failure())
      else if (record === Event.sentOneWay) this.end(token).resolve(undefined)
      else if (record === Event.manySent) this.end(token).resolve(reader.receipts())
      else this.end(token).resolve(reader.value())
    }
  }
}

/** Reads the table of drained events. */
class Reader {
  readonly #drained: Drained
  readonly #queues: readonly MessageQueue[]
  #at = 0
  #idAt = 0

  constructor(drained: Drained, queues: MessageQueue[]) {
    this.#drained = drained
    this.#queues = queues
    for (const block of drained.blocks) {
      for (const queue of block.queues) queues.push(Object.freeze(queue))
    }
  }

  more(): boolean {
    return this.#at < this.#drained.table.length
  }

  next(): number {
    return this.#drained.table[this.#at++]
  }

  receipt(): Receipt {
    const { table, ids } = this.#drained
    const at = this.#at
    const idAt = this.#idAt
    this.#at = at + 4
    this.#idAt = idAt + table[at + 3]
    return {
      messageId: ids.slice(idAt, this.#idAt),
      queue: this.#queues[table[at + 1]],
      queueOffset: table[at + 2],
      status: STATUSES[table[at]],
    }
  }

  failure(): FerroMQError {
    return new FerroMQError(this.#drained.failures[this.next()])
  }

  receipts(): (Receipt | FerroMQError)[] {
    const count = this.next()
    const results = new Array<Receipt | FerroMQError>(count)
    for (let index = 0; index < count; index += 1) {
      results[index] = this.next() === Event.stored ? this.receipt() : this.failure()
    }
    return results
  }

  value(): unknown {
    const kind = this.next()
    switch (kind) {
      case Kind.flag:
        return this.next() === 1
      case Kind.offset: {
        const offset = this.next()
        return Number.isNaN(offset) ? null : offset
      }
      case Kind.queues: {
        const count = this.next()
        return Array.from({ length: count }, () => this.#queues[this.next()])
      }
      case Kind.messages:
        return new Batch(this.#drained.blocks[this.next()], this.#queues)
      case Kind.flushed: {
        const failed = this.next()
        const first = this.next()
        return { failed, first: first < 0 ? undefined : new FerroMQError(this.#drained.failures[first]) }
      }
      default:
        return undefined
    }
  }
}

/** @internal Messages of one crossing, with the queues they bring. */
export function batch(block: Batch['block'], queues: MessageQueue[]): Batch {
  for (const queue of block.queues) queues.push(Object.freeze(queue))
  return new Batch(block, queues)
}

