/*
 * Takes messages as they come and says what came of them; ends after ten seconds without one, or after as many as the
 * second argument says. SPDX-License-Identifier: Apache-2.0
 */
#include "example.h"

enum { BATCH = 64, IDLE_MS = 10000 };

/* What an application does with a message. */
static fmq_outcome handle(const fmq_delivery *delivery) {
  size_t length = 0;
  const char *body = fmq_delivery_body(delivery, &length);
  printf("%s: %.*s\n", fmq_delivery_message_id(delivery), (int)length, body);
  return FMQ_CONSUMED; /* FMQ_RETRY would have it come again */
}

int main(int argc, char **argv) {
  fmq_options *options = options_for(argc, argv);
  long wanted = argc > 2 ? atol(argv[2]) : -1;
  must(fmq_options_set(options, "consume_from", "first"));
  fmq_subscription subscription = {"example", "*"};
  fmq_consumer *consumer = NULL;
  must(fmq_consumer_new("example-consumers", options, &subscription, 1, false, &consumer));
  fmq_options_destroy(options);
  must(fmq_consumer_start(consumer));

  /* Any number of threads may run this loop. */
  fmq_delivery *deliveries[BATCH];
  fmq_outcome outcomes[BATCH];
  while (wanted != 0) {
    size_t count = 0;
    must(fmq_consumer_take(consumer, deliveries, BATCH, IDLE_MS, &count));
    if (count == 0) break;
    for (size_t i = 0; i < count; i++) {
      outcomes[i] = wanted == 0 ? FMQ_RELEASE : handle(deliveries[i]);
      if (wanted > 0) wanted--;
    }
    must(fmq_consumer_settle(consumer, deliveries, outcomes, count));
  }

  must(fmq_consumer_close(consumer));
  fmq_consumer_destroy(consumer);
  return 0;
}
