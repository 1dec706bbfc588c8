/*
 * Runs the examples, whose folder is the argument, against a broker: what one produces the others read.
 * SPDX-License-Identifier: Apache-2.0
 */
#define _POSIX_C_SOURCE 200809L
#include "check.h"
#include "ferromq_testing.h"

enum { SENT = 106 };

static fmq_testing_broker *broker;
static const char *folder;

/* Runs an example and returns how many lines it printed. */
static int lines_of(const char *name, const char *argument) {
  char command[4096];
  int lines = 0;
  snprintf(command, sizeof command, "'%s/%s' '%s' %s", folder, name, fmq_testing_namesrv(broker), argument);
  FILE *out = popen(command, "r");
  CHECK(out != NULL);
  for (int c = getc(out); c != EOF; c = getc(out)) lines += c == '\n';
  CHECK(pclose(out) == 0);
  return lines;
}

static void produce(void) { CHECK(lines_of("produce", "") == 3); }
static void push_consume(void) { CHECK(lines_of("push_consume", "106") == SENT); }
static void orderly(void) { CHECK(lines_of("orderly", "106") == SENT); }
static void lite_pull(void) { CHECK(lines_of("lite_pull", "") == SENT); }

int main(int argc, char **argv) {
  CHECK(argc == 2);
  folder = argv[1];
  broker = fmq_testing_start();
  CHECK(broker != NULL && fmq_testing_create_topic(broker, "example", 4) == 0);
  RUN(produce);
  RUN(push_consume);
  RUN(orderly);
  RUN(lite_pull);
  fmq_testing_stop(broker);
  return finish();
}
