/* bench/bench_internal.h - the benchmarks behind moda bench, for the table in cmd_bench.c. Each is a
 * command of its own, whose name is "bench NAME". */
#ifndef MODA_BENCH_BENCH_INTERNAL_H
#define MODA_BENCH_BENCH_INTERNAL_H

#include "base/options.h"
#include "base/status.h"

extern const moda_command moda_bench_by_method;             /* cmd_methods.c */
extern const moda_command moda_bench_infer;                 /* cmd_infer.c */
extern const moda_command moda_bench_conv, moda_bench_gemm; /* cmd_layers.c */
extern const moda_command moda_bench_data;                  /* cmd_data.c */
extern const moda_command moda_bench_similarity, moda_bench_frequency,
    moda_bench_optimizer;                                     /* cmd_kernels.c */
extern const moda_command moda_bench_peak, moda_bench_stream; /* cmd_limits.c */
extern const moda_command moda_bench_tune;                    /* cmd_tune.c */
extern const moda_command moda_bench_step;                    /* cmd_step.c */
extern const moda_command moda_bench_turn;                    /* cmd_turn.c */
extern const moda_command moda_bench_numa;                    /* cmd_numa.c */

extern const char *const moda_bench_precisions[]; /* of --precision: f32, bf16, auto, NULL */
/* Fails: MODA_ERR_ARG (auto, and nothing is to be measured). Their numbers, as options have them. */
MODA_MUST_USE moda_status moda_bench_check_tune(int precision, int tune);

#endif
