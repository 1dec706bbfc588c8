/*
 * Forks. A program of its own, because a child has threads' memory without the threads: under valgrind it is checked for
 * everything but leaks. SPDX-License-Identifier: Apache-2.0
 */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <sys/wait.h>
#include <unistd.h>

/* The child of a fork is told so by what was made before, may destroy it, can make its own, and ends as usual. */
static void forks(void) {
  fmq_producer *producer = NULL;
  OK(fmq_producer_new_echo("P", NULL, &producer));
  OK(fmq_producer_start(producer));
  fmq_message *message = NULL;
  OK(fmq_message_new("T", "body", 4, &message));
  pid_t child = fork();
  if (child == 0) {
    FAILS(FMQ_FORKED, "after the fork", fmq_producer_send(producer, message, -1, NULL));
    FAILS(FMQ_FORKED, "after the fork", fmq_producer_close(producer, 0));
    CHECK(fmq_queue_fd(fmq_producer_queue(producer)) == -1);
    fmq_producer_destroy(producer);
    OK(fmq_producer_new_echo("P", NULL, &producer));
    OK(fmq_producer_send(producer, message, -1, NULL));
    OK(fmq_producer_close(producer, -1));
    fmq_producer_destroy(producer);
    fmq_message_destroy(message);
    exit(0);
  }
  int status = -1;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
  OK(fmq_producer_send(producer, message, -1, NULL));
  fmq_producer_destroy(producer);
  fmq_message_destroy(message);
}

int main(void) {
  RUN(forks);
  return finish();
}
