/*
 * The addon: found in the platform package, and what it exports. Only this module loads it.
 */

/** What the bridge refuses or reports. */
export interface NativeFailure {
  code: string
  brokerCode: number
  message: string
  retriable: boolean
  notSent: boolean
}

/** Undefined or null: begun. */
export type Refused = NativeFailure | null | undefined

export interface NativeQueue {
  topic: string
  broker: string
  id: number
}

export interface Block {
  bytes: Buffer
  table: Float64Array
  queues: NativeQueue[]
}

export interface Drained {
  table: Float64Array
  ids: string
  failures: NativeFailure[]
  queues: NativeQueue[]
  blocks: Block[]
}

export interface Drainable {
  drain(): Drained | null | undefined
}

export interface NativeProducer extends Drainable {
  start(token: number): Refused
  send(count: number, bytes: Uint8Array, numbers: Int32Array): Refused
  room(): number[]
  enqueue(count: number, bytes: Uint8Array, numbers: Int32Array): Refused
  sendMany(token: number, count: number, bytes: Uint8Array, numbers: Int32Array): Refused
  flush(token: number): Refused
  close(token: number, limitMs: number): Refused
}

export interface NativePush extends Drainable {
  start(token: number, orderly: boolean, takers: number): Refused
  take(): Block | null | undefined
  settle(count: number, pairs: Int32Array): Refused
  close(token: number): boolean
}

export interface LiteArguments {
  topic?: string
  expression?: string
  queues?: NativeQueue[]
  numbers?: number[]
}

export interface NativeLite extends Drainable {
  call(token: number, name: string, given: LiteArguments): Refused
  interrupt(): Refused
  close(token: number): Refused
}

export interface GivenOption {
  name: string
  value: string | number | boolean
}

export interface NativeRecord {
  level: 'error' | 'warn' | 'info' | 'debug' | 'trace'
  target: string
  message: string
  time: number
}

type Wake = () => void

export interface Native {
  version(): string
  codes(): { code: string; doc: string }[]
  options(of: 'producer' | 'push' | 'lite'): { name: string; default: string; doc: string; accepts: string }[]
  nearestName(wrong: string, known: string[]): string | null
  openProducer(group: string, given: GivenOption[], echo: boolean, wake: Wake): NativeProducer | NativeFailure
  openPush(
    group: string,
    given: GivenOption[],
    topics: string[],
    expressions: string[],
    wake: Wake,
  ): NativePush | NativeFailure
  openPushEcho(count: number, bodyLength: number, wake: Wake): NativePush | NativeFailure
  openLite(group: string, given: GivenOption[], wake: Wake): NativeLite | NativeFailure
  gatherLog(wake: Wake): void
  setLogLevel(level: string): void
  drainLog(): { records: NativeRecord[]; dropped: number }
}

/** Platforms for which there are packages, as `process.platform-process.arch`. */
const PACKAGES: Record<string, string> = {
  'linux-x64': '@ferromq/linux-x64-gnu',
  'linux-arm64': '@ferromq/linux-arm64-gnu',
}

function load(): Native {
  const platform = `${process.platform}-${process.arch}`
  const name = PACKAGES[platform]
  if (name === undefined) {
    throw new Error(`ferromq has no package for ${platform}; there are ${Object.keys(PACKAGES).join(', ')}`)
  }
  let addon: Native
  try {
    addon = require(name) as Native
  } catch (cause) {
    throw new Error(
      `ferromq could not load ${name}: install it without leaving out optional dependencies, on Linux with glibc`,
      { cause },
    )
  }
  const { version } = require('../package.json') as { version: string }
  if (addon.version() !== version) {
    throw new Error(`ferromq ${version} found ${name} ${addon.version()}: install both with one version`)
  }
  return addon
}

export const native: Native = load()
