/* engine/run.c - files of a training run. */
#include "engine/run.h"
#include "base/file.h"
#include "base/log.h"
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file that grows line by line; it is made with its first line. */
typedef struct line_file {
    char *path;
    FILE *stream;
} line_file;

struct moda_run {
    char *folder, *model, *previous, *trace; /* paths */
    bool log_steps;
    line_file metrics, steps;
};

static const char epoch_models[] = "epoch-*.safetensors";
const char *const moda_run_files[] = {
    "config.json",       "metrics.jsonl", "steps.jsonl",          "trace.json",
    "model.safetensors", epoch_models,    "previous.safetensors", NULL};

static moda_status in_folder(const char *directory, const char *name, char **path)
{
    moda_status st = MODA_OK;
    MODA_CHECK((*path = moda_format("%s/%s", directory, name)) != NULL, MODA_ERR_NOMEM,
               "out of memory");
out:
    return st;
}

static moda_status remove_old(const char *path)
{
    moda_status st = MODA_OK;
    MODA_CHECK(unlink(path) == 0 || errno == ENOENT, MODA_ERR_IO, "%s: %s", path, strerror(errno));
out:
    return st;
}

/* Models of an earlier run's epochs would be taken for this one's. */
static moda_status remove_epoch_models(const char *directory)
{
    moda_status st = MODA_OK;
    DIR *folder = opendir(directory);
    MODA_CHECK(folder, MODA_ERR_IO, "%s: %s", directory, strerror(errno));
    for (const struct dirent *e; (e = readdir(folder)) != NULL;)
        MODA_CHECK(fnmatch(epoch_models, e->d_name, 0) != 0 ||
                       unlinkat(dirfd(folder), e->d_name, 0) == 0,
                   MODA_ERR_IO, "%s/%s: %s", directory, e->d_name, strerror(errno));
out:
    if (folder) closedir(folder);
    return st;
}

/* An earlier model steps aside until there is a new one: it may have cost days. */
static moda_status set_aside(const moda_run *r)
{
    moda_status st = MODA_OK;
    if (!moda_is_file(r->model)) goto out;
    MODA_CHECK(rename(r->model, r->previous) == 0, MODA_ERR_IO, "%s: %s", r->model,
               strerror(errno));
    moda_log(MODA_LOG_INFO, "%s: an earlier model, kept as %s until this run is done", r->model,
             r->previous);
out:
    return st;
}

moda_status moda_run_create(const char *directory, const json_t *config, bool log_steps,
                            moda_run **run)
{
    moda_status st = MODA_OK;
    moda_run *r = NULL;
    char *path = NULL;
    *run = NULL;
    MODA_ALLOC(r, sizeof *r);
    r->log_steps = log_steps;
    MODA_TRY(moda_make_directory(directory));
    MODA_CHECK((r->folder = moda_format("%s", directory)) != NULL, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(in_folder(directory, "model.safetensors", &r->model));
    MODA_TRY(in_folder(directory, "previous.safetensors", &r->previous));
    MODA_TRY(in_folder(directory, "metrics.jsonl", &r->metrics.path));
    MODA_TRY(in_folder(directory, "steps.jsonl", &r->steps.path));
    MODA_TRY(in_folder(directory, "trace.json", &r->trace));
    MODA_TRY(in_folder(directory, "config.json", &path));
    MODA_TRY(remove_old(r->trace));
    MODA_TRY(moda_json_write(path, config));
    MODA_TRY(set_aside(r));
    MODA_TRY(remove_old(r->metrics.path));
    MODA_TRY(remove_old(r->steps.path));
    MODA_TRY(remove_epoch_models(directory));
    *run = r, r = NULL;
out:
    free(path);
    moda_run_destroy(r);
    return st;
}

static void close_lines(line_file *f)
{
    if (f->stream) fclose(f->stream);
    free(f->path);
}

void moda_run_destroy(moda_run *r)
{
    if (!r) return;
    close_lines(&r->metrics);
    close_lines(&r->steps);
    free(r->folder);
    free(r->model);
    free(r->previous);
    free(r->trace);
    free(r);
}

json_t *moda_train_record_json(const moda_train_record *r)
{
    return json_pack(
        "{s:I s:I s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o s:o s:I s:I}", "epoch",
        (json_int_t)r->epoch, "steps", (json_int_t)r->steps, "loss", moda_json_number(r->loss),
        "cross_entropy", moda_json_number(r->cross_entropy), "affinity",
        moda_json_number(r->affinity), "dispersion", moda_json_number(r->dispersion), "compactness",
        moda_json_number(r->compactness), "train_accuracy", moda_json_number(r->train_accuracy),
        "test_accuracy", moda_json_number(r->test_accuracy), "learning_rate",
        moda_json_number(r->learning_rate), "seconds", moda_json_number(r->seconds),
        "samples_per_second", moda_json_number(r->samples_per_second), "data_share",
        moda_json_number(r->data_share), "batches_without_same_class_pairs",
        (json_int_t)r->batches_without_same, "batches_without_other_class_pairs",
        (json_int_t)r->batches_without_different);
}

static moda_status append(line_file *f, const moda_train_record *record)
{
    moda_status st = MODA_OK;
    json_t *json = moda_train_record_json(record);
    char *line = json ? moda_json_line(json) : NULL;
    MODA_CHECK(line, MODA_ERR_NOMEM, "out of memory");
    MODA_CHECK(f->stream || (f->stream = fopen(f->path, "w")) != NULL, MODA_ERR_IO, "%s: %s",
               f->path, strerror(errno));
    MODA_CHECK(fprintf(f->stream, "%s\n", line) > 0 && fflush(f->stream) == 0, MODA_ERR_IO,
               "%s: %s", f->path, strerror(errno));
out:
    free(line);
    json_decref(json);
    return st;
}

moda_status moda_run_epoch(moda_run *r, const moda_train_record *record)
{
    return append(&r->metrics, record);
}

moda_status moda_run_step(moda_run *r, const moda_train_record *record)
{
    return r->log_steps ? append(&r->steps, record) : MODA_OK;
}

const char *moda_run_trace(const moda_run *r)
{
    return r->trace;
}

moda_status moda_run_keep(const moda_run *r, const moda_model *model, size_t epoch)
{
    moda_status st = MODA_OK;
    char *path = moda_format("%s/epoch-%zu.safetensors", r->folder, epoch);
    MODA_CHECK(path, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_model_save(model, path));
out:
    free(path);
    return st;
}

moda_status moda_run_save(moda_run *r, const moda_model *model)
{
    moda_status st = MODA_OK;
    MODA_TRY(moda_model_save(model, r->model));
    MODA_TRY(remove_old(r->previous));
out:
    return st;
}
