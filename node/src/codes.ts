/* Written by scripts/generate.mjs from the tables of bindings/bridge: do not edit. */

/** The codes of all errors. */
export const ERROR_CODES = [
  /** The object is closed, or was not opened. */
  'FMQ_CLOSED',
  /** The object was made before fork() and used in the child. */
  'FMQ_FORKED',
  /** An option is unknown or has an impossible value. */
  'FMQ_CONFIG',
  /** A message or an argument was refused before anything was sent. */
  'FMQ_VALIDATION',
  /** The topic does not exist, or has no usable queue. */
  'FMQ_TOPIC_NOT_FOUND',
  /** No name server is configured, or none answered. */
  'FMQ_NO_NAME_SERVER',
  /** The topic's route has no address for the broker. */
  'FMQ_NO_BROKER',
  /** A server answered with an error code. */
  'FMQ_BROKER',
  /** No connection to a server could be made. */
  'FMQ_CONNECT',
  /** The connection broke before the answer: the request may have been executed. */
  'FMQ_SEND',
  /** No answer in time: the request may have been executed. */
  'FMQ_TIMEOUT',
  /** A limit of this client was reached; nothing was sent. */
  'FMQ_QUEUE_FULL',
  /** A server sent something that cannot be read. */
  'FMQ_DECODE',
  /** A mistake in this library: please report it. */
  'FMQ_INTERNAL',
] as const

/** Which failure an error is. */
export type ErrorCode = (typeof ERROR_CODES)[number]
