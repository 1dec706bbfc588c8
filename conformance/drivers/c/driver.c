/*
 * The driver of C, see conformance/drivers/README.md. `--api take` waits for messages in fmq_consumer_take, `--api events` in
 * poll(2) on the consumer's descriptor, `--api lite` is the lite consumer. SPDX-License-Identifier: Apache-2.0
 */
#define _POSIX_C_SOURCE 200809L
#include <ferromq.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BODY_MAX = 512, BATCH = 64, WAIT_MS = 60000, TEXT_MAX = 64 };

static const char *APIS = "[\"take\", \"events\", \"lite\"]";

/* The command line. */
typedef struct arguments {
  const char *namesrv, *topic, *group, *api, *codec;
  long from, to, count;
  bool sharded, many, orderly, fail_tens;
} arguments;

static void fail(const char *why) {
  fprintf(stderr, "driver: %s\n", why);
  exit(1);
}

static void must(fmq_error *error) {
  if (error == NULL) return;
  fprintf(stderr, "driver: %s: %s\n", fmq_error_name(error), fmq_error_message(error));
  fmq_error_destroy(error);
  exit(1);
}

static arguments parse(int argc, char **argv) {
  arguments given = {NULL, NULL, NULL, "take", "json", 0, 0, 0, false, false, false, false};
  for (int i = 2; i < argc; i++) {
    const char *name = argv[i];
    if (strcmp(name, "--sharded") == 0) given.sharded = true;
    else if (strcmp(name, "--many") == 0) given.many = true;
    else if (strcmp(name, "--orderly") == 0) given.orderly = true;
    else if (strcmp(name, "--fail-tens") == 0) given.fail_tens = true;
    else if (i + 1 == argc) fail("an argument without a value, or an unknown one");
    else if (strcmp(name, "--namesrv") == 0) given.namesrv = argv[++i];
    else if (strcmp(name, "--topic") == 0) given.topic = argv[++i];
    else if (strcmp(name, "--group") == 0) given.group = argv[++i];
    else if (strcmp(name, "--api") == 0) given.api = argv[++i];
    else if (strcmp(name, "--codec") == 0) given.codec = argv[++i];
    else if (strcmp(name, "--from") == 0) given.from = atol(argv[++i]);
    else if (strcmp(name, "--to") == 0) given.to = atol(argv[++i]);
    else if (strcmp(name, "--count") == 0) given.count = atol(argv[++i]);
    else fail("an unknown argument");
  }
  return given;
}

static fmq_options *options_of(const arguments *given) {
  fmq_options *options = fmq_options_new();
  must(fmq_options_set(options, "namesrv", given->namesrv));
  must(fmq_options_set(options, "header_codec", given->codec));
  return options;
}

/* The text of message `i`. */
static void text_of(long i, char text[TEXT_MAX]) {
  snprintf(text, TEXT_MAX, "Gr\xc3\xbc\xc3\x9f" "e, \xe4\xb8\x96\xe7\x95\x8c \xf0\x9f\xa6\x80 %ld", i);
}

static fmq_message *message_of(const arguments *given, long i) {
  unsigned char body[BODY_MAX];
  char text[TEXT_MAX], number[TEXT_MAX];
  fmq_message *message = NULL;
  for (int byte = 0; byte < 4; byte++) body[byte] = (unsigned char)((unsigned long)i >> (24 - 8 * byte));
  for (int byte = 0; byte < 256; byte++) body[4 + byte] = (unsigned char)byte;
  text_of(i, text);
  memcpy(body + 260, text, strlen(text));
  must(fmq_message_new(given->topic, body, 260 + strlen(text), &message));
  snprintf(number, sizeof number, "key-%ld", i);
  must(fmq_message_set_key(message, number));
  must(fmq_message_set_tag(message, i % 2 == 0 ? "even" : "odd"));
  must(fmq_message_set_property(message, "text", text));
  snprintf(number, sizeof number, "%ld", i);
  must(fmq_message_set_property(message, "i", number));
  snprintf(number, sizeof number, "%ld", i % 7);
  if (given->sharded) must(fmq_message_set_sharding_key(message, number));
  return message;
}

static void print_receipt(long i, const fmq_receipt *receipt) {
  printf("{\"i\":%ld,\"message_id\":\"%s\",\"queue_id\":%d,\"queue_offset\":%lld}\n", i, fmq_receipt_message_id(receipt),
         (int)fmq_receipt_queue_id(receipt), (long long)fmq_receipt_queue_offset(receipt));
}

/* Enqueues all, and prints their results in order when all are there. */
static void send_many(const arguments *given, fmq_producer *producer) {
  size_t total = (size_t)(given->to - given->from), ended = 0;
  fmq_event **results = calloc(total + 1, sizeof *results);
  if (results == NULL) fail("no memory");
  for (size_t i = 0; i < total; i++) {
    fmq_message *message = message_of(given, given->from + (long)i);
    must(fmq_producer_enqueue(producer, message, &results[i]));
    fmq_message_destroy(message);
  }
  while (ended < total) {
    fmq_event *events[BATCH];
    size_t count = 0;
    must(fmq_queue_poll(fmq_producer_queue(producer), events, BATCH, WAIT_MS, &count));
    if (count == 0) fail("no results for a minute");
    for (size_t i = 0; i < count; i++) *(fmq_event **)fmq_event_user(events[i]) = events[i];
    ended += count;
  }
  for (size_t i = 0; i < total; i++) {
    if (fmq_event_error(results[i]) != NULL) fail(fmq_error_message(fmq_event_error(results[i])));
    print_receipt(given->from + (long)i, fmq_event_receipt(results[i]));
  }
  fmq_events_destroy(results, total);
  free(results);
}

static void send_all(const arguments *given) {
  fmq_options *options = options_of(given);
  fmq_producer *producer = NULL;
  must(fmq_producer_new("driver", options, &producer));
  if (given->many) {
    send_many(given, producer);
  } else {
    for (long i = given->from; i < given->to; i++) {
      fmq_message *message = message_of(given, i);
      fmq_receipt *receipt = NULL;
      must(fmq_producer_send(producer, message, -1, &receipt));
      print_receipt(i, receipt);
      fmq_receipt_destroy(receipt);
      fmq_message_destroy(message);
    }
  }
  must(fmq_producer_close(producer, WAIT_MS));
  fmq_producer_destroy(producer);
  fmq_options_destroy(options);
}

/* Text as JSON; what is sent here has nothing but quotes and backslashes to escape. */
static void print_text(const char *name, const char *text) {
  printf(",\"%s\":\"", name);
  for (; text != NULL && *text != '\0'; text++) {
    if (*text == '"' || *text == '\\') putchar('\\');
    putchar(*text);
  }
  putchar('"');
}

static long number_of(const fmq_delivery *delivery) {
  size_t length = 0;
  const unsigned char *body = fmq_delivery_body(delivery, &length);
  if (length < 4) fail("a body that is too short");
  return (long)body[0] << 24 | (long)body[1] << 16 | (long)body[2] << 8 | (long)body[3];
}

static void print_delivery(const fmq_delivery *delivery, bool ok) {
  size_t length = 0;
  const unsigned char *body = fmq_delivery_body(delivery, &length);
  printf("{\"i\":%ld,\"ok\":%s,\"body\":\"", number_of(delivery), ok ? "true" : "false");
  for (size_t i = 0; i < length; i++) printf("%02x", body[i]);
  putchar('"');
  print_text("key", fmq_delivery_keys(delivery));
  print_text("tag", fmq_delivery_tag(delivery));
  print_text("text", fmq_delivery_property(delivery, "text"));
  printf(",\"queue_id\":%d,\"queue_offset\":%lld,\"reconsume_times\":%d}\n", (int)fmq_delivery_queue_id(delivery),
         (long long)fmq_delivery_queue_offset(delivery), (int)fmq_delivery_reconsume_times(delivery));
  fflush(stdout);
}

/* What happened to a message so far. */
enum { CONSUMED = 1, FAILED = 2 };

/* What happened to each message, and how many are still to be consumed. */
typedef struct progress {
  unsigned char *seen;
  long room, left;
} progress;

/* Notes that something happened to message `i`; true when it had not happened before. */
static bool note(progress *done, long i, int what) {
  if (i >= done->room) {
    long room = 2 * i + 1024;
    unsigned char *seen = realloc(done->seen, (size_t)room);
    if (seen == NULL) fail("no memory");
    memset(seen + done->room, 0, (size_t)(room - done->room));
    done->seen = seen;
    done->room = room;
  }
  bool first = (done->seen[i] & what) == 0;
  done->seen[i] |= (unsigned char)what;
  if (first && what == CONSUMED) done->left--;
  return first;
}

/* The listener, called for one after the other; in order, a failure ends the batch. */
static void listen(const arguments *given, progress *done, fmq_delivery **taken, fmq_outcome *outcomes, size_t count) {
  bool failed = false;
  for (size_t i = 0; i < count; i++) {
    long number = number_of(taken[i]);
    if (failed && given->orderly) {
      outcomes[i] = FMQ_RELEASE;
      continue;
    }
    bool fails = given->fail_tens && number % 10 == 0 && note(done, number, FAILED);
    failed = failed || fails;
    outcomes[i] = fails ? FMQ_RETRY : FMQ_CONSUMED;
    print_delivery(taken[i], !fails);
    if (!fails) note(done, number, CONSUMED);
  }
}

/* Waits until there is something to take. */
static void wait_for_event(fmq_consumer *consumer) {
  fmq_queue *queue = fmq_consumer_queue(consumer);
  struct pollfd waiting = {fmq_queue_fd(queue), POLLIN, 0};
  fmq_event *events[BATCH];
  size_t count = 0;
  if (poll(&waiting, 1, WAIT_MS) <= 0) fail("no event for a minute");
  must(fmq_queue_poll(queue, events, BATCH, 0, &count));
  fmq_events_destroy(events, count);
}

static void consume(const arguments *given, const fmq_options *options, progress *done) {
  fmq_subscription subscription = {given->topic, "*"};
  fmq_consumer *consumer = NULL;
  bool events = strcmp(given->api, "events") == 0;
  must(fmq_consumer_new(given->group, options, &subscription, 1, given->orderly, &consumer));
  must(fmq_consumer_start(consumer));
  while (done->left > 0) {
    fmq_delivery *taken[BATCH];
    fmq_outcome outcomes[BATCH];
    size_t count = 0;
    must(fmq_consumer_take(consumer, taken, BATCH, events ? 0 : WAIT_MS, &count));
    if (count == 0 && !events) fail("no message for a minute");
    if (count == 0) wait_for_event(consumer);
    listen(given, done, taken, outcomes, count);
    must(fmq_consumer_settle(consumer, taken, outcomes, count));
  }
  must(fmq_consumer_close(consumer));
  fmq_consumer_destroy(consumer);
}

static void consume_lite(const arguments *given, const fmq_options *options, progress *done) {
  fmq_lite *lite = NULL;
  must(fmq_lite_new(given->group, options, &lite));
  must(fmq_lite_subscribe(lite, given->topic, "*"));
  while (done->left > 0) {
    fmq_delivery *polled[BATCH];
    size_t count = 0;
    must(fmq_lite_poll(lite, polled, BATCH, WAIT_MS, &count));
    if (count == 0) fail("no message for a minute");
    for (size_t i = 0; i < count; i++) {
      print_delivery(polled[i], true);
      note(done, number_of(polled[i]), CONSUMED);
    }
    fmq_deliveries_destroy(polled, count);
  }
  must(fmq_lite_commit(lite));
  must(fmq_lite_close(lite));
  fmq_lite_destroy(lite);
}

static void consume_all(const arguments *given) {
  fmq_options *options = options_of(given);
  progress done = {NULL, 0, given->count};
  must(fmq_options_set(options, "consume_from", "first"));
  if (strcmp(given->api, "lite") == 0) consume_lite(given, options, &done);
  else consume(given, options, &done);
  fmq_options_destroy(options);
  free(done.seen);
}

int main(int argc, char **argv) {
  if (argc < 2) fail("send or consume?");
  arguments given = parse(argc, argv);
  if (strcmp(given.api, "?") == 0) return puts(APIS) < 0;
  if (given.topic == NULL || given.namesrv == NULL) fail("--topic and --namesrv are needed");
  if (strcmp(argv[1], "send") == 0) send_all(&given);
  else if (strcmp(argv[1], "consume") == 0 && given.group != NULL) consume_all(&given);
  else fail("send, or consume with --group");
  return 0;
}
