/* bench/cmd_infer.c - moda bench infer: how fast models, modules and composed networks answer. */
#include "base/file.h"
#include "bench/bench_internal.h"
#include "bench/benchmark_internal.h"
#include "bench/infer.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct settings {
    const char *classes;
    size_t round;
    bool no_fold;
    moda_sizes batches;
    moda_sizes *sets; /* [set_count] of class numbers */
    size_t set_count;
    moda_infer infer;
} settings;

/* "0,3,5;1,2" */
static moda_status parse_sets(settings *s)
{
    moda_status st = MODA_OK;
    char *rest = NULL, *text = s->classes ? strdup(s->classes) : NULL;
    size_t most = 1;
    if (!s->classes) goto out;
    MODA_CHECK(text, MODA_ERR_NOMEM, "out of memory");
    for (const char *c = text; *c; c++) most += *c == ';';
    MODA_ALLOC(s->sets, most * sizeof *s->sets);
    for (char *set = strtok_r(text, ";", &rest); set; set = strtok_r(NULL, ";", &rest))
        MODA_TRY(moda_sizes_parse("classes", set, &s->sets[s->set_count++]));
    MODA_CHECK(s->set_count == most, MODA_ERR_ARG,
               "infer: --classes %s: an empty list; write them as in \"0,3,5;1,2\"", s->classes);
out:
    free(text);
    return st;
}

static moda_status check(void *state, const moda_common_options *common)
{
    moda_status st = MODA_OK;
    settings *s = state;
    s->infer.fold = !s->no_fold, s->infer.seed = common->seed;
    MODA_CHECK(!(s->infer.count_too && s->infer.fold), MODA_ERR_ARG,
               "infer: --count: neurons are counted in networks as they are: add --no-fold");
    MODA_TRY(parse_sets(s));
    if (s->batches.n == 0) {
        free(s->batches.values);
        MODA_ALLOC(s->batches.values, 2 * sizeof *s->batches.values);
        s->batches.values[0] = 1, s->batches.values[1] = 128;
        s->batches.n = 2;
    }
    s->infer.batches = s->batches;
out:
    return st;
}

static moda_status open(void *state, char *const *operands, size_t count)
{
    moda_status st = MODA_OK;
    settings *s = state;
    size_t folders = 0;
    for (size_t i = 0; i < count; i++) folders += moda_is_directory(operands[i]);
    MODA_CHECK(folders > 0 || (s->set_count == 0 && s->round == 1), MODA_ERR_ARG,
               "infer: --%s needs a folder of moda decompose, only models are given",
               s->set_count ? "classes" : "round-channels");
    MODA_CHECK(folders < count || !s->infer.count_too, MODA_ERR_ARG,
               "infer: --count needs a model, only folders are given");
    for (size_t i = 0; i < count; i++) {
        if (moda_is_directory(operands[i]))
            MODA_TRY(moda_infer_add_decomposition(&s->infer, operands[i], s->sets, s->set_count,
                                                  s->round));
        else
            MODA_TRY(moda_infer_add_model(&s->infer, operands[i]));
    }
out:
    return st;
}

static moda_status measure(void *state)
{
    settings *s = state;
    return moda_infer_run(&s->infer);
}

static moda_results results(const void *state)
{
    const settings *s = state;
    return moda_infer_results(&s->infer);
}

static moda_status run(const moda_command *self, int argc, char **argv)
{
    settings s = {.round = 1, .infer.session = {.seconds = 1, .rounds = 5, .spread = 1}};
    const moda_option options[] = {
        {MODA_OPTION_TEXT, "classes", "LISTS",
         "networks to compose of a folder's modules, as in \"0,3,5;1,2\"", &s.classes, 0, 0, NULL},
        {MODA_OPTION_SIZE, "round-channels", "N",
         "a folder's modules a second time, with layers rounded up to a multiple of N", &s.round, 1,
         4096, NULL},
        {MODA_OPTION_SIZES, "batch-size", "LIST", "images at a time (default 1,128)", &s.batches, 1,
         1 << 20, NULL},
        {MODA_OPTION_FLAG, "no-fold", NULL, "leave batch norms as they are", &s.no_fold, 0, 0,
         NULL},
        {MODA_OPTION_FLAG, "count", NULL,
         "models (not folders) a second time, counting neurons as decompose does; with --no-fold",
         &s.infer.count_too, 0, 0, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    const moda_benchmark benchmark = {.state = &s,
                                      .options = options,
                                      .least = 1,
                                      .most = SIZE_MAX,
                                      .session = &s.infer.session,
                                      .check = check,
                                      .open = open,
                                      .measure = measure,
                                      .results = results};
    const moda_status st = moda_benchmark_run(self, &benchmark, argc, argv);
    moda_infer_free(&s.infer);
    for (size_t i = 0; i < s.set_count; i++) free(s.sets[i].values);
    free(s.sets);
    free(s.batches.values);
    return st;
}

const moda_command moda_bench_infer = {
    .name = "bench infer",
    .summary = "images per second of models, modules and composed networks",
    .operands = "MODEL|DIR...",
    .example = "moda bench infer runs/a/modules --classes \"0,3,5;1,2\" --round-channels 16",
    .run = run,
};
