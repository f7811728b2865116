/* bench/cmd_data.c - moda bench data: how fast the input pipeline is. */
#include "bench/bench_internal.h"
#include "bench/benchmark_internal.h"
#include "bench/data.h"
#include "datasets/data_options.h"
#include <stdint.h>

typedef struct settings {
    int crop;
    moda_data_bench bench;
} settings;

static moda_status check(void *state, const moda_common_options *common)
{
    settings *s = state;
    s->bench.crop = (moda_crop)s->crop, s->bench.seed = common->seed;
    return MODA_OK;
}

static moda_status open(void *state, char *const *operands, size_t count)
{
    settings *s = state;
    return moda_data_bench_open(&s->bench, operands, count);
}

static moda_status measure(void *state)
{
    settings *s = state;
    return moda_data_bench_run(&s->bench);
}

static moda_results results(const void *state)
{
    const settings *s = state;
    return moda_data_bench_results(&s->bench);
}

static moda_status run(const moda_command *self, int argc, char **argv)
{
    settings s = {.crop = MODA_CROP_DEFAULT,
                  .bench = {.batch = 128, .session = {.seconds = 1, .rounds = 5, .spread = 1}}};
    moda_data_bench *b = &s.bench;
    const moda_option options[] = {
        {MODA_OPTION_SIZE, "batch-size", "N", "images of a batch (default 128)", &b->batch, 1,
         1 << 20, NULL},
        {MODA_OPTION_TEXT, "model", "NAME|FILE.net",
         "also a training step of this network, and the batches' share of it", &b->model, 0, 0,
         NULL},
        {MODA_OPTION_SIZE, "image-size", "N", "bring a folder's pictures to N x N (default 32)",
         &b->side, 1, 4096, NULL},
        {MODA_OPTION_CHOICE, "crop", "C", "as of moda train: default, padded, resized", &s.crop, 0,
         0, moda_crop_names},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    const moda_benchmark benchmark = {.state = &s,
                                      .options = options,
                                      .least = 1,
                                      .most = SIZE_MAX,
                                      .session = &b->session,
                                      .check = check,
                                      .open = open,
                                      .measure = measure,
                                      .results = results};
    const moda_status st = moda_benchmark_run(self, &benchmark, argc, argv);
    moda_data_bench_free(b);
    return st;
}

const moda_command moda_bench_data = {
    .name = "bench data",
    .summary = "images per second of the input pipeline: reading, decoding, batches",
    .operands = "SPEC...",
    .example = "moda bench data fashion-mnist folder:pictures --model lenet5",
    .run = run,
};
