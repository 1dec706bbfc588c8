/*
 * The iterator behind `for await` over messages, the same for both consumers.
 *
 * Rules: asking for the next message settles the one before; `return` (which `break` and a throw in the loop both call) does
 * not. Steps that are asked for at the same time are taken one after the other.
 */
import { breathe, isDue } from './breath.js'

/** Where the messages come from. */
export interface StreamSource<T> {
  /** True when nothing more is to be given out. */
  isClosed(): boolean
  /** The next message that is here. */
  next(): T | undefined
  /** Waits for messages; false when it is over. */
  fetch(isOver: () => boolean): Promise<boolean>
  /** Ends a `fetch` that waits. */
  wake(): void
  /** The message given out last is consumed. */
  settle(): void
  /** The loop is over; the last message may not have been settled. Called once. */
  end(hasCurrent: boolean): void
}

export class Stream<T> implements AsyncIterableIterator<T> {
  readonly #source: StreamSource<T>
  readonly #signal: AbortSignal | undefined
  readonly #onAbort = () => this.#source.wake()
  /** The step that is taken now. */
  #step: Promise<unknown> | undefined
  #hasCurrent = false
  #over = false

  constructor(source: StreamSource<T>, signal: AbortSignal | undefined) {
    this.#source = source
    this.#signal = signal
    signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<T, undefined>> {
    return this.#inTurn(() => this.#next())
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.#over = true
    this.#source.wake()
    return this.#inTurn(async () => this.#end())
  }

  #inTurn<R>(step: () => Promise<R>): Promise<R> {
    const taken = this.#step === undefined ? step() : this.#step.then(step, step)
    const forget = () => {
      if (this.#step === taken) this.#step = undefined
    }
    this.#step = taken
    taken.then(forget, forget)
    return taken
  }

  #isOver(): boolean {
    return this.#over || this.#signal?.aborted === true
  }

  async #next(): Promise<IteratorResult<T, undefined>> {
    if (this.#hasCurrent) {
      this.#hasCurrent = false
      this.#source.settle()
    }
    if (isDue()) await breathe()
    for (;;) {
      if (this.#isOver() || this.#source.isClosed()) return this.#end()
      const value = this.#source.next()
      if (value !== undefined) {
        this.#hasCurrent = true
        return { done: false, value }
      }
      try {
        if (!(await this.#source.fetch(() => this.#isOver()))) return this.#end()
      } catch (error) {
        this.#end()
        throw error
      }
    }
  }

  #ended = false

  #end(): { done: true; value: undefined } {
    this.#over = true
    if (!this.#ended) {
      this.#ended = true
      this.#signal?.removeEventListener('abort', this.#onAbort)
      this.#source.end(this.#hasCurrent)
      this.#hasCurrent = false
    }
    return { done: true, value: undefined }
  }
}
