/*
 * What needs no broker: classes, options, bad arguments, the echo mode, the queue and its descriptor.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <poll.h>
#include <pthread.h>

static fmq_message *message_of(const char *topic, const char *body) {
  fmq_message *message = NULL;
  OK(fmq_message_new(topic, body, strlen(body), &message));
  return message;
}

/* The enumeration of classes is the library's table, whole and in order. */
static void classes(void) {
#define SAME(class) CHECK(strcmp(fmq_class_code(class), #class) == 0)
  SAME(FMQ_CLOSED); SAME(FMQ_FORKED); SAME(FMQ_CONFIG); SAME(FMQ_VALIDATION); SAME(FMQ_TOPIC_NOT_FOUND);
  SAME(FMQ_NO_NAME_SERVER); SAME(FMQ_NO_BROKER); SAME(FMQ_BROKER); SAME(FMQ_CONNECT); SAME(FMQ_SEND);
  SAME(FMQ_TIMEOUT); SAME(FMQ_QUEUE_FULL); SAME(FMQ_DECODE); SAME(FMQ_INTERNAL);
  CHECK(fmq_class_code(FMQ_INTERNAL + 1) == NULL && fmq_class_name(FMQ_OK) == NULL && fmq_class_doc(-1) == NULL);
  for (int class = FMQ_CLOSED; class <= FMQ_INTERNAL; class++) {
    CHECK(strstr(fmq_class_name(class), "Error") != NULL && strlen(fmq_class_doc(class)) > 0);
  }
}

/* Wrong options are refused when an object is made, with the nearest name or what is accepted. */
static void options(void) {
  fmq_producer *producer = NULL;
  fmq_options *options = fmq_options_new();
  OK(fmq_options_set(options, "send_time_out", "1s"));
  FAILS(FMQ_CONFIG, "did you mean send_timeout?", fmq_producer_new("P", options, &producer));
  fmq_options_destroy(options);
  options = fmq_options_new();
  OK(fmq_options_set(options, "retries", "many"));
  FAILS(FMQ_CONFIG, "a whole number from 0 to 1000", fmq_producer_new("P", options, &producer));
  FAILS(FMQ_VALIDATION, "NULL", fmq_options_set(options, NULL, "x"));
  FAILS(FMQ_VALIDATION, "retries is NULL", fmq_options_set(options, "retries", NULL));
  FAILS(FMQ_VALIDATION, "UTF-8", fmq_options_set(options, "retries", "\xff\xfe"));
  fmq_options_destroy(options);
  fmq_consumer *consumer = NULL;
  fmq_subscription subscription = {"a topic", NULL};
  FAILS(FMQ_VALIDATION, "illegal", fmq_consumer_new("G", NULL, &subscription, 1, false, &consumer));
  CHECK(producer == NULL && consumer == NULL);
}

/* NULL in every place is an error or nothing, never a crash. */
static void null_is_answered(void) {
  size_t count = 7;
  fmq_producer *producer = NULL;
  fmq_message *message = NULL;
  FAILS(FMQ_VALIDATION, "group is NULL", fmq_producer_new(NULL, NULL, &producer));
  FAILS(FMQ_VALIDATION, "producer is NULL", fmq_producer_new("P", NULL, NULL));
  FAILS(FMQ_VALIDATION, "producer is NULL", fmq_producer_start(NULL));
  FAILS(FMQ_VALIDATION, "producer is NULL", fmq_producer_send(NULL, NULL, 0, NULL));
  FAILS(FMQ_VALIDATION, "producer is NULL", fmq_producer_send_oneway(NULL, NULL));
  FAILS(FMQ_VALIDATION, "producer is NULL", fmq_producer_enqueue(NULL, NULL, NULL));
  FAILS(FMQ_VALIDATION, "producer is NULL", fmq_producer_flush(NULL, 0, NULL));
  FAILS(FMQ_VALIDATION, "producer is NULL", fmq_producer_close(NULL, 0));
  FAILS(FMQ_VALIDATION, "topic is NULL", fmq_message_new(NULL, "x", 1, &message));
  FAILS(FMQ_VALIDATION, "body is NULL", fmq_message_new("T", NULL, 1, &message));
  FAILS(FMQ_VALIDATION, "no possible length", fmq_message_new("T", "x", SIZE_MAX, &message));
  FAILS(FMQ_VALIDATION, "message is NULL", fmq_message_new("T", "x", 1, NULL));
  FAILS(FMQ_VALIDATION, "message is NULL", fmq_message_set_body(NULL, "x", 1));
  FAILS(FMQ_VALIDATION, "key is NULL", fmq_message_set_key(NULL, NULL));
  FAILS(FMQ_VALIDATION, "message is NULL", fmq_message_set_delay_level(NULL, 1));
  FAILS(FMQ_VALIDATION, "message is NULL", fmq_message_set_queue(NULL, NULL));
  FAILS(FMQ_VALIDATION, "message is NULL", fmq_message_set_flag(NULL, 1));
  FAILS(FMQ_VALIDATION, "message is NULL", fmq_message_set_wait_store_ok(NULL, true));
  FAILS(FMQ_VALIDATION, "queue is NULL", fmq_queue_poll(NULL, NULL, 0, 0, &count));
  FAILS(FMQ_VALIDATION, "consumer is NULL", fmq_consumer_take(NULL, NULL, 0, 0, &count));
  FAILS(FMQ_VALIDATION, "consumer is NULL", fmq_consumer_settle(NULL, NULL, NULL, 0));
  FAILS(FMQ_VALIDATION, "consumer is NULL", fmq_consumer_start(NULL));
  FAILS(FMQ_VALIDATION, "consumer is NULL", fmq_consumer_close(NULL));
  FAILS(FMQ_VALIDATION, "lite consumer is NULL", fmq_lite_commit(NULL));
  FAILS(FMQ_VALIDATION, "lite consumer is NULL", fmq_lite_seek(NULL, NULL, 0));
  FAILS(FMQ_VALIDATION, "offset is NULL", fmq_lite_committed(NULL, NULL, NULL));
  FAILS(FMQ_VALIDATION, "no log level", fmq_log_set(NULL, 99, NULL));
  CHECK(fmq_error_class(NULL) == FMQ_OK && fmq_error_message(NULL) == NULL && !fmq_error_retriable(NULL));
  CHECK(fmq_event_kind_of(NULL) == FMQ_EVENT_NONE && fmq_event_error(NULL) == NULL && fmq_event_user(NULL) == NULL);
  CHECK(fmq_receipt_message_id(NULL) == NULL && fmq_receipt_queue_offset(NULL) == -1);
  CHECK(fmq_delivery_body(NULL, &count) == NULL && count == 0 && fmq_delivery_property(NULL, NULL) == NULL);
  CHECK(fmq_producer_queue(NULL) == NULL && fmq_consumer_queue(NULL) == NULL && fmq_queue_fd(NULL) == -1);
  CHECK(fmq_message_queues_items(NULL, &count) == NULL && count == 0);
  fmq_error_destroy(NULL), fmq_options_destroy(NULL), fmq_message_destroy(NULL), fmq_receipt_destroy(NULL);
  fmq_producer_destroy(NULL), fmq_consumer_destroy(NULL), fmq_lite_destroy(NULL), fmq_message_queues_destroy(NULL);
  fmq_events_destroy(NULL, 3), fmq_deliveries_destroy(NULL, 3), fmq_delivery_set_delay_level(NULL, 1);
}

/* Messages take what the protocol allows and refuse the rest; a refused change changes nothing. */
static void messages(void) {
  fmq_message *message = message_of("T", "body");
  OK(fmq_message_set_key(message, "k1 k2"));
  OK(fmq_message_set_tag(message, "tag"));
  OK(fmq_message_set_property(message, "name", "Gr\xc3\xbc\xc3\x9f""e"));
  OK(fmq_message_set_sharding_key(message, "shard"));
  OK(fmq_message_set_delay_level(message, 3));
  FAILS(FMQ_VALIDATION, "KEYS", fmq_message_set_property(message, "KEYS", "x"));
  FAILS(FMQ_VALIDATION, "T", fmq_message_set_property(message, "", "x"));
  FAILS(FMQ_VALIDATION, "UTF-8", fmq_message_set_tag(message, "\xc3"));
  OK(fmq_message_set_sharding_key(message, NULL));
  fmq_message_queue queue = {"T", "broker", 1}, foreign = {"U", "broker", 1}, nameless = {"T", NULL, 1};
  OK(fmq_message_set_queue(message, &queue));
  FAILS(FMQ_VALIDATION, "queue of topic U for a message to topic T", fmq_message_set_queue(message, &foreign));
  FAILS(FMQ_VALIDATION, "broker name of a queue is NULL", fmq_message_set_queue(message, &nameless));
  OK(fmq_message_set_queue(message, NULL));
  OK(fmq_message_set_flag(message, -7));
  OK(fmq_message_set_wait_store_ok(message, false));
  fmq_message_destroy(message);
}

/* Enqueued messages come back as events with their pointers; the descriptor is readable exactly while there are some. */
static void queue_and_descriptor(void) {
  enum { COUNT = 1000 };
  static char seen[COUNT];
  fmq_producer *producer = NULL;
  fmq_event *events[64];
  size_t count = 0;
  uint64_t failed = 1;
  OK(fmq_producer_new_echo("P", NULL, &producer));
  fmq_queue *queue = fmq_producer_queue(producer);
  struct pollfd waiting = {fmq_queue_fd(queue), POLLIN, 0};
  CHECK(waiting.fd >= 0 && poll(&waiting, 1, 0) == 0);
  OK(fmq_queue_poll(queue, events, 64, 0, &count));
  CHECK(count == 0 && events[0] == NULL);
  fmq_message *message = message_of("T", "body");
  for (int i = 0; i < COUNT; i++) OK(fmq_producer_enqueue(producer, message, &seen[i]));
  for (int total = 0; total < COUNT; total += (int)count) {
    CHECK(poll(&waiting, 1, PATIENCE_MS) == 1);
    OK(fmq_queue_poll(queue, events, 64, PATIENCE_MS, &count));
    for (size_t i = 0; i < count; i++) {
      CHECK(fmq_event_kind_of(events[i]) == FMQ_EVENT_SENT && fmq_event_error(events[i]) == NULL);
      CHECK(strcmp(fmq_receipt_topic(fmq_event_receipt(events[i])), "T") == 0);
      *(char *)fmq_event_user(events[i]) += 1;
    }
    fmq_events_destroy(events, count);
    CHECK(events[0] == NULL);
  }
  for (int i = 0; i < COUNT; i++) CHECK(seen[i] == 1);
  CHECK(poll(&waiting, 1, 0) == 0);
  OK(fmq_producer_enqueue(producer, message, NULL));
  OK(fmq_producer_flush(producer, PATIENCE_MS, &failed));
  CHECK(failed == 0);
  fmq_receipt *receipt = NULL;
  OK(fmq_producer_send(producer, message, -1, &receipt));
  CHECK(fmq_receipt_status(receipt) == FMQ_SEND_OK && strlen(fmq_receipt_message_id(receipt)) > 0);
  fmq_receipt_destroy(receipt);
  OK(fmq_producer_close(producer, PATIENCE_MS));
  OK(fmq_producer_close(producer, PATIENCE_MS));
  FAILS(FMQ_CLOSED, "closed", fmq_producer_enqueue(producer, message, NULL));
  FAILS(FMQ_CLOSED, "closed", fmq_producer_send(producer, message, -1, NULL));
  fmq_message_destroy(message);
  fmq_producer_destroy(producer);
}

/* A full line refuses with an error that says so and that a retry may help. */
static void queue_full(void) {
  fmq_options *options = fmq_options_new();
  fmq_producer *producer = NULL;
  OK(fmq_options_set(options, "namesrv", "127.0.0.1:1"));
  OK(fmq_options_set(options, "queue_count_max", "1"));
  OK(fmq_options_set(options, "in_flight_max", "1"));
  OK(fmq_options_set(options, "send_timeout", "300ms"));
  OK(fmq_producer_new("P", options, &producer));
  fmq_message *message = message_of("T", "body");
  fmq_error *error = NULL;
  int accepted = 0;
  while (error == NULL && accepted < 1000) {
    error = fmq_producer_enqueue(producer, message, NULL);
    accepted++;
  }
  CHECK(fmq_error_class(error) == FMQ_QUEUE_FULL && fmq_error_retriable(error) && fmq_error_not_sent(error));
  CHECK(fmq_error_code(error) == -1 && strcmp(fmq_error_name(error), "QueueFullError") == 0);
  fmq_error_destroy(error);
  uint64_t failed = 0;
  FAILS(FMQ_NO_NAME_SERVER, "127.0.0.1:1", fmq_producer_flush(producer, PATIENCE_MS, &failed));
  CHECK(failed > 0);
  FAILS(FMQ_TIMEOUT, "1 ms", fmq_producer_send(producer, message, 1, NULL));
  OK(fmq_producer_close(producer, 0));
  fmq_producer_destroy(producer);
  fmq_message_destroy(message);
  fmq_options_destroy(options);
}

/* A consumer that could not join says so however often it is started, and can be closed. */
static void no_start(void) {
  fmq_options *options = fmq_options_new();
  fmq_consumer *consumer = NULL;
  fmq_subscription subscription = {"T", NULL};
  OK(fmq_options_set(options, "namesrv", "127.0.0.1:1"));
  OK(fmq_consumer_new("G", options, &subscription, 1, false, &consumer));
  for (int i = 0; i < 2; i++) FAILS(FMQ_NO_NAME_SERVER, "127.0.0.1:1", fmq_consumer_start(consumer));
  OK(fmq_consumer_close(consumer));
  fmq_consumer_destroy(consumer);
  fmq_options_destroy(options);
}

/* All made-up messages of an echo consumer are taken and settled; what must not be settled is refused. */
static void taking(void) {
  enum { COUNT = 10000 };
  fmq_consumer *consumer = NULL, *other = NULL;
  fmq_delivery *deliveries[64];
  size_t count = 0, length = 0;
  OK(fmq_consumer_new_echo(COUNT, 100, 0, &consumer));
  OK(fmq_consumer_new_echo(0, 1, 0, &other));
  for (int total = 0; total < COUNT; total += (int)count) {
    OK(fmq_consumer_take(consumer, deliveries, 64, PATIENCE_MS, &count));
    CHECK(count > 0 && fmq_delivery_body(deliveries[0], &length) != NULL && length == 100);
    CHECK(strcmp(fmq_delivery_tag(deliveries[0]), "echo") == 0 && fmq_delivery_keys(deliveries[0]) == NULL);
    if (total == 0) {
      fmq_outcome wrong[64] = {(fmq_outcome)77};
      FAILS(FMQ_VALIDATION, "77 is no outcome", fmq_consumer_settle(consumer, deliveries, wrong, count));
      FAILS(FMQ_VALIDATION, "not taken from this", fmq_consumer_settle(other, deliveries, NULL, count));
      const char *name = NULL, *value = NULL;
      CHECK(fmq_delivery_property_at(deliveries[0], 0, &name, &value) && strcmp(name, "TAGS") == 0);
      CHECK(strcmp(value, "echo") == 0 && !fmq_delivery_property_at(deliveries[0], 2, &name, &value));
    }
    OK(fmq_consumer_settle(consumer, deliveries, NULL, count));
    CHECK(deliveries[0] == NULL);
    FAILS(FMQ_VALIDATION, "NULL", fmq_consumer_settle(consumer, deliveries, NULL, 1));
  }
  OK(fmq_consumer_take(consumer, deliveries, 64, 1, &count));
  CHECK(count == 0);
  OK(fmq_consumer_close(consumer));
  OK(fmq_consumer_close(consumer));
  FAILS(FMQ_CLOSED, "closed", fmq_consumer_take(consumer, deliveries, 64, 0, &count));
  fmq_consumer_destroy(consumer);
  fmq_consumer_destroy(other);
}

static void *poll_for_ever(void *queue) {
  fmq_event *event = NULL;
  size_t count = 0;
  FAILS(FMQ_CLOSED, "closed", fmq_queue_poll(queue, &event, 1, -1, &count));
  return NULL;
}

static void *take_for_ever(void *consumer) {
  fmq_delivery *delivery = NULL;
  size_t count = 0;
  FAILS(FMQ_CLOSED, "closed", fmq_consumer_take(consumer, &delivery, 1, -1, &count));
  return NULL;
}

/* Threads that wait without limit return when the object is closed. */
static void close_ends_waiting(void) {
  fmq_producer *producer = NULL;
  fmq_consumer *consumer = NULL;
  pthread_t threads[3];
  OK(fmq_producer_new_echo("P", NULL, &producer));
  OK(fmq_consumer_new_echo(0, 1, 0, &consumer));
  CHECK(pthread_create(&threads[0], NULL, poll_for_ever, fmq_producer_queue(producer)) == 0);
  CHECK(pthread_create(&threads[1], NULL, poll_for_ever, fmq_consumer_queue(consumer)) == 0);
  CHECK(pthread_create(&threads[2], NULL, take_for_ever, consumer) == 0);
  OK(fmq_producer_close(producer, -1));
  OK(fmq_consumer_close(consumer));
  for (int i = 0; i < 3; i++) CHECK(pthread_join(threads[i], NULL) == 0);
  fmq_producer_destroy(producer);
  fmq_consumer_destroy(consumer);
}

int main(void) {
  CHECK(strcmp(fmq_version(), FMQ_EXPECTED_VERSION) == 0);
  RUN(classes);
  RUN(options);
  RUN(null_is_answered);
  RUN(messages);
  RUN(queue_and_descriptor);
  RUN(queue_full);
  RUN(no_start);
  RUN(taking);
  RUN(close_ends_waiting);
  return finish();
}
