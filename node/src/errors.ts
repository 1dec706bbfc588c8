/*
 * The error class of everything that the client and the servers say. Arguments of wrong types are TypeErrors.
 */
import type { ErrorCode } from './codes.js'
import type { NativeFailure, Refused } from './native.js'
import type { Receipt } from './producer.js'

/** A failure of the client or of a server. `code` says which. */
export class FerroMQError extends Error {
  /** Which failure it is; see `ErrorCode`. */
  readonly code: ErrorCode
  /** The broker's response code, else the Java client's code of the same failure, else -1. */
  readonly brokerCode: number
  /** True when the same call may succeed later. */
  readonly retriable: boolean
  /** True when no server can have executed the request, so that a repetition makes no duplicate. */
  readonly notSent: boolean

  /** @internal */
  constructor(failure: NativeFailure, options?: ErrorOptions) {
    super(failure.message, options)
    this.code = failure.code as ErrorCode
    this.brokerCode = failure.brokerCode
    this.retriable = failure.retriable
    this.notSent = failure.notSent
  }

  static {
    // On the prototype, so that it is no property of each error.
    Object.defineProperty(this.prototype, 'name', { value: 'FerroMQError', configurable: true, writable: true })
  }
}

/** Some messages of a `sendMany` were not sent. `code` and `cause` are those of the first failure. */
export class SendManyError extends FerroMQError {
  /** In the order of the messages: what was stored where, or why it was not. */
  readonly results: (Receipt | FerroMQError)[]

  /** @internal */
  constructor(results: (Receipt | FerroMQError)[], failures: FerroMQError[]) {
    const [first] = failures
    super(
      {
        code: first.code,
        brokerCode: first.brokerCode,
        message: `${failures.length} of ${results.length} messages were not sent; the first failure: ${first.message}`,
        retriable: failures.every((failure) => failure.retriable),
        notSent: failures.every((failure) => failure.notSent),
      },
      { cause: first },
    )
    this.results = results
  }

  static {
    Object.defineProperty(this.prototype, 'name', { value: 'SendManyError', configurable: true, writable: true })
  }
}

/** Messages that were enqueued were not sent. `code` and `cause` are those of the first failure. */
export class FlushError extends FerroMQError {
  /** How many since the flush before. */
  readonly failed: number

  /** @internal */
  constructor(failed: number, first: FerroMQError) {
    const { code, brokerCode, retriable, notSent } = first
    const message = `${failed} enqueued messages were not sent; the first failure: ${first.message}`
    super({ code, brokerCode, retriable, notSent, message }, { cause: first })
    this.failed = failed
  }

  static {
    Object.defineProperty(this.prototype, 'name', { value: 'FlushError', configurable: true, writable: true })
  }
}

/** Throws what a call was refused with. */
export function begun(refused: Refused): void {
  if (refused != null) throw new FerroMQError(refused)
}

/** The object, or its failure thrown. */
export function made<T extends object>(result: T | NativeFailure): T {
  if ('code' in result) throw new FerroMQError(result)
  return result as T
}

/** The object's state does not allow this call now. */
export function misuse(message: string): FerroMQError {
  return new FerroMQError({ code: 'FMQ_VALIDATION', brokerCode: -1, message, retriable: false, notSent: true })
}

/** The object is closed. */
export function closed(what: string): FerroMQError {
  const message = `the ${what} is closed`
  return new FerroMQError({ code: 'FMQ_CLOSED', brokerCode: -1, message, retriable: false, notSent: true })
}
