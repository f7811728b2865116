/* bench/benchmark_internal.h - what the commands of moda bench do alike: options, threads,
 * measuring, results. */
#ifndef MODA_BENCH_BENCHMARK_INTERNAL_H
#define MODA_BENCH_BENCHMARK_INTERNAL_H

#include "base/options.h"
#include "bench/results.h"
#include <stddef.h>

/* What one brings along; all functions are given `state`. */
typedef struct moda_benchmark {
    void *state;
    const moda_option *options; /* its own, beside --seconds, ..., --csv and the common ones */
    size_t least, most;         /* operands */
    /* Its values are the options' defaults; without rounds there are none of these options. Where it
     * is measured elsewhere no threads are started or bound here: moda_benchmark_stand_in(). */
    moda_session *session;
    moda_sizes *threads; /* then: --threads takes a list, which is this; NULL: a number */
    /* Of what is wrong before anything is opened; may be NULL. */
    moda_status (*check)(void *state, const moda_common_options *common);
    moda_status (*open)(void *state, char *const *operands, size_t count); /* may be NULL */
    moda_status (*measure)(void *state);
    moda_results (*results)(const void *state);
} moda_benchmark;

/* From the command line to the figures. State is the caller's to free, whatever happens. */
MODA_MUST_USE moda_status moda_benchmark_run(const moda_command *self, const moda_benchmark *b,
                                             int argc, char **argv);

/* For a benchmark that is measured elsewhere: this process describes the machine and calibrates with
 * as many threads as its rows have, of a list the most; NULL: --threads is a number. Binds none of
 * them, which others would inherit. Fails as moda_threads_set(). */
MODA_MUST_USE moda_status moda_benchmark_stand_in(const moda_common_options *common,
                                                  const moda_sizes *list);

/* What every command takes, with --threads as a list. */
void moda_benchmark_common_table(moda_common_options *common, moda_sizes *threads,
                                 moda_option table[MODA_COMMON_OPTION_COUNT]);

#endif
