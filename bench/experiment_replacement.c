/* bench/experiment_replacement.c - the study replacement: weak models, each of which gets a strong
 * model's module for
 * one class. The strong one knows the first half of the classes, a weak one the second half and one
 * of
 * the first, which the module is for; it has a tenth of the images, not augmented. Under- and
 * over-fitted weak models are those of an early and of a late epoch of one training. */
#include "base/file.h"
#include "bench/experiment_internal.h"
#include "decompose/commands.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WEAK "lenet5"
enum {
    WEAK_EPOCHS = 200, /* whatever the strong network has: they take half a minute */
    MOST_CLASSES = 1000,
    FITS = 2,
    STRATEGIES = 2
};

static const char *const fits[FITS] = {"under", "over"};
static const size_t fit_epochs[FITS] = {10, 195}; /* as published */
static const char *const strategies[STRATEGIES] = {"calibrate", "minmax"};

/* What all its trainings have in common; numbers lie in values. */
typedef struct setting {
    moda_sizes strong, weak; /* classes; the weak ones' first one is the target */
    moda_sizes fit;          /* epochs */
    size_t values[2 * MOST_CLASSES + FITS];
} setting;

static void make_setting(const moda_study_plan *p, size_t target, setting *s)
{
    const size_t half = p->classes / 2;
    size_t *v = s->values;
    s->strong = (moda_sizes){v, half};
    for (size_t k = 0; k < half; k++) *v++ = k;
    s->weak = (moda_sizes){v, 1 + p->classes - half};
    *v++ = target;
    for (size_t k = half; k < p->classes; k++) *v++ = k;
    s->fit = (moda_sizes){v, FITS};
    for (size_t fit = 0; fit < FITS; fit++) v[fit] = fit_epochs[fit];
}

/* They have half the images of other studies, and a quarter more epochs. */
static moda_study_train strong_training(const moda_study_plan *p, const char *model,
                                        const setting *s)
{
    const size_t epochs = moda_plan_epochs(p, model);
    return (moda_study_train){
        .model = model,
        .method = "moda",
        .weights = MODA_STUDY_WEIGHTS,
        .epochs = p->options->full || p->options->epochs ? epochs : epochs + epochs / 4,
        .classes = s->strong};
}

static moda_study_train weak_training(const setting *s)
{
    return (moda_study_train){.model = WEAK,
                              .method = "standard",
                              .epochs = WEAK_EPOCHS,
                              .classes = s->weak,
                              .relabel = true,
                              .per_class = 0.1,
                              .plain = true,
                              .keep_epochs = s->fit};
}

/* Name of the step: network of the module, epochs of the weak model, strategy. */
static char *step_name(const char *model, const setting *s, size_t fit, size_t strategy)
{
    char *network = moda_plan_short(model), *name = NULL;
    if (network)
        name = moda_format("%s_epoch-%zu_%s", network, s->fit.values[fit], strategies[strategy]);
    free(network);
    return name;
}

/* ---- the plan ---- */

static moda_status plan_strong(moda_study_plan *p, const char *model, const setting *s,
                               const char **run)
{
    moda_status st = MODA_OK;
    const moda_study_train t = strong_training(p, model, s);
    char *classes = moda_plan_list(s->strong);
    MODA_CHECK(classes, MODA_ERR_NOMEM, "out of memory: the plan of a study");
    MODA_TRY(moda_plan_train(p, &t, run));
    moda_study_item *item = moda_plan_step(
        p, *run, NULL, "decompose", &moda_command_decompose,
        "@/runs/%s/model.safetensors|--data|%s|--classes|%s|--tau|%g|--out|@/results/%s/modules",
        *run, p->options->data, classes, MODA_STUDY_TAU, *run);
    MODA_CHECK(item, MODA_ERR_NOMEM, "out of memory: the plan of a study");
    item->passed = (double)p->train_images / 2;
out:
    free(classes);
    return st;
}

/* The layer is trained on what the weak model was trained on. */
#define REPLACE_WORDS                                                                              \
    "--weak|@/runs/%s/epoch-%zu.safetensors|--modules|@/results/%s/modules|--class|%zu|--data|%s|" \
    "--classes|%s|--relabel|--per-class|%g|--seed|%zu|--out|@/results/%s/%s.safetensors|"          \
    "--strategy|"

static moda_status plan_one(moda_study_plan *p, const char *model, const char *strong,
                            const setting *s, size_t fit, size_t strategy)
{
    moda_status st = MODA_OK;
    const char *weak, *data = p->options->data;
    const size_t target = s->weak.values[0], epoch = s->fit.values[fit];
    const moda_study_train t = weak_training(s);
    char *classes = moda_plan_list(s->weak), *name = step_name(model, s, fit, strategy);
    MODA_TRY(moda_plan_train(p, &t, &weak));
    MODA_CHECK(classes && name, MODA_ERR_NOMEM, "out of memory: the plan of a study");
    moda_study_item *item =
        strategy == 0
            ? moda_plan_step(p, weak, strong, name, &moda_command_replace,
                             REPLACE_WORDS "calibrate|--no-augment", weak, epoch, strong, target,
                             data, classes, t.per_class, p->options->seed, weak, name)
            : moda_plan_step(p, weak, strong, name, &moda_command_replace, REPLACE_WORDS "minmax",
                             weak, epoch, strong, target, data, classes, t.per_class,
                             p->options->seed, weak, name);
    MODA_CHECK(item, MODA_ERR_NOMEM, "out of memory: the plan of a study");
    item->model = model;
    item->passed = (double)p->test_images; /* and a tenth of the training images */
out:
    free(classes);
    free(name);
    return st;
}

static moda_status plan(moda_study_plan *p)
{
    moda_status st = MODA_OK;
    setting s;
    MODA_CHECK(p->classes >= 4 && p->classes <= MOST_CLASSES, MODA_ERR_ARG,
               "replacement takes 4 to %d classes apart in halves, and %s has %zu: name other data",
               MOST_CLASSES, p->options->data, p->classes);
    for (size_t m = 0; m < p->model_count; m++)
        for (size_t target = 0; target < p->classes / 2; target++) {
            const char *strong;
            make_setting(p, target, &s);
            MODA_TRY(plan_strong(p, p->models[m], &s, &strong));
            for (size_t i = 0; i < (size_t)FITS * STRATEGIES; i++)
                MODA_TRY(plan_one(p, p->models[m], strong, &s, i / STRATEGIES, i % STRATEGIES));
        }
out:
    return st;
}

/* ---- the table ---- */

static const moda_study_column columns[] = {
    {"module", "module of", MODA_STUDY_TEXT}, {"fit", "weak model", MODA_STUDY_TEXT},
    {"epoch", "epoch", MODA_STUDY_SHORT},     {"class", "class", MODA_STUDY_SHORT},
    {"name", "name", MODA_STUDY_TEXT},        {"target_before", "class before", 4},
    {"target_calibrate", "calibrated", 4},    {"target_minmax", "min-max", 4},
    {"others_before", "others before", 4},    {"others_calibrate", "calibrated", 4},
    {"others_minmax", "min-max", 4},
};
enum { FIGURES = 6 };
static const char *const figure_keys[FIGURES] = {"target_before",    "target_calibrate",
                                                 "target_minmax",    "others_before",
                                                 "others_calibrate", "others_minmax"};

static json_t *begin_row(const char *model, size_t fit, moda_study_table *table)
{
    json_t *row = moda_study_row(table);
    moda_study_text(row, "module", model);
    moda_study_text(row, "fit", fits[fit]);
    moda_study_number(row, "epoch", (double)fit_epochs[fit]);
    return row;
}

/* figures [FIGURES] as figure_keys. */
static moda_status read_figures(const moda_study_plan *p, const char *model, const setting *s,
                                size_t fit, double *figures)
{
    moda_status st = MODA_OK;
    char *name = NULL;
    const moda_study_train t = weak_training(s);
    for (size_t k = 0; k < STRATEGIES; k++) {
        const json_t *json = NULL;
        free(name);
        MODA_CHECK((name = step_name(model, s, fit, k)) != NULL, MODA_ERR_NOMEM, "out of memory");
        MODA_TRY(moda_study_figures_of(p, &t, name, &json));
        if (k == 0) figures[0] = moda_figure(json, "before.target");
        if (k == 0) figures[3] = moda_figure(json, "before.others");
        figures[1 + k] = moda_figure(json, "after.target");
        figures[4 + k] = moda_figure(json, "after.others");
    }
out:
    free(name);
    return st;
}

/* A row for each class, and their means. */
static moda_status collect_fit(const moda_study_plan *p, const char *model, size_t fit,
                               moda_study_table *table)
{
    moda_status st = MODA_OK;
    setting s;
    double sum[FIGURES] = {0}, figures[FIGURES];
    const size_t targets = p->classes / 2;
    for (size_t target = 0; target < targets; target++) {
        make_setting(p, target, &s);
        MODA_TRY(read_figures(p, model, &s, fit, figures));
        json_t *row = begin_row(model, fit, table);
        moda_study_number(row, "class", (double)target);
        moda_study_text(row, "name", p->class_names[target]);
        for (size_t i = 0; i < FIGURES; i++) {
            moda_study_number(row, figure_keys[i], figures[i]);
            sum[i] += figures[i];
        }
    }
    json_t *row = begin_row(model, fit, table);
    moda_study_text(row, "name", "mean");
    for (size_t i = 0; i < FIGURES; i++)
        moda_study_number(row, figure_keys[i], sum[i] / (double)targets);
out:
    return st;
}

static moda_status collect(const moda_study_plan *p, moda_study_table *table)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < p->model_count * FITS; i++)
        MODA_TRY(collect_fit(p, p->models[i / FITS], i % FITS, table));
out:
    return st;
}

const moda_study moda_study_replacement = {
    .name = "replacement",
    .title = "A strong model's module in a weak model",
    .models = "vgg11",
    .models_full = "vgg16,resnet18",
    .columns = columns,
    .column_count = sizeof columns / sizeof *columns,
    .plan = plan,
    .collect = collect,
    .note =
        "Weak models: " WEAK
        " on the second half of the classes and the one in question, a tenth of their images, not "
        "augmented;\nunder- and over-fitted: of epochs 10 and 195 of one training of 200. The "
        "module is of a network of the first\nhalf. *class* is the accuracy on that class's test "
        "images, *others* the mean over the other classes. The source reports\n12 % more accuracy "
        "of the class on average, in its "
        "abstract."};
