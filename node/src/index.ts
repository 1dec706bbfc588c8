/*
 * Client for Apache RocketMQ and FerroMQ brokers.
 *
 * The work is done by the addon of the platform package; here are its interface in JavaScript's own style and the batching
 * of what crosses between the two.
 */
import './dispose.js'

export { type ErrorCode, ERROR_CODES } from './codes.js'
export { FerroMQError, FlushError, SendManyError } from './errors.js'
export {
  LitePullConsumer,
  type LitePullConsumerOptions,
  type PollOptions,
  type QueueOffset,
} from './lite.js'
export type { Logger, LogLevel, LogOptions } from './log.js'
export { Message, type MessageQueue, type OutgoingMessage } from './message.js'
export {
  type CloseOptions,
  Producer,
  type ProducerOptions,
  type Receipt,
  type SendOptions,
  type SendStatus,
} from './producer.js'
export {
  type Handler,
  type MessagesOptions,
  PushConsumer,
  type PushConsumerOptions,
  type RunOptions,
} from './push.js'
