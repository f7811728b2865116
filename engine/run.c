/* engine/run.c - files of a training run. */
#include "engine/run.h"
#include "base/file.h"
#include "base/lines.h"
#include "base/log.h"
#include "engine/checkpoint.h"
#include "engine/train_record.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct moda_run {
    char *folder, *model, *previous, *trace, *checkpoints; /* paths */
    moda_lines *metrics, *steps;                           /* steps: NULL without --log-steps */
    bool behind;                                           /* lines wait for room on the disk */
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

static bool holds(const char *path, const json_t *config)
{
    json_t *there = NULL;
    const bool same = moda_json_read(path, &there) == MODA_OK && json_equal(there, config);
    json_decref(there);
    return same;
}

/* Puts a new configuration in place of the old one. An earlier model steps aside until there is a new
 * one, since it may have cost days; and before the configuration does, beside which it would pass for
 * its result. */
static moda_status begin_anew(const moda_run *r, const char *path, const json_t *config)
{
    moda_status st = MODA_OK;
    const bool earlier = moda_is_file(r->model);
    MODA_CHECK(!earlier || rename(r->model, r->previous) == 0, MODA_ERR_IO, "%s: %s", r->model,
               strerror(errno));
    st = moda_json_write(path, config);
    if (st != MODA_OK && earlier && !holds(path, config)) (void)!rename(r->previous, r->model);
    MODA_TRY(st);
    if (earlier)
        moda_log(MODA_LOG_INFO, "%s: an earlier model, kept as %s until this run is done", r->model,
                 r->previous);
out:
    return st;
}

char *moda_run_checkpoints(const char *directory)
{
    return moda_format("%s/checkpoints", directory);
}

static moda_status open_lines(const char *directory, const char *name, size_t keep,
                              moda_lines **lines)
{
    moda_status st = MODA_OK;
    char *path = NULL;
    MODA_TRY(in_folder(directory, name, &path));
    MODA_TRY(moda_lines_open(path, keep, lines));
out:
    free(path);
    return st;
}

/* Lines up to these bytes. */
static moda_status open_run(const char *directory, bool log_steps, size_t metrics_bytes,
                            size_t steps_bytes, moda_run *r)
{
    moda_status st = MODA_OK;
    MODA_TRY(open_lines(directory, "metrics.jsonl", metrics_bytes, &r->metrics));
    /* Without --log-steps the file of an earlier run goes all the same. */
    MODA_TRY(open_lines(directory, "steps.jsonl", steps_bytes, &r->steps));
    if (!log_steps) moda_lines_close(r->steps), r->steps = NULL;
out:
    return st;
}

/* Only its paths. */
static moda_status create(const char *directory, moda_run **run)
{
    moda_status st = MODA_OK;
    moda_run *r = NULL;
    MODA_ALLOC(r, sizeof *r);
    *run = r;
    MODA_CHECK((r->folder = moda_format("%s", directory)) != NULL, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(in_folder(directory, "model.safetensors", &r->model));
    MODA_TRY(in_folder(directory, "previous.safetensors", &r->previous));
    MODA_TRY(in_folder(directory, "trace.json", &r->trace));
    MODA_CHECK((r->checkpoints = moda_run_checkpoints(directory)) != NULL, MODA_ERR_NOMEM,
               "out of memory");
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
    MODA_TRY(create(directory, &r));
    MODA_TRY(moda_make_directory(directory));
    MODA_TRY(in_folder(directory, "config.json", &path));
    MODA_TRY(remove_old(r->trace));
    MODA_TRY(moda_checkpoint_remove(r->checkpoints));
    MODA_TRY(begin_anew(r, path, config));
    MODA_TRY(open_run(directory, log_steps, 0, 0, r));
    MODA_TRY(moda_remove_matching(directory, epoch_models));
    *run = r, r = NULL;
out:
    free(path);
    moda_run_destroy(r);
    return st;
}

moda_status moda_run_resume(const char *directory, bool log_steps, size_t metrics_bytes,
                            size_t steps_bytes, moda_run **run)
{
    moda_status st = MODA_OK;
    moda_run *r = NULL;
    *run = NULL;
    MODA_TRY(create(directory, &r));
    MODA_TRY(open_run(directory, log_steps, metrics_bytes, steps_bytes, r));
    *run = r, r = NULL;
out:
    moda_run_destroy(r);
    return st;
}

void moda_run_destroy(moda_run *r)
{
    if (!r) return;
    moda_lines_close(r->metrics);
    moda_lines_close(r->steps);
    free(r->folder);
    free(r->model);
    free(r->previous);
    free(r->trace);
    free(r->checkpoints);
    free(r);
}

/* A run of days does not end for want of a line that can wait. */
static moda_status forgive(moda_run *r, moda_status st)
{
    if (st == MODA_ERR_IO && !r->behind)
        moda_log(MODA_LOG_WARNING, "%s: the run goes on, its lines are kept for later",
                 moda_last_error());
    r->behind = st == MODA_ERR_IO;
    return r->behind ? MODA_OK : st;
}

static moda_status append(moda_run *r, moda_lines *lines, const moda_train_record *record)
{
    moda_status st = MODA_OK;
    json_t *json = moda_train_record_json(record);
    char *line = json ? moda_json_line(json) : NULL;
    MODA_CHECK(line, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(forgive(r, moda_lines_add(lines, line)));
out:
    free(line);
    json_decref(json);
    return st;
}

moda_status moda_run_epoch(moda_run *r, const moda_train_record *record)
{
    return append(r, r->metrics, record);
}

moda_status moda_run_step(moda_run *r, const moda_train_record *record)
{
    return r->steps ? append(r, r->steps, record) : MODA_OK;
}

moda_status moda_run_sync(moda_run *r, size_t *metrics_bytes, size_t *steps_bytes)
{
    moda_status st = MODA_OK;
    MODA_TRY(moda_lines_flush(r->metrics, true));
    if (r->steps) MODA_TRY(moda_lines_flush(r->steps, true));
    *metrics_bytes = moda_lines_bytes(r->metrics);
    *steps_bytes = r->steps ? moda_lines_bytes(r->steps) : 0;
out:
    return st;
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
    size_t metrics, steps;
    MODA_TRY(moda_run_sync(r, &metrics, &steps));
    MODA_TRY(moda_model_save(model, r->model));
    MODA_TRY(remove_old(r->previous));
    MODA_TRY(moda_checkpoint_remove(r->checkpoints));
out:
    return st;
}
