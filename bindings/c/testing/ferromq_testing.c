/*
 * See ferromq_testing.h. The broker ends when its standard input closes, and this process holds the only other end: both ends
 * of the pipes are closed on exec, so that no other child keeps them open. SPDX-License-Identifier: Apache-2.0
 */
#define _POSIX_C_SOURCE 200809L
#include "ferromq_testing.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ADDRESS_MAX = 128, LINE_MAX_BYTES = 4096 };

struct fmq_testing_broker {
  pid_t pid;
  int input;
  char namesrv[ADDRESS_MAX];
};

static const char *executable(void) {
  const char *named = getenv("FERROMQ_BIN");
  return named != NULL && *named != '\0' ? named : "ferromq";
}

/* A pipe whose ends no other child gets; 0, or -1. */
static int private_pipe(int ends[2]) {
  if (pipe(ends) < 0) return -1;
  fcntl(ends[0], F_SETFD, FD_CLOEXEC);
  fcntl(ends[1], F_SETFD, FD_CLOEXEC);
  return 0;
}

/* Starts `ferromq` with these arguments; descriptors below 0 are left as they are. The process, or -1. */
static pid_t run(char *const arguments[], int input, int output) {
  pid_t pid = fork();
  if (pid != 0) return pid;
  if (input >= 0) dup2(input, STDIN_FILENO);
  if (output >= 0) dup2(output, STDOUT_FILENO);
  execvp(arguments[0], arguments);
  fprintf(stderr, "ferromq_testing: %s cannot be started: %s\n", arguments[0], strerror(errno));
  _exit(127);
}

/* The text of a member of a JSON object in one line; 0, or -1. Addresses need no unescaping. */
static int member(const char *line, const char *name, char *value, size_t room) {
  char quoted[64];
  snprintf(quoted, sizeof quoted, "\"%s\":\"", name);
  const char *begin = strstr(line, quoted);
  if (begin == NULL) return -1;
  begin += strlen(quoted);
  size_t length = strcspn(begin, "\"");
  if (length >= room) return -1;
  memcpy(value, begin, length);
  value[length] = '\0';
  return 0;
}

/* Reads up to the end of the first line; 0, or -1 when there is none. */
static int read_line(int from, char *line, size_t room) {
  size_t length = 0;
  while (length + 1 < room) {
    ssize_t count = read(from, line + length, 1);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return -1;
    if (line[length] == '\n') break;
    length++;
  }
  line[length] = '\0';
  return 0;
}

static int wait_for(pid_t pid) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

fmq_testing_broker *fmq_testing_start(void) {
  char name[LINE_MAX_BYTES];
  char line[LINE_MAX_BYTES];
  int input[2], output[2];
  snprintf(name, sizeof name, "%s", executable());
  char *arguments[] = {name, "standalone", "--ephemeral", "--json", NULL};
  fmq_testing_broker *broker = malloc(sizeof *broker);
  if (broker == NULL || private_pipe(input) < 0) {
    free(broker);
    return NULL;
  }
  if (private_pipe(output) < 0) {
    close(input[0]);
    close(input[1]);
    free(broker);
    return NULL;
  }
  broker->pid = run(arguments, input[0], output[1]);
  broker->input = input[1];
  close(input[0]);
  close(output[1]);
  int failed = broker->pid < 0 || read_line(output[0], line, sizeof line) < 0 ||
               member(line, "namesrv", broker->namesrv, sizeof broker->namesrv) < 0;
  close(output[0]);
  if (!failed) return broker;
  fprintf(stderr, "ferromq_testing: %s did not say where it listens\n", name);
  fmq_testing_stop(broker);
  return NULL;
}

const char *fmq_testing_namesrv(const fmq_testing_broker *broker) { return broker->namesrv; }

int fmq_testing_create_topic(const fmq_testing_broker *broker, const char *topic, int queues) {
  char name[LINE_MAX_BYTES], its_topic[LINE_MAX_BYTES], namesrv[LINE_MAX_BYTES], count[32];
  snprintf(name, sizeof name, "%s", executable());
  snprintf(its_topic, sizeof its_topic, "%s", topic);
  snprintf(namesrv, sizeof namesrv, "--namesrv=%s", broker->namesrv);
  snprintf(count, sizeof count, "--queues=%d", queues);
  char *arguments[] = {name, "topic", namesrv, count, its_topic, NULL};
  pid_t pid = run(arguments, -1, -1);
  return pid >= 0 && wait_for(pid) == 0 ? 0 : -1;
}

void fmq_testing_stop(fmq_testing_broker *broker) {
  if (broker == NULL) return;
  close(broker->input);
  if (broker->pid > 0) wait_for(broker->pid);
  free(broker);
}
