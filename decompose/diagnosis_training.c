/* decompose/diagnosis_training.c - the shares of the loss over a training run, from its files. */
#include "base/file.h"
#include "decompose/diagnosis_internal.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { AFFINITY, DISPERSION, COMPACTNESS, TERMS };
static const char *const losses[TERMS] = {"affinity", "dispersion", "compactness"};
static const char *const weights[TERMS] = {"alpha", "beta", "gamma"};

typedef struct history {
    size_t epochs, dominated;
    double weight[TERMS];
    double sum[TERMS];        /* weighted terms, of all epochs */
    double first, last, most; /* share of the modular terms */
} history;

/* "DIR/name" for "DIR/model.safetensors"; NULL if there is no such file. free() it. */
static char *beside(const char *model_path, const char *name)
{
    const char *slash = strrchr(model_path, '/');
    char *path = slash ? moda_format("%.*s/%s", (int)(slash - model_path), model_path, name)
                       : moda_format("%s", name);
    if (path && moda_is_file(path)) return path;
    free(path);
    return NULL;
}

static bool read_weights(const json_t *config, history *h)
{
    const char *method = json_string_value(json_object_get(config, "method"));
    for (size_t t = 0; t < TERMS; t++) {
        const json_t *w = json_object_get(config, weights[t]);
        if (!json_is_number(w)) return false;
        h->weight[t] = json_number_value(w);
    }
    return method && strcmp(method, "moda") == 0;
}

static bool enter_epoch(const json_t *line, size_t classes, history *h)
{
    const json_t *cross = json_object_get(line, "cross_entropy");
    double terms = 0;
    if (!json_is_number(cross)) return false;
    for (size_t t = 0; t < TERMS; t++) {
        const json_t *value = json_object_get(line, losses[t]);
        if (!json_is_number(value)) return false;
        h->sum[t] += h->weight[t] * json_number_value(value);
        terms += h->weight[t] * json_number_value(value);
    }
    const double entropy = json_number_value(cross);
    const double share = entropy + terms > 0 ? terms / (entropy + terms) : 0;
    h->dominated += share > MODA_DIAGNOSIS_LOSS_SHARE &&
                    entropy > MODA_DIAGNOSIS_GUESSING * log((double)classes);
    if (h->epochs++ == 0) h->first = share;
    if (share > h->most) h->most = share;
    h->last = share;
    return true;
}

/* The lines of the file: *fine if all are epochs with modular losses. A last line without its end is still being
 * written. */
static moda_status read_epochs(const moda_mapped_file *file, size_t classes, history *h, bool *fine)
{
    moda_status st = MODA_OK;
    for (size_t start = 0, i = 0; *fine && i < file->size; i++) {
        json_t *line = NULL;
        if (file->data[i] != '\n') continue;
        MODA_TRY(moda_json_parse((const char *)file->data + start, i - start, &line, NULL));
        *fine = enter_epoch(line, classes, h);
        json_decref(line);
        start = i + 1;
    }
out:
    return st;
}

/* *fine: they are the files of a training with modular losses. Only memory that is short is an error. */
static moda_status read_history(const char *config_path, const char *metrics_path, size_t classes,
                                history *h, bool *fine)
{
    moda_mapped_file file = {0};
    json_t *config = NULL;
    moda_status st = moda_json_read(config_path, &config);
    if (st == MODA_OK) st = moda_file_map(metrics_path, &file);
    *fine = st == MODA_OK && read_weights(config, h);
    if (*fine) st = read_epochs(&file, classes, h, fine);
    *fine = *fine && h->epochs > 0;
    moda_file_unmap(&file);
    json_decref(config);
    return st == MODA_ERR_NOMEM ? st : MODA_OK;
}

static moda_status add_finding(moda_diagnosis *diagnosis, const history *h)
{
    moda_status st = MODA_OK;
    moda_diagnosis_line line = {0};
    size_t largest = 0;
    for (size_t t = 1; t < TERMS; t++)
        if (h->sum[t] > h->sum[largest]) largest = t;
    MODA_TRY(moda_diagnosis_line_open(&line));
    fprintf(
        line.stream,
        "modular terms dominate cross entropy in %zu of %zu epochs: %.0f %% of the loss in the "
        "first, %.0f %% in the last, %.0f %% at most; the largest is %s (mean %.3g with %s %g): "
        "train with a smaller %s",
        h->dominated, h->epochs, 100 * h->first, 100 * h->last, 100 * h->most, losses[largest],
        h->sum[largest] / (double)h->epochs, weights[largest], h->weight[largest],
        weights[largest]);
    MODA_TRY(moda_diagnosis_add(diagnosis, MODA_SIGNATURE_LOSS, &line));
out:
    moda_diagnosis_line_drop(&line);
    return st;
}

moda_status moda_diagnose_training(moda_diagnosis *diagnosis, const char *model_path,
                                   size_t classes)
{
    moda_status st = MODA_OK;
    char *config = beside(model_path, "config.json"),
         *metrics = beside(model_path, "metrics.jsonl");
    history h = {0};
    bool fine = false;
    diagnosis->not_judged[MODA_SIGNATURE_LOSS] = "no training run beside the model";
    if (!config || !metrics) goto out;
    diagnosis->not_judged[MODA_SIGNATURE_LOSS] = "the run beside it has no modular losses";
    MODA_TRY(read_history(config, metrics, classes, &h, &fine));
    if (!fine) goto out;
    if (moda_diagnosis_judge(diagnosis, MODA_SIGNATURE_LOSS,
                             (double)h.dominated / (double)h.epochs))
        MODA_TRY(add_finding(diagnosis, &h));
out:
    free(config);
    free(metrics);
    return st;
}
