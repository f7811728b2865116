/* engine/checkpoint_folder.c - the folder of a run's checkpoints: names, the newest, the last
 * few. */
#include "base/file.h"
#include "base/log.h"
#include "engine/checkpoint_internal.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char all_files[] = "step-*.safetensors";

static char *path_of(const char *folder, size_t step)
{
    return moda_format("%s/step-%09zu.safetensors", folder, step);
}

/* Only names that path_of() makes. */
static bool step_of(const char *name, size_t *step)
{
    char again[64];
    if (sscanf(name, "step-%zu.safetensors", step) != 1) return false;
    snprintf(again, sizeof again, "step-%09zu.safetensors", *step);
    return strcmp(again, name) == 0;
}

static int descending(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x < y) - (x > y);
}

/* Steps of the checkpoints, the newest first; the caller frees them. A folder that is not there has
 * none. */
static moda_status list_steps(const char *folder, size_t **steps, size_t *count)
{
    moda_status st = MODA_OK;
    size_t capacity = 0, step, *found = NULL, n = 0;
    const struct dirent *e;
    DIR *directory = opendir(folder);
    MODA_CHECK(directory || errno == ENOENT || errno == ENOTDIR, MODA_ERR_IO, "%s: %s", folder,
               strerror(errno));
    while (directory) {
        MODA_TRY(moda_directory_next(directory, folder, &e));
        if (!e) break;
        if (!step_of(e->d_name, &step)) continue;
        if (n == capacity) {
            capacity = capacity ? 2 * capacity : 16;
            size_t *grown = realloc(found, capacity * sizeof *grown);
            MODA_CHECK(grown, MODA_ERR_NOMEM, "out of memory: %zu steps", capacity);
            found = grown;
        }
        found[n++] = step;
    }
    if (n) qsort(found, n, sizeof *found, descending);
    *steps = found, *count = n, found = NULL;
out:
    free(found);
    if (directory) closedir(directory);
    return st;
}

moda_status moda_checkpoint_newest(const char *folder, size_t *step, bool *found)
{
    moda_status st = MODA_OK;
    size_t *steps = NULL, count = 0;
    *found = false;
    MODA_TRY(list_steps(folder, &steps, &count));
    *found = count > 0;
    if (*found) *step = steps[0];
out:
    free(steps);
    return st;
}

/* After step's was written. What cannot be removed now may be next time. */
static void prune(const char *folder, size_t keep, size_t step)
{
    size_t *steps = NULL, count = 0, kept = 0;
    if (list_steps(folder, &steps, &count) != MODA_OK) return;
    for (size_t i = 0; i < count; i++) {
        if (steps[i] <= step && kept++ < keep) continue;
        char *path = path_of(folder, steps[i]);
        if (path) unlink(path);
        free(path);
    }
    free(steps);
}

moda_status moda_checkpoint_write(const char *folder, size_t keep, moda_trainer *trainer,
                                  moda_model *model, const moda_checkpoint_info *info)
{
    moda_status st = MODA_OK;
    float *momentum = NULL;
    char *path = path_of(folder, info->position.steps);
    MODA_CHECK(path, MODA_ERR_NOMEM, "out of memory");
    MODA_ALLOC(momentum, model->parameters.elements * sizeof *momentum);
    MODA_TRY(moda_make_directory(folder));
    MODA_TRY(moda_trainer_store(trainer));
    MODA_TRY(moda_trainer_momentum(trainer, momentum));
    MODA_TRY(moda_checkpoint_write_file(path, model, momentum, info));
    prune(folder, keep, info->position.steps);
out:
    free(path);
    free(momentum);
    return st;
}

moda_status moda_checkpoint_open_newest(const char *folder, moda_checkpoint **checkpoint)
{
    moda_status st = MODA_OK;
    size_t *steps = NULL, count = 0;
    char *path = NULL;
    *checkpoint = NULL;
    MODA_TRY(list_steps(folder, &steps, &count));
    for (size_t i = 0; i < count && !*checkpoint; i++) {
        free(path);
        MODA_CHECK((path = path_of(folder, steps[i])) != NULL, MODA_ERR_NOMEM, "out of memory");
        st = moda_checkpoint_open(path, checkpoint);
        MODA_CHECK(st != MODA_ERR_NOMEM, MODA_ERR_NOMEM, "%s: out of memory", path);
        if (st != MODA_OK && i + 1 < count)
            moda_log(MODA_LOG_WARNING, "%s; the checkpoint before it is used", moda_last_error());
    }
    if (st != MODA_OK)
        MODA_TRY(moda_fail_context(MODA_ERR_FORMAT, "%s: no checkpoint is whole, the last said",
                                   folder));
out:
    free(path);
    free(steps);
    return st;
}

moda_status moda_checkpoint_remove(const char *folder)
{
    moda_status st = MODA_OK;
    MODA_TRY(moda_remove_matching(folder, all_files));
    moda_remove_leftovers(folder);
    MODA_CHECK(rmdir(folder) == 0 || errno == ENOENT || errno == ENOTEMPTY, MODA_ERR_IO, "%s: %s",
               folder, strerror(errno));
out:
    return st;
}
