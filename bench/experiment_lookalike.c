/* bench/experiment_lookalike.c - the study lookalike: dispersion drives the activations of classes
 * apart; what
 * does that cost where classes look alike? Accuracy and confusion by class, over beta. */
#include "bench/experiment_internal.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 8 };

/* Classes of a data set that people mix up, too. */
static const struct family {
    const char *data;
    size_t count, classes[MOST];
} families[] = {
    {"fashion-mnist", 5, {0, 2, 3, 4, 6}}, /* T-shirt, pullover, dress, coat, shirt */
    {"cifar10", 4, {3, 4, 5, 7}},          /* cat, deer, dog, horse */
};

/* Of other data every class is shown. */
static bool in_family(const moda_study_plan *p, size_t class_number)
{
    const size_t kind = strcspn(p->options->data, ":");
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        const struct family *f = &families[i];
        if (strlen(f->data) != kind || strncmp(p->options->data, f->data, kind) != 0) continue;
        for (size_t k = 0; k < f->count; k++)
            if (f->classes[k] == class_number) return true;
        return false;
    }
    return true;
}

/* ---- trainings ---- */

static const double betas_small[] = {0, 1, 2}, betas_full[] = {0, 0.5, 1, 2};

/* Training i of a network: the standard one, then one for each beta. */
static size_t trainings(const moda_study_plan *p)
{
    return 1 + (p->options->full ? sizeof betas_full / sizeof *betas_full
                                 : sizeof betas_small / sizeof *betas_small);
}

static moda_study_train training(const moda_study_plan *p, size_t i)
{
    const size_t n = trainings(p), k = i % n;
    const double *betas = p->options->full ? betas_full : betas_small;
    return (moda_study_train){.model = p->models[i / n],
                              .method = k ? "moda" : "standard",
                              .weights = {1, k ? betas[k - 1] : 0, 0.3}};
}

static moda_status plan(moda_study_plan *p)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < p->model_count * trainings(p); i++) {
        const moda_study_train t = training(p, i);
        const char *run;
        MODA_TRY(moda_plan_train(p, &t, &run));
        MODA_TRY(moda_plan_modules(p, run));
    }
out:
    return st;
}

/* ---- the table ---- */

static const moda_study_column columns[] = {
    {"network", "network", MODA_STUDY_TEXT},
    {"method", "method", MODA_STUDY_TEXT},
    {"beta", "beta", MODA_STUDY_SHORT},
    {"class", "class", MODA_STUDY_SHORT},
    {"name", "name", MODA_STUDY_TEXT},
    {"accuracy", "accuracy", 4},
    {"as_lookalike", "as a look-alike", 4},
    {"as_other", "as another", 4},
    {"mistaken_for", "most often as", MODA_STUDY_TEXT},
    {"mistaken_share", "share", 4},
    {"size", "module size", 4},
};

/* Of the samples of some classes: how many were taken for what. */
typedef struct tally {
    double samples, right, lookalike, other, worst;
    size_t worst_class;
} tally;

static double count_at(const json_t *confusion, size_t row, size_t column)
{
    const json_t *line = json_array_get(json_object_get(confusion, "counts"), row);
    return json_number_value(json_array_get(line, column));
}

static size_t class_at(const json_t *confusion, size_t i)
{
    const json_t *classes = json_object_get(confusion, "classes");
    return (size_t)json_integer_value(json_array_get(classes, i));
}

/* Adds the samples of the class in that row of the matrix. */
static void add_class(const moda_study_plan *p, const json_t *confusion, size_t row, tally *t)
{
    const size_t n = json_array_size(json_object_get(confusion, "classes"));
    for (size_t k = 0; k < n; k++) {
        const double count = count_at(confusion, row, k);
        const size_t as = class_at(confusion, k);
        t->samples += count;
        *(k == row ? &t->right : in_family(p, as) ? &t->lookalike : &t->other) += count;
        if (k != row && count > t->worst) t->worst = count, t->worst_class = as;
    }
}

static json_t *begin_row(const moda_study_train *t, moda_study_table *table, const tally *sum)
{
    json_t *row = moda_study_row(table);
    moda_study_text(row, "network", t->model);
    moda_study_text(row, "method", t->method);
    if (strcmp(t->method, "moda") == 0) moda_study_number(row, "beta", t->weights.dispersion);
    moda_study_number(row, "accuracy", sum->right / sum->samples);
    moda_study_number(row, "as_lookalike", sum->lookalike / sum->samples);
    moda_study_number(row, "as_other", sum->other / sum->samples);
    return row;
}

static void class_row(const moda_study_plan *p, const moda_study_train *t, const json_t *modules,
                      size_t number, const tally *sum, moda_study_table *table)
{
    size_t i;
    json_t *module, *row = begin_row(t, table, sum);
    moda_study_number(row, "class", (double)number);
    if (number < p->classes) moda_study_text(row, "name", p->class_names[number]);
    if (sum->worst > 0 && sum->worst_class < p->classes)
        moda_study_text(row, "mistaken_for", p->class_names[sum->worst_class]);
    if (sum->worst > 0) moda_study_number(row, "mistaken_share", sum->worst / sum->samples);
    json_array_foreach(json_object_get(modules, "modules"), i,
                       module) if (moda_figure(module, "class") == (double)number)
        moda_study_number(row, "size", moda_figure(module, "size"));
}

/* A row for each class of the family, one for all of them, one for the other classes. */
static moda_status collect_one(const moda_study_plan *p, const moda_study_train *t,
                               moda_study_table *table)
{
    moda_status st = MODA_OK;
    const json_t *eval, *modules;
    tally family = {0}, others = {0};
    MODA_TRY(moda_study_figures_of(p, t, "eval", &eval));
    MODA_TRY(moda_study_figures_of(p, t, "decompose", &modules));
    const json_t *confusion = json_object_get(eval, "confusion");
    const size_t n = json_array_size(json_object_get(confusion, "classes"));
    for (size_t k = 0; k < n; k++) {
        const size_t number = class_at(confusion, k);
        tally sum = {0};
        add_class(p, confusion, k, in_family(p, number) ? &family : &others);
        if (!in_family(p, number)) continue;
        add_class(p, confusion, k, &sum);
        class_row(p, t, modules, number, &sum, table);
    }
    if (family.samples > 0)
        moda_study_text(begin_row(t, table, &family), "name", "all look-alikes");
    if (others.samples > 0)
        moda_study_text(begin_row(t, table, &others), "name", "all other classes");
out:
    return st;
}

static moda_status collect(const moda_study_plan *p, moda_study_table *table)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < p->model_count * trainings(p); i++) {
        const moda_study_train t = training(p, i);
        MODA_TRY(collect_one(p, &t, table));
    }
out:
    return st;
}

const moda_study moda_study_lookalike = {
    .name = "lookalike",
    .title = "Classes that look alike, standard and modular over beta",
    .models = "lenet5",
    .models_full = "vgg16",
    .columns = columns,
    .column_count = sizeof columns / sizeof *columns,
    .plan = plan,
    .collect = collect,
    .note = "Look-alikes: T-shirt, pullover, dress, coat, shirt of Fashion-MNIST; cat, deer, dog, "
            "horse of "
            "CIFAR-10. Shares of a\nclass's test images: classified right, taken for another "
            "look-alike, "
            "taken for a class that is none."};
