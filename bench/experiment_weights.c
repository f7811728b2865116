/* bench/experiment_weights.c - the study weights: alpha, beta and gamma varied one at a time, the
 * others
 * at their defaults. */
#include "bench/experiment_internal.h"

typedef struct grid {
    double values[3][8]; /* of alpha, beta, gamma; the defaults are among them */
    size_t count[3];
} grid;

static const grid small = {{{0, 0.5, 1, 2}, {0, 0.5, 1, 2}, {0, 0.1, 0.3, 1}}, {4, 4, 4}};
static const grid full = {
    {{0, 0.5, 1, 1.5, 2, 4}, {0, 0.5, 1, 1.5, 2, 4}, {0, 0.1, 0.3, 0.5, 1, 2}}, {6, 6, 6}};

/* Calls once for each training; the one of all defaults comes with alpha. */
typedef moda_status (*visit)(void *user, const moda_study_train *train);

static moda_status each(const moda_study_plan *p, visit call, void *user)
{
    moda_status st = MODA_OK;
    const grid *g = p->options->full ? &full : &small;
    const double usual[3] = {1, 1, 0.3};
    for (size_t m = 0; m < p->model_count; m++)
        for (size_t k = 0; k < 3; k++)
            for (size_t i = 0; i < g->count[k]; i++) {
                double w[3] = {usual[0], usual[1], usual[2]};
                w[k] = g->values[k][i];
                if (k && w[k] == usual[k]) continue;
                const moda_study_train t = {
                    .model = p->models[m], .method = "moda", .weights = {w[0], w[1], w[2]}};
                MODA_TRY(call(user, &t));
            }
out:
    return st;
}

static moda_status plan_one(void *user, const moda_study_train *t)
{
    return moda_plan_judged(user, t);
}

static moda_status plan(moda_study_plan *p)
{
    return each(p, plan_one, p);
}

static const moda_study_column columns[] = {
    {"network", "network", MODA_STUDY_TEXT},
    {"alpha", "alpha", MODA_STUDY_SHORT},
    {"beta", "beta", MODA_STUDY_SHORT},
    {"gamma", "gamma", MODA_STUDY_SHORT},
    {"accuracy", "accuracy", 4},
    {"size", "size", 4},
    {"overlap", "overlap", 4},
    {"flops", "multiply-adds", 4},
    {"subtasks", "sub-tasks", 0},
    {"reuse", "reuse", 4},
    {"whole", "whole", 4},
};

typedef struct collecting {
    const moda_study_plan *plan;
    moda_study_table *table;
} collecting;

static moda_status collect_one(void *user, const moda_study_train *t)
{
    const collecting *c = user;
    json_t *row = moda_study_row(c->table);
    moda_study_text(row, "network", t->model);
    moda_study_number(row, "alpha", t->weights.affinity);
    moda_study_number(row, "beta", t->weights.dispersion);
    moda_study_number(row, "gamma", t->weights.compactness);
    return moda_study_fill_judged(c->plan, t, row);
}

static moda_status collect(const moda_study_plan *p, moda_study_table *table)
{
    return each(p, collect_one, &(collecting){p, table});
}

const moda_study moda_study_weights = {.name = "weights",
                                       .title = "Weights of the three losses, one at a time",
                                       .models = "lenet5",
                                       .models_full = "vgg16",
                                       .columns = columns,
                                       .column_count = sizeof columns / sizeof *columns,
                                       .plan = plan,
                                       .collect = collect};
