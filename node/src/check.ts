/*
 * Arguments of wrong types, answered with a TypeError that names them.
 */
import type { MessageQueue } from './message.js'
import { native, type GivenOption } from './native.js'

function show(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' || typeof value === 'function' ? `a ${typeof value}` : `${typeof value} ${String(value)}`
}

/** A TypeError about an argument. */
export function wrong(name: string, wanted: string, value: unknown): TypeError {
  return new TypeError(`${name} must be ${wanted}, not ${show(value)}`)
}

export function text(name: string, value: unknown): string {
  if (typeof value !== 'string') throw wrong(name, 'a string', value)
  return value
}

export function flag(name: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw wrong(name, 'true or false', value)
  return value
}

/** A safe integer between two bounds. */
export function integer(name: string, value: unknown, min: number, max: number = Number.MAX_SAFE_INTEGER): number {
  if (typeof value !== 'number') throw wrong(name, 'a number', value)
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    throw new RangeError(`${name} must be a whole number from ${min} to ${max}, not ${value}`)
  }
  return value
}

/** A queue, copied. */
export function messageQueue(value: MessageQueue): MessageQueue {
  if (value === null || typeof value !== 'object') throw wrong('queue', 'a queue', value)
  const { topic, broker, id } = value
  const checked = integer('queue.id', id, 0, 2 ** 31 - 1)
  return { topic: text('queue.topic', topic), broker: text('queue.broker', broker), id: checked }
}

/** A time as milliseconds since 1970. */
export function time(name: string, value: unknown): number {
  return integer(name, value instanceof Date ? value.getTime() : value, 0)
}

export function callable<T>(name: string, value: T): T {
  if (typeof value !== 'function') throw wrong(name, 'a function', value)
  return value
}

export function signal(value: unknown): AbortSignal | undefined {
  if (value === undefined) return undefined
  if (!(value instanceof AbortSignal)) throw wrong('signal', 'an AbortSignal', value)
  return value
}

/** The error for a name that does not exist. */
export function unknownName(what: string, name: string, known: readonly string[]): TypeError {
  const near = native.nearestName(name, [...known])
  return new TypeError(`${what} ${name} is unknown: ${near ? `did you mean ${near}?` : `known are ${known.join(', ')}`}`)
}

/** An object with none but these properties. */
export function bag<T extends object>(what: string, value: T | undefined, known: readonly string[]): Partial<T> {
  if (value === undefined) return {}
  if (value === null || typeof value !== 'object') throw wrong(what, 'an object', value)
  for (const name of Object.keys(value)) {
    if (!known.includes(name)) throw unknownName('option', name, known)
  }
  return value
}

/** The options of a constructor that the addon knows: all but `own`. Undefined ones count as not given. */
export function given(options: object, own: readonly string[]): GivenOption[] {
  if (options === null || typeof options !== 'object') throw wrong('options', 'an object', options)
  const found: GivenOption[] = []
  for (const [name, value] of Object.entries(options) as [string, unknown][]) {
    if (value === undefined || own.includes(name)) continue
    const plain = value instanceof Date ? value.getTime() : value
    if (typeof plain !== 'string' && typeof plain !== 'number' && typeof plain !== 'boolean') {
      throw wrong(`option ${name}`, 'a string, a number or a boolean', value)
    }
    found.push({ name, value: plain })
  }
  return found
}
