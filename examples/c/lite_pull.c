/*
 * Reads a topic from its beginning to what was its end at the start, queue by queue, and commits. SPDX-License-Identifier: Apache-2.0
 */
#include "example.h"

enum { BATCH = 32 };

/* Reads one queue up to `end`. */
static void read_queue(fmq_lite *lite, const fmq_message_queue *queue, int64_t end) {
  int64_t position = 0;
  must(fmq_lite_assign(lite, queue, 1, NULL));
  must(fmq_lite_seek_to_begin(lite, queue));
  must(fmq_lite_min_offset(lite, queue, &position));
  while (position < end) {
    fmq_delivery *deliveries[BATCH];
    size_t count = 0;
    must(fmq_lite_poll(lite, deliveries, BATCH, 1000, &count));
    for (size_t i = 0; i < count; i++) {
      size_t length = 0;
      const char *body = fmq_delivery_body(deliveries[i], &length);
      position = fmq_delivery_queue_offset(deliveries[i]) + 1;
      printf("queue %d, offset %lld: %.*s\n", (int)queue->queue_id, (long long)position - 1, (int)length, body);
    }
    fmq_deliveries_destroy(deliveries, count);
  }
  must(fmq_lite_commit(lite));
}

int main(int argc, char **argv) {
  fmq_options *options = options_for(argc, argv);
  must(fmq_options_set(options, "auto_commit", "false"));
  fmq_lite *lite = NULL;
  must(fmq_lite_new("example-readers", options, &lite));
  fmq_options_destroy(options);

  fmq_message_queues *queues = NULL;
  size_t count = 0;
  must(fmq_lite_queues(lite, "example", &queues));
  const fmq_message_queue *items = fmq_message_queues_items(queues, &count);
  for (size_t i = 0; i < count; i++) {
    int64_t end = 0;
    must(fmq_lite_max_offset(lite, &items[i], &end));
    read_queue(lite, &items[i], end);
  }
  fmq_message_queues_destroy(queues);

  must(fmq_lite_close(lite));
  fmq_lite_destroy(lite);
  return 0;
}
