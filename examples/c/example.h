/*
 * What the examples share: ending with the reason when something fails. The name server is the first argument, or the
 * environment variable NAMESRV_ADDR, or 127.0.0.1:9876. SPDX-License-Identifier: Apache-2.0
 */
#ifndef EXAMPLE_H
#define EXAMPLE_H

#include <ferromq.h>
#include <stdio.h>
#include <stdlib.h>

/* Ends the program when a call has failed. */
static inline void must(fmq_error *error) {
  if (error == NULL) return;
  fprintf(stderr, "%s: %s\n", fmq_error_name(error), fmq_error_message(error));
  fmq_error_destroy(error);
  exit(1);
}

/* Options with the address of the name server. */
static inline fmq_options *options_for(int argc, char **argv) {
  const char *namesrv = argc > 1 ? argv[1] : getenv("NAMESRV_ADDR");
  fmq_options *options = fmq_options_new();
  must(fmq_options_set(options, "namesrv", namesrv != NULL ? namesrv : "127.0.0.1:9876"));
  return options;
}

#endif
