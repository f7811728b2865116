/* bench/experiment_figures.c - figures of the steps that most studies have, into rows of their
 * tables. */
#include "bench/experiment_internal.h"
#include "bench/experiment_published.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

double moda_figure(const json_t *figures, const char *keys)
{
    while (strchr(keys, '.')) {
        const size_t n = strcspn(keys, ".");
        figures = json_object_getn(figures, keys, n);
        keys += n + 1;
    }
    figures = json_object_get(figures, keys);
    return json_is_number(figures) ? json_number_value(figures) : NAN;
}

moda_status moda_study_figures_of(const moda_study_plan *p, const moda_study_train *t,
                                  const char *name, const json_t **figures)
{
    moda_status st = MODA_OK;
    char *run = moda_plan_run_name(t);
    MODA_CHECK(run, MODA_ERR_NOMEM, "out of memory");
    *figures = moda_plan_figures(p, run, name);
out:
    free(run);
    return st;
}

bool moda_study_has(const moda_study_plan *p, const moda_study_train *t)
{
    char *run = moda_plan_run_name(t);
    const bool has = run && moda_plan_find(p, run, "train");
    free(run);
    return has;
}

moda_status moda_study_fill_judged(const moda_study_plan *p, const moda_study_train *t, json_t *row)
{
    moda_status st = MODA_OK;
    const json_t *eval = NULL, *modules = NULL, *reuse = NULL;
    MODA_TRY(moda_study_figures_of(p, t, "eval", &eval));
    MODA_TRY(moda_study_figures_of(p, t, "decompose", &modules));
    MODA_TRY(moda_study_figures_of(p, t, "reuse", &reuse));
    moda_study_number(row, "accuracy", moda_figure(eval, "accuracy"));
    moda_study_number(row, "size", moda_figure(modules, "mean_size"));
    moda_study_number(row, "overlap", moda_figure(modules, "mean_overlap"));
    moda_study_number(row, "flops", moda_figure(modules, "mean_flops"));
    moda_study_number(row, "subtasks", moda_figure(reuse, "tasks"));
    moda_study_number(row, "reuse", moda_figure(reuse, "mean_over_sizes.composed"));
    moda_study_number(row, "whole", moda_figure(reuse, "mean_over_sizes.modular"));
out:
    return st;
}

void moda_study_fill_published(const moda_published *published, json_t *row)
{
    moda_study_number(row, "published_size", published->size);
    moda_study_number(row, "published_overlap", published->overlap);
    moda_study_number(row, "published_reuse", published->reuse);
}
