/* bench/numa_turn.c - the call of moda bench step that is a policy's turn. */
#include "bench/numa_internal.h"
#include "bench/turn_internal.h"
#include <stdio.h>

enum { NUMBER = 24 };

moda_status moda_numa_turn(const moda_numa_bench *b, const char *bind, const char *placement,
                           size_t steps, json_t **figures)
{
    char batch[NUMBER], threads[NUMBER], count[NUMBER], seed[NUMBER];
    snprintf(batch, sizeof batch, "%zu", b->batch);
    snprintf(threads, sizeof threads, "%zu", b->threads);
    snprintf(count, sizeof count, "%zu", steps);
    snprintf(seed, sizeof seed, "%zu", b->seed);
    const char *const words[] = {"bench",
                                 "step",
                                 "--model",
                                 b->model,
                                 "--batch-size",
                                 batch,
                                 "--steps",
                                 count,
                                 "--method",
                                 b->modular ? "moda" : "standard",
                                 "--threads",
                                 threads,
                                 "--bind",
                                 bind,
                                 "--placement",
                                 placement,
                                 "--seed",
                                 seed,
                                 b->smt ? "--smt" : NULL,
                                 NULL};
    return moda_turn(b->program, words, figures);
}
