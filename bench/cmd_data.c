/* bench/cmd_data.c - moda bench data: how fast the input pipeline is. */
#include "base/log.h"
#include "bench/bench_internal.h"
#include "bench/data.h"
#include "datasets/data_options.h"
#include "numa/threads.h"

typedef struct settings {
    const char *csv;
    int crop;
    moda_common_options common;
    moda_data_bench bench;
} settings;

static moda_status parse(const moda_command *self, int argc, char **argv, settings *s,
                         char ***operands, size_t *count, bool *help)
{
    moda_status st = MODA_OK;
    moda_option common[MODA_COMMON_OPTION_COUNT], measuring[MODA_SESSION_OPTION_COUNT];
    moda_data_bench *b = &s->bench;
    *s = (settings){.crop = MODA_CROP_DEFAULT,
                    .bench = {.batch = 128, .session = {.seconds = 1, .rounds = 5, .spread = 1}}};
    moda_session_options(&b->session, measuring);
    moda_common_options_table(&s->common, common);
    const moda_option table[] = {
        {MODA_OPTION_SIZE, "batch-size", "N", "images of a batch (default 128)", &b->batch, 1,
         1 << 20, NULL},
        {MODA_OPTION_TEXT, "model", "NAME|FILE.net",
         "also a training step of this network, and the batches' share of it", &b->model, 0, 0,
         NULL},
        {MODA_OPTION_SIZE, "image-size", "N", "bring a folder's pictures to N x N (default 32)",
         &b->side, 1, 4096, NULL},
        {MODA_OPTION_CHOICE, "crop", "C", "as of moda train: default, padded, resized", &s->crop, 0,
         0, moda_crop_names},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, measuring, 0, 0, NULL},
        {MODA_OPTION_OUTPUT, "csv", "FILE", "the figures as a table", &s->csv, 0, 0, NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, common, 0, 0, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    MODA_TRY(moda_options_parse(self, table, argc, argv, 1, SIZE_MAX, operands, count, help));
    if (s->common.quiet) moda_log_set_level(MODA_LOG_WARNING);
    b->crop = (moda_crop)s->crop, b->seed = s->common.seed;
out:
    return st;
}

static moda_status report(const settings *s)
{
    moda_status st = MODA_OK;
    json_t *json = NULL;
    if (s->common.json) {
        MODA_TRY(moda_data_bench_json(&s->bench, &json));
        MODA_TRY(moda_json_write(s->common.json, json));
    }
    if (s->csv) MODA_TRY(moda_data_bench_write_csv(&s->bench, s->csv));
    moda_data_bench_print(&s->bench);
out:
    json_decref(json);
    return st;
}

static moda_status run(const moda_command *self, int argc, char **argv)
{
    moda_status st = MODA_OK;
    settings s = {0};
    char **operands = NULL;
    size_t count = 0, threads = 0;
    bool help = false;
    MODA_TRY(parse(self, argc, argv, &s, &operands, &count, &help));
    if (help) goto out;
    MODA_TRY(moda_threads_start(&s.common, &threads));
    MODA_TRY(moda_data_bench_open(&s.bench, operands, count));
    MODA_TRY(moda_data_bench_run(&s.bench));
    MODA_TRY(report(&s));
out:
    moda_data_bench_free(&s.bench);
    return st;
}

const moda_command moda_bench_data = {
    .name = "bench data",
    .summary = "images per second of the input pipeline: reading, decoding, batches",
    .operands = "SPEC...",
    .example = "moda bench data fashion-mnist folder:pictures --model lenet5",
    .run = run,
};
