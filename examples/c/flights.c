/*
 * The demo's part in C: a member of a group that pulls.
 *
 *   flights group --namesrv ADDR --topic T --group G --how pull
 *
 * Prints `[broker, queue, offset, key, tag, sequence, distance]` per message; commits and leaves the group when stdin closes.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _POSIX_C_SOURCE 200809L
#include "example.h"
#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { BATCH = 64, WAIT_MS = 100 };

/* The value behind an option on the command line. */
static const char *option(int argc, char **argv, const char *name) {
  for (int i = 1; i + 1 < argc; i++)
    if (strcmp(argv[i], name) == 0) return argv[i + 1];
  fprintf(stderr, "%s is missing\n", name);
  exit(2);
}

static int stdin_is_closed(void) {
  struct pollfd asked = {STDIN_FILENO, POLLIN, 0};
  char byte;
  return poll(&asked, 1, 0) > 0 && read(STDIN_FILENO, &byte, 1) <= 0;
}

/* Keys and tags of flights need no escapes. */
static void enter(const fmq_delivery *delivery) {
  printf("[\"%s\",%d,%lld,\"%s\",\"%s\",%s,%s]\n", fmq_delivery_broker_name(delivery), (int)fmq_delivery_queue_id(delivery),
         (long long)fmq_delivery_queue_offset(delivery), fmq_delivery_keys(delivery), fmq_delivery_tag(delivery),
         fmq_delivery_property(delivery, "sequence"), fmq_delivery_property(delivery, "distance"));
}

int main(int argc, char **argv) {
  fmq_options *options = fmq_options_new();
  must(fmq_options_set(options, "namesrv", option(argc, argv, "--namesrv")));
  must(fmq_options_set(options, "consume_from", "first"));
  fmq_lite *lite = NULL;
  must(fmq_lite_new(option(argc, argv, "--group"), options, &lite));
  fmq_options_destroy(options);
  must(fmq_lite_subscribe(lite, option(argc, argv, "--topic"), "*"));

  while (!stdin_is_closed()) {
    fmq_delivery *deliveries[BATCH];
    size_t count = 0;
    must(fmq_lite_poll(lite, deliveries, BATCH, WAIT_MS, &count));
    for (size_t i = 0; i < count; i++) enter(deliveries[i]);
    fflush(stdout);
    fmq_deliveries_destroy(deliveries, count);
  }
  must(fmq_lite_commit(lite));
  must(fmq_lite_close(lite));
  fmq_lite_destroy(lite);
  return 0;
}
