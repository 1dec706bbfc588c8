/*
 * Where log records go: to the loggers of the open objects, or, while none of them has one, to the process's warnings.
 *
 * The library's own records are those of the process: every logger gets them, each from its level on. What an object says
 * itself (a handler failed) goes to its logger.
 */
import { callable, unknownName, wrong } from './check.js'
import { native, type NativeRecord } from './native.js'

/** Takes log lines; `console` is one. */
export interface Logger {
  error(message: string, ...details: unknown[]): void
  warn(message: string, ...details: unknown[]): void
  info(message: string, ...details: unknown[]): void
  debug(message: string, ...details: unknown[]): void
}

/** The least bad level that is logged. */
export type LogLevel = 'off' | 'error' | 'warn' | 'info' | 'debug'

/** Options about logging, of every object. */
export interface LogOptions {
  /** Where log lines go. Default: warnings and errors become warnings of the process (`process.emitWarning`). */
  logger?: Logger | undefined
  /** The least bad level that is logged, with or without a logger. Default: `warn`. */
  logLevel?: LogLevel | undefined
}

export const LOG_OPTIONS = ['logger', 'logLevel'] as const

const LEVELS: readonly LogLevel[] = ['off', 'error', 'warn', 'info', 'debug']
const METHODS = ['error', 'warn', 'info', 'debug'] as const
/** The level of records that nobody has asked for. */
const DEFAULT = 'warn'

type Method = (typeof METHODS)[number]

/** Where one object logs. */
export class Log {
  readonly #logger: Logger | undefined
  readonly #level: number
  /** Somebody has chosen: the library's records go here too. */
  readonly #isSet: boolean

  constructor(options: LogOptions) {
    const { logger, logLevel } = options
    if (logger !== undefined) {
      if (logger === null || typeof logger !== 'object') throw wrong('logger', 'an object', logger)
      METHODS.forEach((method) => callable(`logger.${method}`, logger[method]))
    }
    const level = logLevel ?? DEFAULT
    if (!LEVELS.includes(level)) throw unknownName('logLevel', String(level), LEVELS)
    this.#logger = logger
    this.#level = LEVELS.indexOf(level)
    this.#isSet = logger !== undefined || logLevel !== undefined
  }

  /** The object is open. */
  open(): void {
    if (this.#isSet) {
      open.add(this)
      setLevel()
    }
  }

  close(): void {
    if (open.delete(this)) setLevel()
  }

  write(method: Method, message: string, ...details: unknown[]): void {
    if (LEVELS.indexOf(method) > this.#level) return
    try {
      if (this.#logger !== undefined) this.#logger[method](message, ...details)
      else warn(message, details)
    } catch (error) {
      warn(`a logger failed: ${String(error)}; it was to log: ${message}`, [])
    }
  }

  get level(): number {
    return this.#level
  }

  get hasLogger(): boolean {
    return this.#logger !== undefined
  }

  /** True when the other writes to the same logger. */
  isLike(other: Log): boolean {
    return this.#logger === other.#logger && this.#level === other.#level
  }
}

/** Those of open objects that were given a logger or a level. */
const open = new Set<Log>()
const fallback = new Log({})

/** Who gets the library's records. */
function listeners(): Log[] {
  if (open.size === 0) return [fallback]
  const loggers = [...open].filter((log) => log.hasLogger)
  const logs = loggers.length > 0 ? loggers : [...open]
  return logs.filter((log, index) => logs.findIndex((other) => other.isLike(log)) === index)
}

function setLevel(): void {
  native.setLogLevel(LEVELS[Math.max(...listeners().map((log) => log.level))])
}

function warn(message: string, details: unknown[]): void {
  const parts = details.map((detail) => (detail instanceof Error ? (detail.stack ?? String(detail)) : String(detail)))
  process.emitWarning([message, ...parts].join(': '), 'FerroMQWarning')
}

function write(record: NativeRecord): void {
  const method: Method = record.level === 'trace' ? 'debug' : record.level
  const message = `${record.target}: ${record.message}`
  listeners().forEach((log) => log.write(method, message))
}

native.gatherLog(() => {
  const { records, dropped } = native.drainLog()
  records.forEach(write)
  if (dropped > 0) {
    write({ level: 'warn', target: 'ferromq', message: `${dropped} log records came too fast`, time: Date.now() })
  }
})
