/*
 * The tables in which messages and results cross into and out of the addon. The words to these numbers stand in
 * `bindings/node/src/outgoing.rs`, `block.rs` and `drained.rs`.
 */

/** Numbers per message to be sent, before those of its properties. */
export const OUTGOING_COLUMNS = 11
/** Among them: the number of properties, the length of the body. */
export const PROPERTY_COUNT = 8
export const BODY_LENGTH = 9

/** Ways of a message to be sent. */
export const Way = { any: 0, sharded: 1, oneWay: 2, queue: 3 } as const

/** Columns of a received message. */
export const Column = {
  slot: 0,
  queue: 1,
  queueOffset: 2,
  bodyAt: 3,
  bodyLength: 4,
  propertiesAt: 5,
  propertiesLength: 6,
  idAt: 7,
  idLength: 8,
  bornTimestamp: 9,
  storeTimestamp: 10,
  reconsumeTimes: 11,
  flag: 12,
} as const
export const COLUMNS = 13

/** Records of drained events. */
export const Event = { stored: 0, failed: 1, sentOneWay: 2, manySent: 3, done: 4, ready: 5 } as const

/** Kinds of the value of `Event.done`. */
export const Kind = { nothing: 0, flag: 1, offset: 2, queues: 3, messages: 4, flushed: 5 } as const

/** Outcomes of a taken message. */
export const Outcome = { retry: 0, consumed: -2, released: -3 } as const

/** Send statuses by number. */
export const STATUSES = ['SEND_OK', 'FLUSH_DISK_TIMEOUT', 'FLUSH_SLAVE_TIMEOUT', 'SLAVE_NOT_AVAILABLE'] as const
