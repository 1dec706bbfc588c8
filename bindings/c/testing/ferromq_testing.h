/*
 * A broker for tests: the executable `ferromq` as a child of this process. It listens on free ports, keeps its data in a
 * temporary directory, and ends with fmq_testing_stop, or by itself when this process is gone. POSIX; copy both files into
 * a project's tests. SPDX-License-Identifier: Apache-2.0
 */
#ifndef FERROMQ_TESTING_H
#define FERROMQ_TESTING_H

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fmq_testing_broker fmq_testing_broker;

/* Starts the executable that the environment variable FERROMQ_BIN names, or else `ferromq` on the PATH, and returns when the
 * broker can be used. NULL, with the reason on stderr, when it does not start. */
fmq_testing_broker *fmq_testing_start(void);

/* Address of the name server, for the option "namesrv". Lives as long as the broker. */
const char *fmq_testing_namesrv(const fmq_testing_broker *broker);

/* Creates a topic with this many queues; 0, or -1 with the reason on stderr. */
int fmq_testing_create_topic(const fmq_testing_broker *broker, const char *topic, int queues);

/* Ends the broker and waits for that. NULL is nothing. */
void fmq_testing_stop(fmq_testing_broker *broker);

#ifdef __cplusplus
}
#endif

#endif
