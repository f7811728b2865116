/* bench/nightly_internal.h - parts of bench/nightly.h among themselves. */
#ifndef MODA_BENCH_NIGHTLY_INTERNAL_H
#define MODA_BENCH_NIGHTLY_INTERNAL_H

#include "bench/nightly.h"

/* Trains, takes apart and reuses, each a process: {"accuracy", "reuse", "size", "overlap"}. New
 * reference. */
MODA_MUST_USE moda_status moda_nightly_learn(const moda_nightly *night,
                                             const moda_nightly_subject *subject, json_t **figures);
/* A turn of any subject: the figures, by their keys; "ratio" for the time. New reference. */
MODA_MUST_USE moda_status moda_nightly_turn(const moda_nightly *night,
                                            const moda_nightly_subject *subject, json_t **figures);

/* A number of an object; NaN if it has none. */
double moda_nightly_number(const json_t *object, const char *key);
/* A text of an object; "" if it has none. */
const char *moda_nightly_text(const json_t *object, const char *key);
/* A run's commit, or "no commit" in a build from none; run NULL: this night's. */
const char *moda_nightly_commit(const moda_nightly *night, const json_t *run);
/* What stands for tonight: the first measurement, or the mean of confirmations that called a
 * change. NaN if missing. */
double moda_nightly_shown(const moda_nightly_result *result);
/* In one line, without control characters: what changed, by how much, how surely, between which
 * commits. The buffer is returned. */
char *moda_nightly_sentence(const moda_nightly *night, const moda_nightly_result *result,
                            char *buffer, size_t size);

#endif
