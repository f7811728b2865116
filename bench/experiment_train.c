/* bench/experiment_train.c - the trainings of a plan: their names, their command lines, and the
 * config.json by which they are known. */
#include "base/file.h"
#include "bench/experiment_internal.h"
#include "engine/commands.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

char *moda_plan_short(const char *model)
{
    const char *slash = strrchr(model, '/');
    const char *name = slash ? slash + 1 : model;
    const size_t n = strlen(name);
    return moda_format("%.*s", (int)(n > 4 && strcmp(name + n - 4, ".net") == 0 ? n - 4 : n), name);
}

char *moda_plan_list(moda_sizes numbers)
{
    char *text = strdup("");
    for (size_t i = 0; text && i < numbers.n; i++) {
        char *longer = moda_format("%s%s%zu", text, i ? "," : "", numbers.values[i]);
        free(text);
        text = longer;
    }
    return text;
}

/* "_beta-2", or nothing for the usual value. */
static const char *part(char *text, size_t size, const char *name, double value, double usual)
{
    *text = 0;
    if (value != usual) snprintf(text, size, "_%s-%.15g", name, value);
    return text;
}

char *moda_plan_run_name(const moda_study_train *t)
{
    const moda_modular_weights usual = MODA_STUDY_WEIGHTS;
    const moda_modular_weights w = strcmp(t->method, "moda") == 0 ? t->weights : usual;
    char a[40], b[40], c[40], share[40];
    char *model = moda_plan_short(t->model), *classes = moda_plan_list(t->classes), *name = NULL;
    if (model && classes)
        name = moda_format("%s-%s%s%s%s%s%s%s%s", model, t->method,
                           part(a, sizeof a, "alpha", w.affinity, usual.affinity),
                           part(b, sizeof b, "beta", w.dispersion, usual.dispersion),
                           part(c, sizeof c, "gamma", w.compactness, usual.compactness),
                           t->classes.n ? "_classes-" : "", classes,
                           part(share, sizeof share, "share", t->per_class, 0),
                           t->plain ? "_plain" : "");
    free(model);
    free(classes);
    return name;
}

/* ---- configurations ---- */

static size_t epochs_of(const moda_study_plan *p, const moda_study_train *t)
{
    return t->epochs ? t->epochs : moda_plan_epochs(p, t->model);
}

/* What its losses are weighed with: config.json has it for every method. */
static moda_modular_weights weights_of(const moda_study_train *t)
{
    if (strcmp(t->method, "moda") == 0) return t->weights;
    return strcmp(t->method, "mwt") == 0 ? (moda_modular_weights){0.5, 1.5, 0}
                                         : (moda_modular_weights){0, 0, 0};
}

/* As moda train writes it (engine/cmd_train_report.c): all that decides what comes out, but not
 * how fast it comes. Models of epochs that nobody wants do no harm. */
static json_t *wish_json(const moda_study_plan *p, const moda_study_train *t)
{
    const moda_modular_weights w = weights_of(t);
    json_t *wish = json_pack(
        "{s:o s:o s:o s:b s:f s:I s:s s:s s:s s:s s:f s:f s:f s:I s:I s:I s:f s:f s:f s:b s:b s:n "
        "s:I s:s}",
        "model", moda_json_text(t->model), "data", moda_json_text(p->options->data), "classes",
        moda_json_sizes(t->classes.values, t->classes.n), "relabel", t->relabel, "per_class",
        t->per_class, "image_size", (json_int_t)0, "normalisation", "default", "crop", "padded",
        "flip", "auto", "method", t->method, "alpha", w.affinity, "beta", w.dispersion, "gamma",
        w.compactness, "epochs", (json_int_t)epochs_of(p, t), "max_steps", (json_int_t)0,
        "batch_size", (json_int_t)128, "lr", 0.05, "momentum", 0.9, "weight_decay", 0.0, "augment",
        !t->plain, "shuffle", 1, "init", "seed", (json_int_t)p->options->seed, "precision", "f32");
    if (wish && t->keep_epochs.n)
        (void)json_object_set_new(wish, "keep_epochs",
                                  moda_json_sizes(t->keep_epochs.values, t->keep_epochs.n));
    return wish;
}

/* ---- command lines ---- */

/* Adds "--name", and the text as its value. */
static void add_text(json_t *words, const char *name, const char *text)
{
    (void)json_array_append_new(words, json_sprintf("--%s", name));
    if (text) (void)json_array_append_new(words, moda_json_text(text));
}

static void add_number(json_t *words, const char *name, double x)
{
    (void)json_array_append_new(words, json_sprintf("--%s", name));
    (void)json_array_append_new(words, json_sprintf("%.15g", x));
}

static void add_list(json_t *words, const char *name, moda_sizes list)
{
    char *text = moda_plan_list(list);
    if (text && list.n) add_text(words, name, text);
    free(text);
}

static json_t *train_words(const moda_study_plan *p, const moda_study_train *t, const char *run)
{
    json_t *words = json_array();
    char *out = moda_format("@/runs/%s", run);
    if (!words || !out) goto out;
    add_text(words, "model", t->model);
    add_text(words, "data", p->options->data);
    add_list(words, "classes", t->classes);
    if (t->relabel) add_text(words, "relabel", NULL);
    if (t->per_class > 0) add_number(words, "per-class", t->per_class);
    if (t->plain) add_text(words, "no-augment", NULL);
    add_text(words, "method", t->method);
    if (strcmp(t->method, "moda") == 0) {
        add_number(words, "alpha", t->weights.affinity);
        add_number(words, "beta", t->weights.dispersion);
        add_number(words, "gamma", t->weights.compactness);
    }
    add_number(words, "epochs", (double)epochs_of(p, t));
    add_list(words, "keep-epochs", t->keep_epochs);
    add_number(words, "seed", (double)p->options->seed);
    add_text(words, "out", out);
out:
    free(out);
    return words;
}

/* ---- the item ---- */

/* Images that it sees, forward and backward: classes are taken as equally large. */
static double images_of(const moda_study_plan *p, const moda_study_train *t)
{
    const double classes = t->classes.n ? (double)t->classes.n / (double)p->classes : 1;
    const double share = t->per_class > 0 ? t->per_class : 1;
    return (double)epochs_of(p, t) * classes * share * (double)p->train_images;
}

moda_status moda_plan_train(moda_study_plan *p, const moda_study_train *t, const char **run)
{
    moda_status st = MODA_OK;
    char *name = moda_plan_run_name(t);
    json_t *wish = wish_json(p, t);
    MODA_CHECK(name && wish, MODA_ERR_NOMEM, "out of memory: the plan of a study");
    moda_study_item *item = moda_plan_find(p, name, "train");
    MODA_CHECK(!item || json_equal(item->wish, wish), MODA_ERR_ARG,
               "--model: two networks are both called %s: rename a file", name);
    if (!item) {
        item = moda_plan_add(p, name, "train", &moda_command_train, train_words(p, t, name));
        MODA_CHECK(item, MODA_ERR_NOMEM, "out of memory: the plan of a study");
        item->wish = wish, wish = NULL, item->model = t->model, item->trained = images_of(p, t);
    }
    *run = item->run;
out:
    json_decref(wish);
    free(name);
    return st;
}

/* ---- how long they are ---- */

static size_t planned_epochs(const moda_study_item *train)
{
    return (size_t)json_integer_value(json_object_get(train->wish, "epochs"));
}

/* Whether a training before `end` is of the same network, and as long (same) or not. */
static bool has_like(const moda_study_plan *p, size_t end, const moda_study_item *train, bool same)
{
    for (const moda_study_item *i = p->items; i < p->items + end; i++)
        if (i->wish && strcmp(i->model, train->model) == 0 &&
            (planned_epochs(i) == planned_epochs(train)) == same)
            return true;
    return false;
}

/* Whether networks are composed of its modules. */
static bool is_composed(const moda_study_plan *p, const moda_study_item *train)
{
    return moda_plan_find(p, train->run, "reuse") || moda_plan_find(p, train->run, "sweep");
}

/* "vgg16: 8 epochs", and what is composed of it. */
static char *length_of(const moda_study_plan *p, const moda_study_item *train)
{
    const char *method = json_string_value(json_object_get(train->wish, "method"));
    const bool several = has_like(p, p->count, train, false);
    const size_t epochs = planned_epochs(train);
    char tasks[80] = "";
    if (is_composed(p, train))
        snprintf(tasks, sizeof tasks, ", %zu sub-tasks of each size at most",
                 moda_plan_sample(p, train->model));
    return moda_format("%s%s%s%s: %zu epoch%s%s", train->model, several ? " (" : "",
                       several ? method : "", several ? ")" : "", epochs, epochs == 1 ? "" : "s",
                       tasks);
}

char *moda_plan_lengths(const moda_study_plan *p)
{
    char *text = strdup("");
    for (size_t i = 0; text && i < p->count; i++) {
        const moda_study_item *train = &p->items[i];
        if (!train->wish || has_like(p, i, train, true)) continue;
        char *one = length_of(p, train);
        char *more = one ? moda_format("%s%s%s", text, *text ? "; " : "", one) : NULL;
        free(one);
        free(text);
        text = more;
    }
    return text;
}

json_t *moda_plan_settings(const moda_study_plan *p)
{
    json_t *settings = json_copy(p->settings), *trainings = json_array();
    int bad = !settings || !trainings;
    if (!bad && !p->options->epochs) bad |= json_object_set(settings, "epochs", json_null());
    if (!bad && !p->options->sample) bad |= json_object_set(settings, "sample", json_null());
    for (size_t i = 0; !bad && i < p->count; i++) {
        const moda_study_item *t = &p->items[i];
        if (!t->wish) continue;
        json_t *sample = is_composed(p, t) ? json_integer((json_int_t)moda_plan_sample(p, t->model))
                                           : json_null();
        bad |= json_array_append_new(
            trainings, json_pack("{s:o s:I s:o}", "run", moda_json_text(t->run), "epochs",
                                 (json_int_t)planned_epochs(t), "sample", sample));
    }
    if (!bad) bad |= json_object_set(settings, "trainings", trainings);
    json_decref(trainings);
    if (!bad) return settings;
    json_decref(settings);
    return NULL;
}
