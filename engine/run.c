/* engine/run.c - files of a training run. */
#include "engine/run.h"
#include "base/file.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct moda_run {
    char *directory;
    char *metrics_path, *steps_path;
    FILE *metrics, *steps;
};

static moda_status remove_old(const char *directory, const char *name)
{
    moda_status st = MODA_OK;
    char *path = moda_format("%s/%s", directory, name);
    MODA_CHECK(path, MODA_ERR_NOMEM, "out of memory");
    MODA_CHECK(unlink(path) == 0 || errno == ENOENT, MODA_ERR_IO, "%s: %s", path, strerror(errno));
out:
    free(path);
    return st;
}

static moda_status open_lines(const char *directory, const char *name, char **path, FILE **lines)
{
    moda_status st = MODA_OK;
    MODA_CHECK((*path = moda_format("%s/%s", directory, name)) != NULL, MODA_ERR_NOMEM,
               "out of memory");
    MODA_CHECK((*lines = fopen(*path, "w")) != NULL, MODA_ERR_IO, "%s: %s", *path, strerror(errno));
out:
    return st;
}

moda_status moda_run_create(const char *directory, const json_t *config, bool log_steps,
                            moda_run **run)
{
    moda_status st = MODA_OK;
    static const char *const old[] = {"model.safetensors", "metrics.jsonl", "steps.jsonl"};
    moda_run *r = NULL;
    char *path = NULL;
    *run = NULL;
    MODA_ALLOC(r, sizeof *r);
    MODA_TRY(moda_make_directory(directory));
    MODA_CHECK((r->directory = strdup(directory)) != NULL, MODA_ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < sizeof old / sizeof *old; i++) MODA_TRY(remove_old(directory, old[i]));
    MODA_CHECK((path = moda_format("%s/config.json", directory)) != NULL, MODA_ERR_NOMEM,
               "out of memory");
    MODA_TRY(moda_json_write(path, config));
    MODA_TRY(open_lines(directory, "metrics.jsonl", &r->metrics_path, &r->metrics));
    if (log_steps) MODA_TRY(open_lines(directory, "steps.jsonl", &r->steps_path, &r->steps));
    *run = r, r = NULL;
out:
    free(path);
    moda_run_destroy(r);
    return st;
}

void moda_run_destroy(moda_run *r)
{
    if (!r) return;
    if (r->metrics) fclose(r->metrics);
    if (r->steps) fclose(r->steps);
    free(r->metrics_path);
    free(r->steps_path);
    free(r->directory);
    free(r);
}

json_t *moda_train_record_json(const moda_train_record *r)
{
    return json_pack(
        "{s:I s:I s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o s:I s:I}", "epoch", (json_int_t)r->epoch,
        "steps", (json_int_t)r->steps, "loss", moda_json_number(r->loss), "cross_entropy",
        moda_json_number(r->cross_entropy), "affinity", moda_json_number(r->affinity), "dispersion",
        moda_json_number(r->dispersion), "compactness", moda_json_number(r->compactness),
        "train_accuracy", moda_json_number(r->train_accuracy), "test_accuracy",
        moda_json_number(r->test_accuracy), "learning_rate", moda_json_number(r->learning_rate),
        "seconds", moda_json_number(r->seconds), "samples_per_second",
        moda_json_number(r->samples_per_second), "batches_without_same_class_pairs",
        (json_int_t)r->batches_without_same, "batches_without_other_class_pairs",
        (json_int_t)r->batches_without_different);
}

static moda_status append(FILE *lines, const char *path, const moda_train_record *record)
{
    moda_status st = MODA_OK;
    json_t *json = moda_train_record_json(record);
    char *line = json ? moda_json_line(json) : NULL;
    MODA_CHECK(line, MODA_ERR_NOMEM, "out of memory");
    MODA_CHECK(fprintf(lines, "%s\n", line) > 0 && fflush(lines) == 0, MODA_ERR_IO, "%s: %s", path,
               strerror(errno));
out:
    free(line);
    json_decref(json);
    return st;
}

moda_status moda_run_epoch(moda_run *r, const moda_train_record *record)
{
    return append(r->metrics, r->metrics_path, record);
}

moda_status moda_run_step(moda_run *r, const moda_train_record *record)
{
    return r->steps ? append(r->steps, r->steps_path, record) : MODA_OK;
}

moda_status moda_run_save(moda_run *r, const moda_model *model)
{
    moda_status st = MODA_OK;
    char *path = moda_format("%s/model.safetensors", r->directory);
    MODA_CHECK(path, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_model_save(model, path));
out:
    free(path);
    return st;
}
