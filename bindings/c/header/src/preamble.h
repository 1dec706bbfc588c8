/*
 * FerroMQ: a client for the Apache RocketMQ protocol.
 *
 * Made by `cargo xtask gen` from bindings/c. SPDX-License-Identifier: Apache-2.0
 *
 * Objects are opaque. Whoever gets one from an out parameter owns it and destroys it with the function of its type; every
 * such function takes NULL and does nothing. What a function returns as `const` belongs to the object it was asked of and lives
 * as long as that.
 *
 * Functions that can fail return an error, or NULL when they did what they were asked for; nothing is written to their out
 * parameters after an error, unless they say so. NULL where an object, text or out parameter is wanted is an error of class FMQ_VALIDATION and not a
 * crash; a pointer to something else, or to something destroyed, is a mistake that the library cannot see.
 *
 * Text is UTF-8 and ends with a zero byte, in both directions. What the library keeps it copies: arguments need to live
 * for the time of the call only. Times are milliseconds; as a limit to wait a negative number means without limit.
 *
 * Threads: producers, consumers and their queues may be used by any number of threads at a time, and closed while others wait
 * in them: those return with FMQ_CLOSED. Options, messages, receipts, events and deliveries belong to one thread at a time. No
 * thread but the caller's ever runs a function of the application.
 *
 * Forks: in the child of a fork() objects made before it answer FMQ_FORKED and can be destroyed; new ones work.
 */
