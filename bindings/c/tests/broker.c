/*
 * Against a broker: sending in every way, consuming concurrently and in order, retries, the lite consumer, errors with their
 * codes, the log. SPDX-License-Identifier: Apache-2.0
 */
#include "check.h"
#include "ferromq_testing.h"

static fmq_testing_broker *broker;

static fmq_options *options_of(const char *name, const char *value) {
  fmq_options *options = fmq_options_new();
  OK(fmq_options_set(options, "namesrv", fmq_testing_namesrv(broker)));
  if (name != NULL) OK(fmq_options_set(options, name, value));
  return options;
}

static fmq_producer *producer_of(void) {
  fmq_options *options = options_of(NULL, NULL);
  fmq_producer *producer = NULL;
  OK(fmq_producer_new("P", options, &producer));
  OK(fmq_producer_start(producer));
  fmq_options_destroy(options);
  return producer;
}

static fmq_consumer *consumer_of(const char *group, const char *topic, const char *expression, bool orderly) {
  fmq_options *options = options_of("consume_from", "first");
  OK(fmq_options_set(options, "suspend", "10ms"));
  fmq_subscription subscription = {topic, expression};
  fmq_consumer *consumer = NULL;
  OK(fmq_consumer_new(group, options, &subscription, 1, orderly, &consumer));
  OK(fmq_consumer_start(consumer));
  fmq_options_destroy(options);
  return consumer;
}

static void end_producer(fmq_producer *producer) {
  OK(fmq_producer_close(producer, PATIENCE_MS));
  fmq_producer_destroy(producer);
}

static void end_consumer(fmq_consumer *consumer) {
  OK(fmq_consumer_close(consumer));
  fmq_consumer_destroy(consumer);
}

/* Bodies of any bytes and properties of any text arrive as they were sent, whichever way they went. */
static void every_way_of_sending(void) {
  const unsigned char body[] = {0, 1, 2, 0, 255, 254, 0};
  fmq_message *message = NULL;
  fmq_receipt *receipt = NULL;
  fmq_event *event = NULL;
  size_t count = 0, length = 0;
  int mark = 0;
  CHECK(fmq_testing_create_topic(broker, "ways", 1) == 0);
  fmq_producer *producer = producer_of();
  OK(fmq_message_new("ways", body, sizeof body, &message));
  OK(fmq_message_set_key(message, "key-1"));
  OK(fmq_message_set_property(message, "text", "Gr\xc3\xbc\xc3\x9f""e \xf0\x9f\xa6\x80"));
  OK(fmq_producer_send(producer, message, -1, &receipt));
  CHECK(fmq_receipt_status(receipt) == FMQ_SEND_OK && fmq_receipt_queue_offset(receipt) == 0);
  CHECK(fmq_receipt_queue_id(receipt) == 0 && strcmp(fmq_receipt_topic(receipt), "ways") == 0);
  CHECK(strlen(fmq_receipt_message_id(receipt)) == 32 && strlen(fmq_receipt_offset_message_id(receipt)) > 0);
  OK(fmq_message_set_flag(message, -7));
  OK(fmq_message_set_wait_store_ok(message, false));
  fmq_message_queue queue = {"ways", fmq_receipt_broker_name(receipt), 0};
  OK(fmq_message_set_queue(message, &queue));
  OK(fmq_producer_send(producer, message, PATIENCE_MS, NULL));
  queue.queue_id = 99;
  OK(fmq_message_set_queue(message, &queue));
  FAILS(FMQ_BROKER, "99", fmq_producer_send(producer, message, PATIENCE_MS, NULL));
  OK(fmq_message_set_sharding_key(message, "shard"));
  OK(fmq_producer_send(producer, message, PATIENCE_MS, NULL));
  OK(fmq_producer_send_oneway(producer, message));
  OK(fmq_producer_enqueue(producer, message, &mark));
  OK(fmq_producer_enqueue(producer, message, NULL));
  OK(fmq_producer_flush(producer, PATIENCE_MS, NULL));
  OK(fmq_queue_poll(fmq_producer_queue(producer), &event, 1, PATIENCE_MS, &count));
  CHECK(count == 1 && fmq_event_user(event) == &mark && fmq_receipt_queue_offset(fmq_event_receipt(event)) > 0);
  fmq_events_destroy(&event, 1);

  fmq_consumer *consumer = consumer_of("ways", "ways", NULL, false);
  fmq_delivery *deliveries[8];
  for (size_t total = 0; total < 6; total += count) {
    OK(fmq_consumer_take(consumer, deliveries, 8, PATIENCE_MS, &count));
    CHECK(count > 0);
    for (size_t i = 0; i < count; i++) {
      const void *received = fmq_delivery_body(deliveries[i], &length);
      CHECK(length == sizeof body && memcmp(received, body, length) == 0);
      CHECK(strcmp(fmq_delivery_keys(deliveries[i]), "key-1") == 0 && fmq_delivery_tag(deliveries[i]) == NULL);
      CHECK(strcmp(fmq_delivery_property(deliveries[i], "text"), "Gr\xc3\xbc\xc3\x9f""e \xf0\x9f\xa6\x80") == 0);
      CHECK(strcmp(fmq_delivery_topic(deliveries[i]), "ways") == 0 && fmq_delivery_queue_id(deliveries[i]) == 0);
      CHECK(fmq_delivery_born_timestamp(deliveries[i]) > 0 && fmq_delivery_store_timestamp(deliveries[i]) > 0);
      CHECK(fmq_delivery_flag(deliveries[i]) == (fmq_delivery_queue_offset(deliveries[i]) == 0 ? 0 : -7));
      if (fmq_delivery_queue_offset(deliveries[i]) == 0) {
        CHECK(strcmp(fmq_delivery_message_id(deliveries[i]), fmq_receipt_message_id(receipt)) == 0);
      }
    }
    OK(fmq_consumer_settle(consumer, deliveries, NULL, count));
  }
  end_consumer(consumer);
  fmq_receipt_destroy(receipt);
  fmq_message_destroy(message);
  end_producer(producer);
}

/* Produces `count` messages to one queue of `topic`, whose bodies are the numbers from 0 as text. */
static void produce_numbers(const char *topic, int count) {
  char body[16];
  fmq_message *message = NULL;
  fmq_producer *producer = producer_of();
  OK(fmq_message_new(topic, "x", 1, &message));
  OK(fmq_message_set_sharding_key(message, "one"));
  for (int i = 0; i < count; i++) {
    int length = snprintf(body, sizeof body, "%d", i);
    OK(fmq_message_set_body(message, body, (size_t)length));
    OK(fmq_message_set_tag(message, i % 2 == 0 ? "even" : "odd"));
    OK(fmq_producer_send(producer, message, -1, NULL));
  }
  fmq_message_destroy(message);
  end_producer(producer);
}

static int number_of(const fmq_delivery *delivery) {
  char text[16] = {0};
  size_t length = 0;
  const void *body = fmq_delivery_body(delivery, &length);
  CHECK(length < sizeof text);
  memcpy(text, body, length);
  return atoi(text);
}

/* Of messages with the wanted tag, failed ones come again with their count, released ones at once. */
static void retries(void) {
  enum { COUNT = 20 };
  int seen[COUNT] = {0}, consumed = 0;
  bool released = false;
  CHECK(fmq_testing_create_topic(broker, "again", 4) == 0);
  produce_numbers("again", COUNT);
  fmq_consumer *consumer = consumer_of("again", "again", "even", false);
  fmq_delivery *deliveries[16];
  fmq_outcome outcomes[16];
  size_t count = 0;
  while (consumed < COUNT / 2) {
    OK(fmq_consumer_take(consumer, deliveries, 16, PATIENCE_MS, &count));
    CHECK(count > 0);
    for (size_t i = 0; i < count; i++) {
      int number = number_of(deliveries[i]);
      CHECK(number % 2 == 0 && fmq_delivery_reconsume_times(deliveries[i]) == seen[number]);
      if (number == 4 && !released) {
        released = true;
        outcomes[i] = FMQ_RELEASE;
      } else if (number % 10 == 0 && seen[number]++ == 0) {
        fmq_delivery_set_delay_level(deliveries[i], 1);
        outcomes[i] = FMQ_RETRY;
      } else {
        consumed++;
        outcomes[i] = FMQ_CONSUMED;
      }
    }
    OK(fmq_consumer_settle(consumer, deliveries, outcomes, count));
  }
  CHECK(released && seen[0] == 2 && seen[10] == 2);
  end_consumer(consumer);
}

/* In order every number comes after the one before, also when one fails at first; woken by events of the queue. */
static void in_order(void) {
  enum { COUNT = 100 };
  int next = 0;
  bool failed = false;
  CHECK(fmq_testing_create_topic(broker, "order", 4) == 0);
  produce_numbers("order", COUNT);
  fmq_consumer *consumer = consumer_of("order", "order", "*", true);
  fmq_delivery *deliveries[32];
  fmq_outcome outcomes[32];
  fmq_event *event = NULL;
  size_t count = 0;
  FAILS(FMQ_VALIDATION, "batch_size", fmq_consumer_take(consumer, deliveries, 31, 0, &count));
  while (next < COUNT) {
    OK(fmq_queue_poll(fmq_consumer_queue(consumer), &event, 1, PATIENCE_MS, &count));
    CHECK(fmq_event_kind_of(event) == FMQ_EVENT_READY && fmq_event_user(event) == NULL);
    fmq_events_destroy(&event, count);
    for (;;) {
      OK(fmq_consumer_take(consumer, deliveries, 32, 0, &count));
      if (count == 0) break;
      for (size_t i = 0; i < count; i++) {
        outcomes[i] = FMQ_RELEASE;
        bool behind_failed = i > 0 && outcomes[i - 1] != FMQ_CONSUMED;
        if (behind_failed) continue;
        CHECK(number_of(deliveries[i]) == next);
        if (next == 42 && !failed) {
          failed = true;
          outcomes[i] = FMQ_RETRY;
        } else {
          next++;
          outcomes[i] = FMQ_CONSUMED;
        }
      }
      OK(fmq_consumer_settle(consumer, deliveries, outcomes, count));
    }
  }
  CHECK(failed);
  end_consumer(consumer);
}

/* Polls until `wanted` messages came. */
static void poll_all(fmq_lite *lite, size_t wanted) {
  fmq_delivery *deliveries[32];
  size_t count = 0;
  for (size_t total = 0; total < wanted; total += count) {
    OK(fmq_lite_poll(lite, deliveries, 32, PATIENCE_MS, &count));
    CHECK(count > 0);
    fmq_deliveries_destroy(deliveries, count);
  }
}

/* The lite consumer reads what it is assigned, goes where it is sent, and commits when it is told to. */
static void lite(void) {
  enum { COUNT = 50 };
  CHECK(fmq_testing_create_topic(broker, "lite", 1) == 0);
  produce_numbers("lite", COUNT);
  fmq_options *options = options_of("consume_from", "first");
  OK(fmq_options_set(options, "auto_commit", "false"));
  fmq_lite *lite = NULL;
  fmq_message_queues *list = NULL;
  int64_t offset = 7;
  size_t count = 0;
  OK(fmq_lite_new("L", options, &lite));
  OK(fmq_lite_queues(lite, "lite", &list));
  const fmq_message_queue *queue = fmq_message_queues_items(list, &count);
  CHECK(count == 1 && queue->queue_id == 0 && strcmp(queue->topic, "lite") == 0);
  OK(fmq_lite_assign(lite, queue, 1, NULL));
  fmq_message_queues *assigned = NULL;
  OK(fmq_lite_assignment(lite, &assigned));
  CHECK(strcmp(fmq_message_queues_items(assigned, NULL)->broker_name, queue->broker_name) == 0);
  fmq_message_queues_destroy(assigned);
  poll_all(lite, COUNT);
  OK(fmq_lite_position(lite, queue, &offset));
  CHECK(offset == COUNT);
  OK(fmq_lite_committed(lite, queue, &offset));
  CHECK(offset < COUNT);
  OK(fmq_lite_commit(lite));
  OK(fmq_lite_committed(lite, queue, &offset));
  CHECK(offset == COUNT);
  OK(fmq_lite_seek(lite, queue, COUNT - 5));
  poll_all(lite, 5);
  OK(fmq_lite_seek_to_begin(lite, queue));
  poll_all(lite, COUNT);
  OK(fmq_lite_min_offset(lite, queue, &offset));
  CHECK(offset == 0);
  OK(fmq_lite_max_offset(lite, queue, &offset));
  CHECK(offset == COUNT);
  OK(fmq_lite_offset_for_time(lite, queue, 1, &offset));
  CHECK(offset == 0);
  OK(fmq_lite_commit_offset(lite, queue, 9));
  OK(fmq_lite_committed(lite, queue, &offset));
  CHECK(offset == 9);
  OK(fmq_lite_pause(lite, queue, 1));
  OK(fmq_lite_resume(lite, queue, 1));
  fmq_delivery *few[2];
  FAILS(FMQ_VALIDATION, "pull_batch_size", fmq_lite_poll(lite, few, 2, 0, &count));
  fmq_message_queue nowhere = {NULL, NULL, 0};
  FAILS(FMQ_VALIDATION, "the topic of a queue is NULL", fmq_lite_seek(lite, &nowhere, 0));
  OK(fmq_lite_close(lite));
  OK(fmq_lite_close(lite));
  FAILS(FMQ_CLOSED, "closed", fmq_lite_commit(lite));
  fmq_lite_destroy(lite);
  fmq_message_queues_destroy(list);
  fmq_options_destroy(options);
}

static void note(fmq_log_level level, int64_t time_ms, const char *target, const char *message, void *user) {
  CHECK(level >= FMQ_LOG_ERROR && time_ms > 0 && strncmp(target, "ferromq", 7) == 0 && strlen(message) > 0);
  *(int *)user += 1;
}

/* Failures carry class, code and text; what nobody waits for is logged, on the thread that asks. */
static void failures_and_log(void) {
  int logged = 0;
  fmq_message *message = NULL;
  OK(fmq_log_set(note, FMQ_LOG_WARN, &logged));
  fmq_producer *producer = producer_of();
  OK(fmq_message_new("empty", NULL, 0, &message));
  FAILS(FMQ_VALIDATION, "empty", fmq_producer_send(producer, message, -1, NULL));
  uint64_t failed = 0;
  OK(fmq_producer_enqueue(producer, message, NULL));
  FAILS(FMQ_VALIDATION, "empty", fmq_producer_flush(producer, PATIENCE_MS, &failed));
  CHECK(failed == 1);
  fmq_log_dispatch();
  CHECK(logged > 0);
  OK(fmq_log_set(NULL, FMQ_LOG_OFF, NULL));
  fmq_message_destroy(message);
  end_producer(producer);
}

int main(void) {
  broker = fmq_testing_start();
  CHECK(broker != NULL);
  RUN(every_way_of_sending);
  RUN(retries);
  RUN(in_order);
  RUN(lite);
  RUN(failures_and_log);
  fmq_testing_stop(broker);
  return finish();
}
