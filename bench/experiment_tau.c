/* bench/experiment_tau.c - the study tau: one modular network taken apart at several thresholds. */
#include "bench/experiment_internal.h"
#include "bench/experiment_published.h"
#include "decompose/commands.h"

#define TAUS "0.1,0.5,0.8,0.9,0.95"
enum { TAU_COUNT = 5 };

static moda_study_train training(const char *model)
{
    return (moda_study_train){.model = model, .method = "moda", .weights = MODA_STUDY_WEIGHTS};
}

static moda_status plan(moda_study_plan *p)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < p->model_count; i++) {
        const moda_study_train t = training(p->models[i]);
        const size_t sample = moda_plan_sample(p, t.model);
        const char *run;
        MODA_TRY(moda_plan_train(p, &t, &run));
        MODA_TRY(moda_plan_modules(p, run));
        moda_study_item *item = moda_plan_step(
            p, run, NULL, "sweep", &moda_command_sweep,
            "@/results/%s/modules|--data|%s|--tau|" TAUS "|--sample|%zu|--seed|%zu|--csv|"
            "@/results/%s/sweep.csv",
            run, p->options->data, sample, p->options->seed, run);
        MODA_CHECK(item, MODA_ERR_NOMEM, "out of memory: the plan of a study");
        item->passed = TAU_COUNT * moda_plan_reuse_images(p, sample, p->test_images);
        item->shared = true;
    }
out:
    return st;
}

static const moda_study_column columns[] = {
    {"network", "network", MODA_STUDY_TEXT},
    {"tau", "tau", MODA_STUDY_SHORT},
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

static void fill(const moda_study_plan *p, const char *model, const json_t *sweep, json_t *row)
{
    const double tau = moda_figure(sweep, "tau");
    const moda_published published = moda_published_find(p->options->data, model, "moda", 0.3, tau);
    moda_study_text(row, "network", model);
    moda_study_number(row, "tau", tau);
    moda_study_number(row, "size", moda_figure(sweep, "mean_size"));
    moda_study_number(row, "overlap", moda_figure(sweep, "mean_overlap"));
    moda_study_number(row, "flops", moda_figure(sweep, "mean_flops"));
    moda_study_number(row, "subtasks", moda_figure(sweep, "tasks"));
    moda_study_number(row, "reuse", moda_figure(sweep, "composed"));
    moda_study_number(row, "whole", moda_figure(sweep, "modular"));
    moda_study_fill_published(&published, row);
}

static moda_status collect(const moda_study_plan *p, moda_study_table *table)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < p->model_count; i++) {
        const moda_study_train t = training(p->models[i]);
        const json_t *figures;
        size_t k;
        json_t *sweep;
        MODA_TRY(moda_study_figures_of(p, &t, "sweep", &figures));
        json_array_foreach(json_object_get(figures, "rows"), k, sweep)
            fill(p, t.model, sweep, moda_study_row(table));
    }
out:
    return st;
}

const moda_study moda_study_tau = {.name = "tau",
                                   .title = "The threshold of activation rates",
                                   .models = "lenet5",
                                   .models_full = "vgg16",
                                   .columns = columns,
                                   .column_count = sizeof columns / sizeof *columns,
                                   .plan = plan,
                                   .collect = collect};
