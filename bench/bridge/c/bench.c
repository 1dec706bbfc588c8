/*
 * How fast the C library is by itself, in echo mode: one JSON object per row. The naive way is one blocking call per message.
 * A row is the best of several runs that take turns with the naive ones. SPDX-License-Identifier: Apache-2.0
 */
#define _POSIX_C_SOURCE 200809L
#include <ferromq.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Messages per second on cores that are idle otherwise; of taking nothing is asked. */
enum { ENQUEUED_WANTED = 3000000, TAKEN_WANTED = 0 };
enum { ROUNDS = 5, ENQUEUED = 2000000, SENT = 50000, TAKEN = 2000000, TAKEN_SINGLY = 500000, BODY = 100, BATCH = 64 };

static void must(fmq_error *error) {
  if (error == NULL) return;
  fprintf(stderr, "bench: %s: %s\n", fmq_error_name(error), fmq_error_message(error));
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static fmq_producer *producer_of(void) {
  fmq_options *options = fmq_options_new();
  fmq_producer *producer = NULL;
  must(fmq_options_set(options, "queue_count_max", "100000000"));
  must(fmq_options_set(options, "queue_bytes_max", "10000000000"));
  must(fmq_producer_new_echo("bench", options, &producer));
  must(fmq_producer_start(producer));
  fmq_options_destroy(options);
  return producer;
}

/* Messages per second, each with a body of its own, given to the library; the flush is in the time. */
static double enqueue(void) {
  char body[BODY];
  memset(body, 'x', sizeof body);
  fmq_producer *producer = producer_of();
  fmq_message *message = NULL;
  must(fmq_message_new("bench", body, sizeof body, &message));
  double begin = now();
  for (int i = 0; i < ENQUEUED; i++) {
    memcpy(body, &i, sizeof i);
    must(fmq_message_set_body(message, body, sizeof body));
    must(fmq_producer_enqueue(producer, message, NULL));
  }
  must(fmq_producer_flush(producer, -1, NULL));
  double took = now() - begin;
  fmq_message_destroy(message);
  fmq_producer_destroy(producer);
  return ENQUEUED / took;
}

/* The same, each awaited. */
static double send_singly(void) {
  char body[BODY];
  memset(body, 'x', sizeof body);
  fmq_producer *producer = producer_of();
  fmq_message *message = NULL;
  must(fmq_message_new("bench", body, sizeof body, &message));
  double begin = now();
  for (int i = 0; i < SENT; i++) must(fmq_producer_send(producer, message, -1, NULL));
  double took = now() - begin;
  fmq_message_destroy(message);
  fmq_producer_destroy(producer);
  return SENT / took;
}

/* Messages per second taken and settled, `batch` at a time. */
static double take(int total, size_t batch) {
  fmq_delivery *deliveries[BATCH];
  fmq_consumer *consumer = NULL;
  size_t count = 0;
  int left = total;
  must(fmq_consumer_new_echo((size_t)total, BODY, 0, &consumer));
  double begin = now();
  for (; left > 0; left -= (int)count) {
    must(fmq_consumer_take(consumer, deliveries, batch, 1000, &count));
    must(fmq_consumer_settle(consumer, deliveries, NULL, count));
  }
  double took = now() - begin;
  fmq_consumer_destroy(consumer);
  return total / took;
}

static double best(double before, double next) { return next > before ? next : before; }

/* Prints a row; true when ours reaches `wanted` per second. */
static bool row(const char *name, double ours, double naive, int wanted) {
  printf("{\"lang\":\"c\",\"row\":\"%s\",\"ours_per_s\":%.0f,\"naive_per_s\":%.0f,\"ratio\":%.1f,"
         "\"wanted\":\"%d per second\"}\n", name, ours, naive, ours / naive, wanted);
  fflush(stdout);
  return ours >= wanted;
}

int main(void) {
  double enqueued = 0, sent = 0, taken = 0, singly = 0;
  for (int round = 0; round < ROUNDS; round++) {
    enqueued = best(enqueued, enqueue());
    sent = best(sent, send_singly());
    taken = best(taken, take(TAKEN, BATCH));
    singly = best(singly, take(TAKEN_SINGLY, 1));
  }
  bool reached = row("enqueue", enqueued, sent, ENQUEUED_WANTED);
  reached &= row("take 64", taken, singly, TAKEN_WANTED);
  if (!reached) fprintf(stderr, "bench: less than wanted; on a machine that does other things this says little\n");
  return reached ? 0 : 1;
}
