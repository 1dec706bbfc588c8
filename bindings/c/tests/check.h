/*
 * Checks for tests in C: a failed one says where and ends the program with 1. A program runs its tests with RUN and ends
 * with `return finish();`, which prints "N passed, 0 failed". SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHECK_H
#define CHECK_H

#include <ferromq.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                     \
  do {                                                                       \
    if (!(condition)) {                                                      \
      fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                               \
    }                                                                        \
  } while (0)

/* A call that must succeed. */
#define OK(call) check_ok((call), __FILE__, __LINE__)
/* A call that must fail with this class and a message that contains this text. */
#define FAILS(class, text, call) check_fails((call), (class), (text), __FILE__, __LINE__)
/* Runs a test. */
#define RUN(test)                  \
  do {                             \
    fprintf(stderr, "%s\n", #test); \
    test();                        \
    tests_passed++;                \
  } while (0)

/* Longest wait for what must come. */
enum { PATIENCE_MS = 60000 };

static int tests_passed = 0;

static inline void check_ok(fmq_error *error, const char *file, int line) {
  if (error == NULL) return;
  fprintf(stderr, "%s:%d: %s: %s\n", file, line, fmq_error_name(error), fmq_error_message(error));
  exit(1);
}

static inline void check_fails(fmq_error *error, fmq_class wanted, const char *text, const char *file, int line) {
  if (error == NULL || fmq_error_class(error) != wanted || strstr(fmq_error_message(error), text) == NULL) {
    fprintf(stderr, "%s:%d: wanted %s with \"%s\", got %s\n", file, line, fmq_class_code(wanted), text,
            error == NULL ? "success" : fmq_error_message(error));
    exit(1);
  }
  fmq_error_destroy(error);
}

static inline int finish(void) {
  printf("%d passed, 0 failed\n", tests_passed);
  return 0;
}

#endif
