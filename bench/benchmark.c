/* bench/benchmark.c */
#include "base/log.h"
#include "bench/benchmark_internal.h"
#include "numa/threads.h"
#include <omp.h>
#include <string.h>

void moda_benchmark_common_table(moda_common_options *common, moda_sizes *threads,
                                 moda_option table[MODA_COMMON_OPTION_COUNT])
{
    moda_common_options_table(common, table);
    for (size_t i = 0; i < MODA_COMMON_OPTION_COUNT; i++)
        if (table[i].name && strcmp(table[i].name, "threads") == 0)
            table[i] = (moda_option){
                .kind = MODA_OPTION_SIZES,
                .name = "threads",
                .value = "LIST",
                .help = "1,2,4: numbers of threads (default: all that may be used)",
                .target = threads,
            };
}

typedef struct call {
    const char *csv;
    moda_common_options common;
    char **operands;
    size_t count;
} call;

static moda_status parse(const moda_command *self, const moda_benchmark *b, int argc, char **argv,
                         call *c, bool *help)
{
    moda_status st = MODA_OK;
    moda_option common[MODA_COMMON_OPTION_COUNT], measuring[MODA_SESSION_OPTION_COUNT];
    moda_session_options(b->session, measuring);
    if (b->threads)
        moda_benchmark_common_table(&c->common, b->threads, common);
    else
        moda_common_options_table(&c->common, common);
    const moda_option none = {.kind = MODA_OPTION_END};
    const moda_option table[] = {
        {MODA_OPTION_TABLE, NULL, NULL, NULL, (void *)b->options, 0, 0, NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, b->session->rounds ? measuring : (void *)&none, 0, 0,
         NULL},
        {MODA_OPTION_OUTPUT, "csv", "FILE", "the figures as a table", &c->csv, 0, 0, NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, common, 0, 0, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    MODA_TRY(moda_options_parse(self, table, argc, argv, b->least, b->most, &c->operands, &c->count,
                                help));
    if (c->common.quiet) moda_log_set_level(MODA_LOG_WARNING);
out:
    return st;
}

/* Files first: a screen that cannot be written to loses no figures. */
static moda_status report(const moda_results *results, const call *c)
{
    moda_status st = MODA_OK;
    json_t *json = NULL;
    if (c->common.json) {
        MODA_TRY(moda_results_json(results, &json));
        MODA_TRY(moda_json_write(c->common.json, json));
    }
    if (c->csv) MODA_TRY(moda_results_write_csv(results, c->csv));
    moda_results_print(results);
out:
    json_decref(json);
    return st;
}

moda_status moda_benchmark_stand_in(const moda_common_options *common, const moda_sizes *list)
{
    moda_status st = MODA_OK;
    moda_team_wish wish = moda_threads_wish(common);
    size_t threads;
    for (size_t i = 0; list && i < list->n; i++)
        if (list->values[i] > wish.threads) wish.threads = list->values[i];
    MODA_TRY(moda_threads_count(&wish, &threads));
    omp_set_num_threads((int)threads);
out:
    return st;
}

moda_status moda_benchmark_run(const moda_command *self, const moda_benchmark *b, int argc,
                               char **argv)
{
    moda_status st = MODA_OK;
    call c = {0};
    size_t threads;
    bool help = false;
    MODA_TRY(parse(self, b, argc, argv, &c, &help));
    if (help) goto out;
    if (b->check) MODA_TRY(b->check(b->state, &c.common));
    if (b->session->elsewhere)
        MODA_TRY(moda_benchmark_stand_in(&c.common, b->threads));
    else
        MODA_TRY(moda_threads_start(&c.common, &threads));
    if (b->open) MODA_TRY(b->open(b->state, c.operands, c.count));
    MODA_TRY(b->measure(b->state));
    const moda_results results = b->results(b->state);
    MODA_TRY(report(&results, &c));
out:
    return st;
}
