/*
 * Messages of one queue in their order, in an event loop: poll(2) on the consumer's descriptor. Ends after ten seconds without
 * a message, or after as many as the second argument says. SPDX-License-Identifier: Apache-2.0
 */
#define _POSIX_C_SOURCE 200809L
#include "example.h"

#include <poll.h>

enum { BATCH = 32, EVENTS = 8, IDLE_MS = 10000 };

/* Takes and settles what is there; returns how many messages that were. */
static long drain(fmq_consumer *consumer) {
  fmq_delivery *deliveries[BATCH];
  long handled = 0;
  for (;;) {
    size_t count = 0;
    must(fmq_consumer_take(consumer, deliveries, BATCH, 0, &count));
    if (count == 0) return handled;
    /* All of one call are of one queue, of which nothing more comes before they are settled. */
    for (size_t i = 0; i < count; i++) {
      size_t length = 0;
      const char *body = fmq_delivery_body(deliveries[i], &length);
      printf("queue %d, offset %lld: %.*s\n", (int)fmq_delivery_queue_id(deliveries[i]),
             (long long)fmq_delivery_queue_offset(deliveries[i]), (int)length, body);
    }
    must(fmq_consumer_settle(consumer, deliveries, NULL, count)); /* all consumed */
    handled += (long)count;
  }
}

int main(int argc, char **argv) {
  fmq_options *options = options_for(argc, argv);
  long wanted = argc > 2 ? atol(argv[2]) : 0;
  must(fmq_options_set(options, "consume_from", "first"));
  fmq_subscription subscription = {"example", "*"};
  fmq_consumer *consumer = NULL;
  must(fmq_consumer_new("example-orderly", options, &subscription, 1, true, &consumer));
  fmq_options_destroy(options);
  must(fmq_consumer_start(consumer));

  fmq_queue *queue = fmq_consumer_queue(consumer);
  struct pollfd waiting = {fmq_queue_fd(queue), POLLIN, 0};
  long handled = 0;
  while ((wanted == 0 || handled < wanted) && poll(&waiting, 1, IDLE_MS) > 0) {
    fmq_event *events[EVENTS];
    size_t count = 0;
    must(fmq_queue_poll(queue, events, EVENTS, 0, &count));
    fmq_events_destroy(events, count); /* FMQ_EVENT_READY is all that a consumer says */
    handled += drain(consumer);
  }

  must(fmq_consumer_close(consumer));
  fmq_consumer_destroy(consumer);
  return 0;
}
