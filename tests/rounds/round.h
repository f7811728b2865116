/* tests/rounds/round.h - all that moda does with a model, in this process: what make soak repeats,
 * make races watches with ThreadSanitizer and make memcheck with valgrind. No Criterion, which neither
 * of them bears. */
#ifndef MODA_TESTS_ROUND_H
#define MODA_TESTS_ROUND_H

#include <stddef.h>

/* In the working folder, which it may fill: trains a small network with every layer that has a
 * kernel of ours, by every method and (where the CPU has it) in bf16, with checkpoints; stops a
 * training and resumes it; evaluates, decomposes, inspects, ablates, composes, measures reuse, sweeps,
 * replaces and adds a class, and likewise for MwT as far as that goes; then does what must fail: a
 * missing, a cut and a damaged model file. Ends the process with a message if something does not
 * go as it should. */
void round_run(size_t threads);
/* Trains, evaluates, decomposes, composes, measures reuse, and fails. */
void round_once(size_t threads);
/* That in one epoch, and with nothing measured first: for watchers that make everything slow. */
void round_brief(size_t threads);

#endif
