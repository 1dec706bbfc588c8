/*
 * Sends: one message awaited, many in the background, some in order. SPDX-License-Identifier: Apache-2.0
 */
#include "example.h"

enum { MANY = 100, STEPS = 5 };

int main(int argc, char **argv) {
  fmq_options *options = options_for(argc, argv);
  fmq_producer *producer = NULL;
  must(fmq_producer_new("example-producers", options, &producer));
  fmq_options_destroy(options);

  /* One message. When the call returns, a broker has it. */
  fmq_message *message = NULL;
  fmq_receipt *receipt = NULL;
  must(fmq_message_new("example", "hello", 5, &message));
  must(fmq_message_set_tag(message, "greeting"));
  must(fmq_message_set_key(message, "key-1"));
  must(fmq_producer_send(producer, message, -1, &receipt));
  printf("sent %s, offset %lld of queue %d\n", fmq_receipt_message_id(receipt),
         (long long)fmq_receipt_queue_offset(receipt), (int)fmq_receipt_queue_id(receipt));
  fmq_receipt_destroy(receipt);

  /* Many messages. They are copied into a line and sent in the background; the flush tells how that went. */
  char body[32];
  for (int i = 0; i < MANY; i++) {
    must(fmq_message_set_body(message, body, (size_t)snprintf(body, sizeof body, "message %d", i)));
    must(fmq_producer_enqueue(producer, message, NULL));
  }
  must(fmq_producer_flush(producer, 10000, NULL));
  printf("sent %d more\n", MANY);

  /* In order: messages of one sharding key go to one queue, one after the other. */
  must(fmq_message_set_sharding_key(message, "order-4711"));
  for (int i = 0; i < STEPS; i++) {
    must(fmq_message_set_body(message, body, (size_t)snprintf(body, sizeof body, "step %d", i)));
    must(fmq_producer_send(producer, message, -1, NULL));
  }
  printf("sent %d steps in order\n", STEPS);

  fmq_message_destroy(message);
  must(fmq_producer_close(producer, 10000));
  fmq_producer_destroy(producer);
  return 0;
}
