/* bench/experiment_accuracy.c - the studies accuracy (what modular training costs, and what modules
 * it
 * gives) and compactness (the same without that loss). */
#include "bench/bench_internal.h"
#include "bench/experiment_internal.h"
#include "bench/experiment_published.h"
#include "bench/methods.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const methods[] = {"standard", "mwt", "moda"};
enum { MWT = 1, METHODS = sizeof methods / sizeof *methods };

static moda_study_train training(const char *model, const char *method, double gamma)
{
    return (moda_study_train){.model = model, .method = method, .weights = {1, 1, gamma}};
}

/* ---- accuracy ---- */

/* Steps of so many methods take turns: a machine that changes its speed does so for all of them. */
static moda_status plan_time(moda_study_plan *p, const char *model, size_t count)
{
    moda_status st = MODA_OK;
    char *run = moda_plan_short(model);
    MODA_CHECK(run, MODA_ERR_NOMEM, "out of memory: the plan of a study");
    moda_study_item *item = moda_plan_step(p, run, NULL, "time", &moda_bench_by_method,
                                           "--model|%s|--data|%s", model, p->options->data);
    MODA_CHECK(item, MODA_ERR_NOMEM, "out of memory: the plan of a study");
    item->model = model, item->seconds = MODA_METHODS_SECONDS * (double)count;
out:
    free(run);
    return st;
}

/* MwT masks batch norms, which not every network has. */
static moda_status can_be_masked(const moda_study_plan *p, const char *model, bool *can)
{
    moda_status st = MODA_OK;
    moda_net *net = NULL;
    const moda_shape input = {p->channels, p->image_size, p->image_size};
    MODA_TRY(moda_net_open(model, (moda_net_defaults){input, p->classes}, &net));
    *can = moda_methods_can_mask(net);
out:
    moda_net_destroy(net);
    return st;
}

static moda_status plan_accuracy(moda_study_plan *p)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < p->model_count; i++) {
        bool can_mask;
        MODA_TRY(can_be_masked(p, p->models[i], &can_mask));
        MODA_TRY(plan_time(p, p->models[i], can_mask ? METHODS : METHODS - 1));
        for (size_t k = 0; k < METHODS; k++) {
            const moda_study_train t = training(p->models[i], methods[k], 0.3);
            if (k == MWT && !can_mask) continue;
            MODA_TRY(moda_plan_judged(p, &t));
        }
    }
out:
    return st;
}

static const moda_study_column accuracy_columns[] = {
    {"network", "network", MODA_STUDY_TEXT},
    {"method", "method", MODA_STUDY_TEXT},
    {"accuracy", "accuracy", 4},
    {"published_accuracy", "published", 4},
    {"step_ms", "ms/step", 2},
    {"time_ratio", "time", 3},
    {"time_ratio_low", "from", 3},
    {"time_ratio_high", "to", 3},
    {"published_time_ratio", "published", 2},
    {"size", "size", 4},
    {"published_size", "published", 3},
    {"overlap", "overlap", 4},
    {"published_overlap", "published", 3},
    {"flops", "multiply-adds", 4},
    {"subtasks", "sub-tasks", 0},
    {"reuse", "reuse", 4},
    {"published_reuse", "published", 4},
    {"whole", "whole", 4},
};

/* The row of one method in what moda bench methods wrote. */
static const json_t *time_of(const moda_study_plan *p, const char *model, const char *method)
{
    char *run = moda_plan_short(model);
    const json_t *rows = run ? json_object_get(moda_plan_figures(p, run, "time"), "methods") : NULL;
    size_t i;
    json_t *row, *found = NULL;
    json_array_foreach(rows, i, row)
    {
        const char *name = json_string_value(json_object_get(row, "method"));
        if (name && strcmp(name, method) == 0) found = row;
    }
    free(run);
    return found;
}

static void fill_time(const moda_study_plan *p, const moda_published *published, json_t *row)
{
    const json_t *time = time_of(p, published->model, published->method);
    const moda_published standard =
        moda_published_find(p->options->data, published->model, "standard", NAN, NAN);
    moda_study_number(row, "step_ms", 1e3 * moda_figure(time, "median_seconds"));
    moda_study_number(row, "time_ratio", moda_figure(time, "ratio"));
    moda_study_number(row, "time_ratio_low", moda_figure(time, "ratio_low"));
    moda_study_number(row, "time_ratio_high", moda_figure(time, "ratio_high"));
    moda_study_number(row, "published_time_ratio", published->hours / standard.hours);
}

static moda_status collect_accuracy(const moda_study_plan *p, moda_study_table *table)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < p->model_count * METHODS; i++) {
        const moda_study_train t = training(p->models[i / METHODS], methods[i % METHODS], 0.3);
        const moda_published published =
            moda_published_find(p->options->data, t.model, t.method, 0.3, MODA_STUDY_TAU);
        if (!moda_study_has(p, &t)) continue;
        json_t *row = moda_study_row(table);
        moda_study_text(row, "network", t.model);
        moda_study_text(row, "method", t.method);
        moda_study_number(row, "published_accuracy", published.accuracy);
        fill_time(p, &published, row);
        MODA_TRY(moda_study_fill_judged(p, &t, row));
        moda_study_fill_published(&published, row);
    }
out:
    return st;
}

const moda_study moda_study_accuracy = {
    .name = "accuracy",
    .title = "Accuracy, training time, modules and reuse by method",
    .models = "lenet5",
    .models_full = "vgg16,resnet18,mobilenet",
    .columns = accuracy_columns,
    .column_count = sizeof accuracy_columns / sizeof *accuracy_columns,
    .plan = plan_accuracy,
    .collect = collect_accuracy,
    .note = "*time* is that of a training step as a multiple of a standard one, measured in turns "
            "(*from* .. *to* "
            "holds the\ntrue median with 95 % confidence), *published* beside it the ratio of "
            "published training "
            "hours. *reuse* is the accuracy of\ncomposed networks, *whole* that of the whole one "
            "on the "
            "same sub-tasks, means over sizes."};

/* ---- compactness ---- */

static const double gammas[] = {0.3, 0};
enum { GAMMAS = sizeof gammas / sizeof *gammas };

static moda_status plan_compactness(moda_study_plan *p)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < p->model_count * GAMMAS; i++) {
        const moda_study_train t = training(p->models[i / GAMMAS], "moda", gammas[i % GAMMAS]);
        MODA_TRY(moda_plan_judged(p, &t));
    }
out:
    return st;
}

static const moda_study_column compactness_columns[] = {
    {"network", "network", MODA_STUDY_TEXT},
    {"gamma", "gamma", MODA_STUDY_SHORT},
    {"accuracy", "accuracy", 4},
    {"size", "size", 4},
    {"published_size", "published", 3},
    {"overlap", "overlap", 4},
    {"published_overlap", "published", 3},
    {"flops", "multiply-adds", 4},
    {"subtasks", "sub-tasks", 0},
    {"reuse", "reuse", 4},
    {"published_reuse", "published", 4},
    {"whole", "whole", 4},
};

static moda_status collect_compactness(const moda_study_plan *p, moda_study_table *table)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < p->model_count * GAMMAS; i++) {
        const moda_study_train t = training(p->models[i / GAMMAS], "moda", gammas[i % GAMMAS]);
        const moda_published published = moda_published_find(p->options->data, t.model, "moda",
                                                             t.weights.compactness, MODA_STUDY_TAU);
        json_t *row = moda_study_row(table);
        moda_study_text(row, "network", t.model);
        moda_study_number(row, "gamma", t.weights.compactness);
        MODA_TRY(moda_study_fill_judged(p, &t, row));
        moda_study_fill_published(&published, row);
    }
out:
    return st;
}

const moda_study moda_study_compactness = {.name = "compactness",
                                           .title = "Modules with and without the compactness loss",
                                           .models = "lenet5",
                                           .models_full = "vgg16",
                                           .columns = compactness_columns,
                                           .column_count = sizeof compactness_columns /
                                                           sizeof *compactness_columns,
                                           .plan = plan_compactness,
                                           .collect = collect_compactness};
