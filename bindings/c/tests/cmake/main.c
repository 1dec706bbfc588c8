/* Prints the version of the library. SPDX-License-Identifier: Apache-2.0 */
#include <ferromq.h>
#include <stdio.h>

int main(void) { return puts(fmq_version()) < 0; }
