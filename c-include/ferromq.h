/*
 * FerroMQ: a client for the Apache RocketMQ protocol.
 *
 * Made by `cargo xtask gen` from bindings/c. SPDX-License-Identifier: Apache-2.0
 *
 * Objects are opaque. Whoever gets one from an out parameter owns it and destroys it with the function of its type; every
 * such function takes NULL and does nothing. What a function returns as `const` belongs to the object it was asked of and lives
 * as long as that.
 *
 * Functions that can fail return an error, or NULL when they did what they were asked for; nothing is written to their out
 * parameters after an error, unless they say so. NULL where an object, text or out parameter is wanted is an error of class FMQ_VALIDATION and not a
 * crash; a pointer to something else, or to something destroyed, is a mistake that the library cannot see.
 *
 * Text is UTF-8 and ends with a zero byte, in both directions. What the library keeps it copies: arguments need to live
 * for the time of the call only. Times are milliseconds; as a limit to wait a negative number means without limit.
 *
 * Threads: producers, consumers and their queues may be used by any number of threads at a time, and closed while others wait
 * in them: those return with FMQ_CLOSED. Options, messages, receipts, events and deliveries belong to one thread at a time. No
 * thread but the caller's ever runs a function of the application.
 *
 * Forks: in the child of a fork() objects made before it answer FMQ_FORKED and can be destroyed; new ones work.
 */

#ifndef FERROMQ_H
#define FERROMQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * What stands for "there is no offset".
 */
#define FMQ_NO_OFFSET -1

/**
 * What kind of failure it is.
 */
typedef enum fmq_class {
  /**
   * No failure.
   */
  FMQ_OK = 0,
  /**
   * The object is closed, or was not opened.
   */
  FMQ_CLOSED = 1,
  /**
   * The object was made before fork() and used in the child.
   */
  FMQ_FORKED = 2,
  /**
   * An option is unknown or has an impossible value.
   */
  FMQ_CONFIG = 3,
  /**
   * A message or an argument was refused before anything was sent.
   */
  FMQ_VALIDATION = 4,
  /**
   * The topic does not exist, or has no usable queue.
   */
  FMQ_TOPIC_NOT_FOUND = 5,
  /**
   * No name server is configured, or none answered.
   */
  FMQ_NO_NAME_SERVER = 6,
  /**
   * The topic's route has no address for the broker.
   */
  FMQ_NO_BROKER = 7,
  /**
   * A server answered with an error code.
   */
  FMQ_BROKER = 8,
  /**
   * No connection to a server could be made.
   */
  FMQ_CONNECT = 9,
  /**
   * The connection broke before the answer: the request may have been executed.
   */
  FMQ_SEND = 10,
  /**
   * No answer in time: the request may have been executed.
   */
  FMQ_TIMEOUT = 11,
  /**
   * A limit of this client was reached; nothing was sent.
   */
  FMQ_QUEUE_FULL = 12,
  /**
   * A server sent something that cannot be read.
   */
  FMQ_DECODE = 13,
  /**
   * A mistake in this library: please report it.
   */
  FMQ_INTERNAL = 14,
} fmq_class;

/**
 * How a message was stored. With every status it is stored on the master.
 */
typedef enum fmq_status {
  /**
   * Stored as configured.
   */
  FMQ_SEND_OK = 0,
  /**
   * Stored; the synchronous flush did not finish in time.
   */
  FMQ_FLUSH_DISK_TIMEOUT = 1,
  /**
   * Stored; the synchronous replica did not finish in time.
   */
  FMQ_FLUSH_SLAVE_TIMEOUT = 2,
  /**
   * Stored; there is no usable synchronous replica.
   */
  FMQ_SLAVE_NOT_AVAILABLE = 3,
} fmq_status;

/**
 * What happened.
 */
typedef enum fmq_event_kind {
  /**
   * Nothing: the event is NULL.
   */
  FMQ_EVENT_NONE = 0,
  /**
   * An enqueued message was sent, or not: see `fmq_event_error`.
   */
  FMQ_EVENT_SENT = 1,
  /**
   * There are messages to take from a consumer: take with a timeout of 0 until nothing comes.
   */
  FMQ_EVENT_READY = 2,
} fmq_event_kind;

/**
 * What came of a message.
 */
typedef enum fmq_outcome {
  /**
   * Consumed.
   */
  FMQ_CONSUMED = 0,
  /**
   * Not consumed: it shall come again, see `fmq_delivery_set_delay_level`. In order, after the pause of the queue (option
   * suspend), and with it all that was taken behind it.
   */
  FMQ_RETRY = 1,
  /**
   * Not looked at: whoever takes next gets it.
   */
  FMQ_RELEASE = 2,
} fmq_outcome;

/**
 * How bad it is.
 */
typedef enum fmq_log_level {
  /**
   * Nothing is logged.
   */
  FMQ_LOG_OFF = 0,
  /**
   * Something was lost or does not work.
   */
  FMQ_LOG_ERROR = 1,
  /**
   * Something is not as it should be.
   */
  FMQ_LOG_WARN = 2,
  /**
   * What an operator may want to know.
   */
  FMQ_LOG_INFO = 3,
  /**
   * What a developer may want to know.
   */
  FMQ_LOG_DEBUG = 4,
  /**
   * Everything.
   */
  FMQ_LOG_TRACE = 5,
} fmq_log_level;

/**
 * A member of a consumer group that is given messages of the queues it shares with the other members. Any number of threads
 * may take and settle.
 */
typedef struct fmq_consumer fmq_consumer;

/**
 * A message that was received. One that was taken from a consumer is given back by settling it; one that was polled from a lite
 * consumer is destroyed with `fmq_deliveries_destroy`.
 */
typedef struct fmq_delivery fmq_delivery;

/**
 * Why a call failed. Belongs to whoever got it, who destroys it with `fmq_error_destroy`.
 */
typedef struct fmq_error fmq_error;

/**
 * Something that happened. Belongs to whoever polled it.
 */
typedef struct fmq_event fmq_event;

/**
 * A consumer that polls. Any number of threads may use one. Its calls block until they are done, each within the budget of
 * the option api_timeout; the first one starts it.
 */
typedef struct fmq_lite fmq_lite;

/**
 * A message to be sent. It may be sent any number of times, with another body or property between.
 */
typedef struct fmq_message fmq_message;

/**
 * Queues, destroyed with `fmq_message_queues_destroy`.
 */
typedef struct fmq_message_queues fmq_message_queues;

/**
 * Options for producers and consumers: names and values as text. One object may serve for many, and is not needed any more
 * when they are made.
 */
typedef struct fmq_options fmq_options;

/**
 * Sends messages. Any number of threads may use one.
 */
typedef struct fmq_producer fmq_producer;

/**
 * The queue of a producer or consumer. Belongs to that object and lives as long.
 */
typedef struct fmq_queue fmq_queue;

/**
 * The broker's answer to a send. Belongs to whoever got it from a send, who destroys it with `fmq_receipt_destroy`, or to the
 * event it was asked of.
 */
typedef struct fmq_receipt fmq_receipt;

/**
 * A queue of a topic.
 */
typedef struct fmq_message_queue {
  /**
   * The topic.
   */
  const char *topic;
  /**
   * The name of the broker that has it.
   */
  const char *broker_name;
  /**
   * Its number at that broker.
   */
  int32_t queue_id;
} fmq_message_queue;

/**
 * A topic and which of its messages are wanted.
 */
typedef struct fmq_subscription {
  /**
   * The topic.
   */
  const char *topic;
  /**
   * "*", or tags joined by "||"; NULL is "*".
   */
  const char *expression;
} fmq_subscription;

/**
 * Is told what the library logs: how bad it is, when (milliseconds since 1970), which part says it (like "ferromq::consumer"), the
 * text, and the pointer that was given to `fmq_log_set`. The texts live for the time of the call.
 */
typedef void (*fmq_log_callback)(enum fmq_log_level level,
                                 int64_t time_ms,
                                 const char *target,
                                 const char *message,
                                 void *user);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The name of a class in the other languages, like "TimeoutError"; NULL for a number that is none. Lives for ever.
 */
const char *fmq_class_name(int32_t class_);

/**
 * The name of a class here, like "FMQ_TIMEOUT"; NULL for a number that is none. Lives for ever.
 */
const char *fmq_class_code(int32_t class_);

/**
 * What a class means, one sentence; NULL for a number that is none. Lives for ever.
 */
const char *fmq_class_doc(int32_t class_);

/**
 * What kind of failure it is; FMQ_OK for NULL.
 */
enum fmq_class fmq_error_class(const struct fmq_error *error);

/**
 * The broker's response code, else the code that the Java client has for it, else -1.
 */
int32_t fmq_error_code(const struct fmq_error *error);

/**
 * The name of its class, like "TimeoutError"; NULL for NULL. Lives for ever.
 */
const char *fmq_error_name(const struct fmq_error *error);

/**
 * What happened, to which topic or address, and what was tried. Lives as long as the error; NULL for NULL.
 */
const char *fmq_error_message(const struct fmq_error *error);

/**
 * True when the same call may succeed later.
 */
bool fmq_error_retriable(const struct fmq_error *error);

/**
 * True when no server can have executed the request.
 */
bool fmq_error_not_sent(const struct fmq_error *error);

/**
 * Ends its life. NULL is nothing.
 */
void fmq_error_destroy(struct fmq_error *error);

/**
 * New options, all at their defaults. Never NULL; destroyed with `fmq_options_destroy`.
 */
struct fmq_options *fmq_options_new(void);

/**
 * Sets an option, like "namesrv" to "127.0.0.1:9876". Durations are milliseconds or carry a unit ("500ms", "3s", "5m"), truth
 * is "true" or "false". Of an option that is set twice the last value counts. Names and values are checked when an object is
 * made with them: an unknown name is answered with the nearest known one.
 */
struct fmq_error *fmq_options_set(struct fmq_options *options,
                                  const char *name,
                                  const char *value);

/**
 * Ends their life. NULL is nothing.
 */
void fmq_options_destroy(struct fmq_options *options);

/**
 * A message to `topic` whose body is a copy of `length` bytes. Bodies of messages that are sent must not be empty.
 */
struct fmq_error *fmq_message_new(const char *topic,
                                  const void *body,
                                  size_t length,
                                  struct fmq_message **message);

/**
 * Another body: a copy of `length` bytes. What was sent before keeps its own.
 */
struct fmq_error *fmq_message_set_body(struct fmq_message *message, const void *body, size_t length);

/**
 * A key to find the message by; white space separates several. Replaces earlier ones.
 */
struct fmq_error *fmq_message_set_key(struct fmq_message *message, const char *key);

/**
 * The tag, one per message: what consumers filter by. An empty one removes it.
 */
struct fmq_error *fmq_message_set_tag(struct fmq_message *message, const char *tag);

/**
 * A property of the application. Names that the protocol uses, blank names and blank values are refused.
 */
struct fmq_error *fmq_message_set_property(struct fmq_message *message, const char *name, const char *value);

/**
 * The sharding key: messages with the same one go to the same queue, in the order in which they are sent one after the other.
 * It takes the place of a queue given. NULL removes it. One-way messages do not obey it.
 */
struct fmq_error *fmq_message_set_sharding_key(struct fmq_message *message,
                                               const char *key);

/**
 * The queue to send to, of the message's topic, with one attempt; it takes the place of a sharding key. NULL removes it. One-way
 * messages do not obey it.
 */
struct fmq_error *fmq_message_set_queue(struct fmq_message *message,
                                        const struct fmq_message_queue *queue);

/**
 * A number of the application, delivered as it is. Default 0.
 */
struct fmq_error *fmq_message_set_flag(struct fmq_message *message, int32_t flag);

/**
 * Whether the broker answers only after flush and replication, as far as it is configured to. Default true.
 */
struct fmq_error *fmq_message_set_wait_store_ok(struct fmq_message *message, bool wait);

/**
 * Delivery after the delay of this level, 1 (1 s) to 18 (2 h) with the broker's usual table; 0 or less: at once.
 */
struct fmq_error *fmq_message_set_delay_level(struct fmq_message *message,
                                              int32_t level);

/**
 * Ends its life. NULL is nothing.
 */
void fmq_message_destroy(struct fmq_message *message);

/**
 * How it was stored.
 */
enum fmq_status fmq_receipt_status(const struct fmq_receipt *receipt);

/**
 * The id that the client gave the message. Lives as long as the receipt; NULL for NULL.
 */
const char *fmq_receipt_message_id(const struct fmq_receipt *receipt);

/**
 * The broker's id of the message: its address and the offset in its log. Lives as long as the receipt; NULL for NULL.
 */
const char *fmq_receipt_offset_message_id(const struct fmq_receipt *receipt);

/**
 * The topic. Lives as long as the receipt; NULL for NULL.
 */
const char *fmq_receipt_topic(const struct fmq_receipt *receipt);

/**
 * The name of the broker that stored it. Lives as long as the receipt; NULL for NULL.
 */
const char *fmq_receipt_broker_name(const struct fmq_receipt *receipt);

/**
 * The queue that has it; -1 for NULL.
 */
int32_t fmq_receipt_queue_id(const struct fmq_receipt *receipt);

/**
 * Its offset in the queue; -1 for NULL.
 */
int64_t fmq_receipt_queue_offset(const struct fmq_receipt *receipt);

/**
 * Ends its life. NULL is nothing.
 */
void fmq_receipt_destroy(struct fmq_receipt *receipt);

/**
 * What happened; FMQ_EVENT_NONE for NULL.
 */
enum fmq_event_kind fmq_event_kind_of(const struct fmq_event *event);

/**
 * Of a sent message: the pointer that was given with it. Else NULL.
 */
void *fmq_event_user(const struct fmq_event *event);

/**
 * Why the message was not sent; NULL when it was. Belongs to the event: not to be destroyed.
 */
const struct fmq_error *fmq_event_error(const struct fmq_event *event);

/**
 * The broker's answer; NULL when the message was not sent. Belongs to the event: not to be destroyed.
 */
const struct fmq_receipt *fmq_event_receipt(const struct fmq_event *event);

/**
 * Ends the lives of `count` events and sets their places to NULL. Places that are NULL are left alone.
 */
void fmq_events_destroy(struct fmq_event **events, size_t count);

/**
 * Moves up to `max` events to `events` and writes their number to `count`: what is there, or, when there is nothing, what comes
 * within `timeout_ms`. The events belong to the caller, who destroys them with `fmq_events_destroy`. All places are set, those
 * without an event to NULL. Any number of threads may poll; each event goes to one of them. When the
 * object is closed and there is nothing left the answer is FMQ_CLOSED, also for those who wait.
 */
struct fmq_error *fmq_queue_poll(struct fmq_queue *queue,
                                 struct fmq_event **events,
                                 size_t max,
                                 int64_t timeout_ms,
                                 size_t *count);

/**
 * A descriptor that is readable while there is something to poll, for `poll(2)` and its relatives; -1 where the system has
 * none. Belongs to the queue: it must not be read, written or closed.
 */
int32_t fmq_queue_fd(const struct fmq_queue *queue);

/**
 * A producer of `group`. Checks the options (NULL: all at their defaults) and does nothing else; it starts with
 * `fmq_producer_start` or its first message.
 */
struct fmq_error *fmq_producer_new(const char *group,
                                   const struct fmq_options *options,
                                   struct fmq_producer **producer);

/**
 * A producer without a network, whose messages all count as sent at once: for benchmarks and tests of what is around it.
 */
struct fmq_error *fmq_producer_new_echo(const char *group,
                                        const struct fmq_options *options,
                                        struct fmq_producer **producer);

/**
 * Starts the producer. Not needed before a message is sent. Blocks for a moment; no server is asked yet.
 */
struct fmq_error *fmq_producer_start(struct fmq_producer *producer);

/**
 * Sends a message and waits for the broker's answer, which is written to `receipt` unless that is NULL. Waits for at most
 * `timeout_ms` (negative: for the option send_timeout, which bounds the send in any case); after FMQ_TIMEOUT the message
 * may still be sent.
 */
struct fmq_error *fmq_producer_send(struct fmq_producer *producer,
                                    const struct fmq_message *message,
                                    int64_t timeout_ms,
                                    struct fmq_receipt **receipt);

/**
 * Sends a message without asking for an answer; returns when it is written to the connection. Success does not mean that
 * a broker has it. The sharding key is not looked at.
 */
struct fmq_error *fmq_producer_send_oneway(struct fmq_producer *producer,
                                           const struct fmq_message *message);

/**
 * Puts a copy of the message in line and returns at once; it is sent in the background. With a `user` that is not NULL its
 * result is an event of the producer's queue with that pointer: events wait there until they are polled. With NULL there
 * is no event; failures are counted until the next flush.
 *
 * FMQ_QUEUE_FULL (retriable): queue_count_max or queue_bytes_max is reached; the message is not in line.
 */
struct fmq_error *fmq_producer_enqueue(struct fmq_producer *producer,
                                       const struct fmq_message *message,
                                       void *user);

/**
 * Waits until no message is in line or under way, for at most `timeout_ms`. Writes to `failed` (unless that is NULL), also when
 * it returns an error, how many messages that were enqueued without `user` since the last flush were not sent; the error is the
 * first one's.
 */
struct fmq_error *fmq_producer_flush(struct fmq_producer *producer,
                                     int64_t timeout_ms,
                                     uint64_t *failed);

/**
 * The queue with the results of enqueued messages. Lives as long as the producer; NULL for NULL.
 */
struct fmq_queue *fmq_producer_queue(struct fmq_producer *producer);

/**
 * Refuses further messages, waits up to `timeout_ms` for those in line, lets the rest fail, leaves and closes. Events that
 * are there can still be polled. A second call waits for the first.
 */
struct fmq_error *fmq_producer_close(struct fmq_producer *producer,
                                     int64_t timeout_ms);

/**
 * Ends its life and that of its queue; no other thread may be using either. What was not closed is closed in the background.
 * NULL is nothing.
 */
void fmq_producer_destroy(struct fmq_producer *producer);

/**
 * The body, and its length in `length` unless that is NULL. May contain any bytes; no zero byte follows. Lives as long as the
 * delivery; NULL for NULL.
 */
const void *fmq_delivery_body(const struct fmq_delivery *delivery,
                              size_t *length);

/**
 * The topic; of a retried message the one it was sent to. Lives as long as the delivery; NULL for NULL.
 */
const char *fmq_delivery_topic(const struct fmq_delivery *delivery);

/**
 * The id that the producer gave it, or else the broker's. Lives as long as the delivery; NULL for NULL.
 */
const char *fmq_delivery_message_id(const struct fmq_delivery *delivery);

/**
 * The keys, separated by blanks; NULL without. Lives as long as the delivery.
 */
const char *fmq_delivery_keys(const struct fmq_delivery *delivery);

/**
 * The tag; NULL without. Lives as long as the delivery.
 */
const char *fmq_delivery_tag(const struct fmq_delivery *delivery);

/**
 * A property, those of the protocol included; NULL without. Lives as long as the delivery.
 */
const char *fmq_delivery_property(const struct fmq_delivery *delivery, const char *name);

/**
 * The property at a place, counted from 0, in the order of the message: its name and value are written to `name` and `value`, and
 * live as long as the delivery. False behind the last one.
 */
bool fmq_delivery_property_at(const struct fmq_delivery *delivery,
                              size_t at,
                              const char **name,
                              const char **value);

/**
 * The name of the broker it came from. Lives as long as the delivery; NULL for NULL.
 */
const char *fmq_delivery_broker_name(const struct fmq_delivery *delivery);

/**
 * Its queue; -1 for NULL.
 */
int32_t fmq_delivery_queue_id(const struct fmq_delivery *delivery);

/**
 * Its offset in the queue; -1 for NULL.
 */
int64_t fmq_delivery_queue_offset(const struct fmq_delivery *delivery);

/**
 * How often it was delivered before and sent back; -1 for NULL.
 */
int32_t fmq_delivery_reconsume_times(const struct fmq_delivery *delivery);

/**
 * The number that the application gave it; 0 for NULL.
 */
int32_t fmq_delivery_flag(const struct fmq_delivery *delivery);

/**
 * When the producer made it, milliseconds since 1970 by the producer's clock; -1 for NULL.
 */
int64_t fmq_delivery_born_timestamp(const struct fmq_delivery *delivery);

/**
 * When the broker stored it, milliseconds since 1970 by the broker's clock; -1 for NULL.
 */
int64_t fmq_delivery_store_timestamp(const struct fmq_delivery *delivery);

/**
 * When it shall come again should it be settled with FMQ_RETRY: after the delay of this level, 1 to 18; 0, as without this
 * call: the broker decides; -1: never, it becomes a dead letter at once. Not looked at for messages in order.
 */
void fmq_delivery_set_delay_level(struct fmq_delivery *delivery,
                                  int32_t level);

/**
 * Ends the lives of `count` deliveries and sets their places to NULL. Places that are NULL are left alone. One that was taken
 * from a consumer and not settled counts as lost: it comes again after the option consume_timeout.
 */
void fmq_deliveries_destroy(struct fmq_delivery **deliveries,
                            size_t count);

/**
 * A consumer of `group` for `count` subscriptions. `orderly`: messages of a queue come in order, and what is taken of a queue must
 * be settled before more of it comes. Checks the options (NULL: all at their defaults) and does nothing else.
 */
struct fmq_error *fmq_consumer_new(const char *group,
                                   const struct fmq_options *options,
                                   const struct fmq_subscription *subscriptions,
                                   size_t count,
                                   bool orderly,
                                   struct fmq_consumer **consumer);

/**
 * A consumer without a network, which is given `count` made-up messages with bodies of `length` bytes, `rate` per second (0: as
 * fast as they are taken): for benchmarks and tests of what is around it. It needs no start.
 */
struct fmq_error *fmq_consumer_new_echo(size_t count,
                                        size_t length,
                                        uint32_t rate,
                                        struct fmq_consumer **consumer);

/**
 * Joins the group. Blocks until that is done or has failed.
 */
struct fmq_error *fmq_consumer_start(struct fmq_consumer *consumer);

/**
 * Moves up to `max` messages to `deliveries` and writes their number to `count`: what is there, or, when there is nothing, what
 * comes within `timeout_ms`. Every one of them must be settled. All places are set, those without a message to NULL. In order,
 * all messages of one call are of one queue, and `max` must be at least the option batch_size (32): batches are not divided.
 *
 * A program either waits here, in as many threads as it likes, or waits for events of the queue (FMQ_EVENT_READY) and takes with
 * a timeout of 0. A closed consumer answers FMQ_CLOSED.
 */
struct fmq_error *fmq_consumer_take(struct fmq_consumer *consumer,
                                    struct fmq_delivery **deliveries,
                                    size_t max,
                                    int64_t timeout_ms,
                                    size_t *count);

/**
 * Says what came of `count` messages that were taken from this consumer; many at once cost least. `outcomes` has one for each, or
 * is NULL: all are consumed. Afterwards the deliveries do not live any more, and their places are NULL. After an error
 * nothing is settled. Works while the consumer is closing.
 */
struct fmq_error *fmq_consumer_settle(struct fmq_consumer *consumer,
                                      struct fmq_delivery **deliveries,
                                      const enum fmq_outcome *outcomes,
                                      size_t count);

/**
 * The queue with word that there are messages to take. Lives as long as the consumer; NULL for NULL.
 */
struct fmq_queue *fmq_consumer_queue(struct fmq_consumer *consumer);

/**
 * Gives out nothing more (threads that wait return with FMQ_CLOSED), waits up to the option drain_timeout for what is
 * taken to be settled, commits and leaves the group. A second call returns at once.
 */
struct fmq_error *fmq_consumer_close(struct fmq_consumer *consumer);

/**
 * Ends its life and that of its queue; no other thread may be using either. What was not closed is closed in the background.
 * NULL is nothing.
 */
void fmq_consumer_destroy(struct fmq_consumer *consumer);

/**
 * The queues, side by side, and their number in `count` unless that is NULL. They live as long as the list; NULL for NULL.
 */
const struct fmq_message_queue *fmq_message_queues_items(const struct fmq_message_queues *queues,
                                                         size_t *count);

/**
 * Ends their lives. NULL is nothing.
 */
void fmq_message_queues_destroy(struct fmq_message_queues *queues);

/**
 * A lite consumer of `group`. Checks the options (NULL: all at their defaults) and does nothing else; it starts with its first
 * call.
 */
struct fmq_error *fmq_lite_new(const char *group,
                               const struct fmq_options *options,
                               struct fmq_lite **lite);

/**
 * Joins the group. Not needed before other calls.
 */
struct fmq_error *fmq_lite_start(struct fmq_lite *lite);

/**
 * Shares the queues of `topic` with the other members of the group; `expression` as in `fmq_subscription`. Not together with
 * `fmq_lite_assign`.
 */
struct fmq_error *fmq_lite_subscribe(struct fmq_lite *lite,
                                     const char *topic,
                                     const char *expression);

/**
 * Ends the subscription of `topic`; without one nothing happens.
 */
struct fmq_error *fmq_lite_unsubscribe(struct fmq_lite *lite, const char *topic);

/**
 * Reads exactly these `count` queues from now on, only messages that fit `expression` (NULL: all). Not together with
 * `fmq_lite_subscribe`.
 */
struct fmq_error *fmq_lite_assign(struct fmq_lite *lite,
                                  const struct fmq_message_queue *queues,
                                  size_t count,
                                  const char *expression);

/**
 * The queues that are read now, to be destroyed with `fmq_message_queues_destroy`.
 */
struct fmq_error *fmq_lite_assignment(struct fmq_lite *lite, struct fmq_message_queues **queues);

/**
 * All queues of `topic`, to be destroyed with `fmq_message_queues_destroy`.
 */
struct fmq_error *fmq_lite_queues(struct fmq_lite *lite,
                                  const char *topic,
                                  struct fmq_message_queues **queues);

/**
 * Moves messages to `deliveries` and writes their number to `count`: those that are there, or, when there are none, those that
 * come within `timeout_ms`. A poll gives as many as the option pull_batch_size says (32), so `max` must be at least that. With
 * auto_commit a poll says that what the one before gave is consumed. All places are set, those without a message to NULL; messages
 * are destroyed with `fmq_deliveries_destroy`.
 */
struct fmq_error *fmq_lite_poll(struct fmq_lite *lite,
                                struct fmq_delivery **deliveries,
                                size_t max,
                                int64_t timeout_ms,
                                size_t *count);

/**
 * Commits the positions of all queues that are read: what polls have given counts as consumed.
 */
struct fmq_error *fmq_lite_commit(struct fmq_lite *lite);

/**
 * Commits an offset: that of the next message to consume.
 */
struct fmq_error *fmq_lite_commit_offset(struct fmq_lite *lite,
                                         const struct fmq_message_queue *queue,
                                         int64_t offset);

/**
 * Writes the committed offset of a queue to `offset`; FMQ_NO_OFFSET without one.
 */
struct fmq_error *fmq_lite_committed(struct fmq_lite *lite,
                                     const struct fmq_message_queue *queue,
                                     int64_t *offset);

/**
 * Writes the offset after the last message that a poll gave to `offset`; FMQ_NO_OFFSET before there is one.
 */
struct fmq_error *fmq_lite_position(struct fmq_lite *lite,
                                    const struct fmq_message_queue *queue,
                                    int64_t *offset);

/**
 * Reads a queue on at an offset.
 */
struct fmq_error *fmq_lite_seek(struct fmq_lite *lite, const struct fmq_message_queue *queue, int64_t offset);

/**
 * Reads a queue on at its first message.
 */
struct fmq_error *fmq_lite_seek_to_begin(struct fmq_lite *lite, const struct fmq_message_queue *queue);

/**
 * Reads a queue on after its last message.
 */
struct fmq_error *fmq_lite_seek_to_end(struct fmq_lite *lite, const struct fmq_message_queue *queue);

/**
 * Reads these `count` queues no more until they are resumed.
 */
struct fmq_error *fmq_lite_pause(struct fmq_lite *lite, const struct fmq_message_queue *queues, size_t count);

/**
 * Reads these `count` queues again.
 */
struct fmq_error *fmq_lite_resume(struct fmq_lite *lite,
                                  const struct fmq_message_queue *queues,
                                  size_t count);

/**
 * Writes the offset of the first message that was stored at or after `time_ms`, milliseconds since 1970, to `offset`.
 */
struct fmq_error *fmq_lite_offset_for_time(struct fmq_lite *lite,
                                           const struct fmq_message_queue *queue,
                                           int64_t time_ms,
                                           int64_t *offset);

/**
 * Writes the smallest offset that is still there to `offset`.
 */
struct fmq_error *fmq_lite_min_offset(struct fmq_lite *lite,
                                      const struct fmq_message_queue *queue,
                                      int64_t *offset);

/**
 * Writes the offset that the next message will get to `offset`.
 */
struct fmq_error *fmq_lite_max_offset(struct fmq_lite *lite,
                                      const struct fmq_message_queue *queue,
                                      int64_t *offset);

/**
 * Ends polls that wait, commits (with auto_commit) and leaves the group. A second call returns at once.
 */
struct fmq_error *fmq_lite_close(struct fmq_lite *lite);

/**
 * Ends its life; no other thread may be using it. What was not closed is closed in the background. NULL is nothing.
 */
void fmq_lite_destroy(struct fmq_lite *lite);

/**
 * Has `callback` told what is logged, up to the level `level` (an `fmq_log_level`); NULL ends that. It is called by threads of the
 * application only, inside calls that wait or poll, and inside `fmq_log_dispatch`; it may call the library. Without a callback
 * nothing is logged. For the whole process; a second call replaces the first.
 */
struct fmq_error *fmq_log_set(fmq_log_callback callback,
                              int32_t level,
                              void *user);

/**
 * Calls the callback with what has been logged meanwhile, for programs that make no other calls for a while.
 */
void fmq_log_dispatch(void);

/**
 * The version of the library, like "0.1.0". Lives for ever.
 */
const char *fmq_version(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* FERROMQ_H */
