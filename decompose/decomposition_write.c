/* decompose/decomposition_write.c - the files of a decomposition, in an order that a run cut short
 * cannot make look finished. */
#include "base/file.h"
#include "base/log.h"
#include "base/progress.h"
#include "decompose/compose.h"
#include "decompose/decomposition.h"
#include "decompose/strip.h"
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const moda_decomposition_files[] = {
    "model.safetensors",   "rates.safetensors", "masks.safetensors", "decomposition.json",
    "class-*.safetensors", "reuse.jsonl",       "sweep/tau-*.jsonl", NULL};

static moda_status remove_file(const char *directory, const char *name)
{
    moda_status st = MODA_OK;
    char *path = moda_format("%s/%s", directory, name);
    MODA_CHECK(path, MODA_ERR_NOMEM, "out of memory: %s", directory);
    MODA_CHECK(unlink(path) == 0 || errno == ENOENT, MODA_ERR_IO,
               "%s: cannot remove the earlier result: %s", path, strerror(errno));
out:
    free(path);
    return st;
}

/* C of "class-C.safetensors" as we write it (no leading zeros); false for any other name. */
static bool class_of_name(const char *name, size_t *number)
{
    char *end = NULL;
    if (strncmp(name, "class-", 6) != 0 || !isdigit((unsigned char)name[6])) return false;
    if (name[6] == '0' && isdigit((unsigned char)name[7])) return false;
    errno = 0;
    unsigned long long n = strtoull(name + 6, &end, 10);
    *number = (size_t)n;
    return errno == 0 && strcmp(end, ".safetensors") == 0;
}

static bool has_class(const moda_decomposition *d, size_t number)
{
    for (size_t k = 0; k < d->classes; k++)
        if (d->modules[k].class_number == number) return true;
    return false;
}

/* Ours only if it says that it is a module: someone may keep a file of that name beside ours. */
static bool is_module(const char *directory, const char *name)
{
    moda_tensor_file *file = NULL;
    char *path = moda_format("%s/%s", directory, name);
    bool yes = path && moda_tensor_file_open(path, &file) == MODA_OK &&
               moda_tensor_file_metadata(file, "moda.module") != NULL;
    moda_tensor_file_close(file);
    free(path);
    return yes;
}

/* Modules that an earlier decomposition left for classes that this one does not have. */
static moda_status remove_stale_modules(const char *directory, const moda_decomposition *d)
{
    moda_status st = MODA_OK;
    size_t number;
    const struct dirent *entry;
    DIR *folder = opendir(directory);
    MODA_CHECK(folder, MODA_ERR_IO, "%s: %s", directory, strerror(errno));
    for (;;) {
        MODA_TRY(moda_directory_next(folder, directory, &entry));
        if (!entry) break;
        if (!class_of_name(entry->d_name, &number) || has_class(d, number)) continue;
        if (!is_module(directory, entry->d_name)) continue;
        moda_log(MODA_LOG_INFO, "%s/%s is of an earlier decomposition: removed", directory,
                 entry->d_name);
        MODA_TRY(remove_file(directory, entry->d_name));
    }
out:
    if (folder) closedir(folder);
    return st;
}

static moda_status write_model(const char *directory, const char *source, const moda_model *model)
{
    moda_status st = MODA_OK;
    struct stat a, b;
    char *path = moda_format("%s/model.safetensors", directory);
    MODA_CHECK(path, MODA_ERR_NOMEM, "out of memory: %s", directory);
    bool same = source && stat(source, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev &&
                a.st_ino == b.st_ino;
    if (!same) MODA_TRY(moda_model_save(model, path));
out:
    free(path);
    return st;
}

static moda_status write_module(const char *directory, const moda_model *model,
                                const moda_masks *masks, size_t k)
{
    moda_status st = MODA_OK;
    moda_model *module = NULL;
    char *path = moda_format("%s/class-%u.safetensors", directory, model->class_ids[k]);
    MODA_CHECK(path, MODA_ERR_NOMEM, "out of memory: %s", directory);
    MODA_TRY(moda_compose(model, masks, &k, 1, &module));
    MODA_TRY(moda_model_save(module, path));
out:
    moda_model_destroy(module);
    free(path);
    return st;
}

static moda_status write_modules(const char *directory, const moda_model *model,
                                 const moda_masks *masks)
{
    moda_status st = MODA_OK;
    moda_model *plain = NULL;
    moda_progress progress;
    moda_progress_begin(&progress, "modules", "classes", model->net->classes);
    MODA_TRY(moda_model_strip(model, &plain));
    for (size_t k = 0; k < model->net->classes; k++) {
        MODA_TRY(write_module(directory, plain ? plain : model, masks, k));
        moda_progress_update(&progress, k + 1, NULL);
    }
out:
    moda_model_destroy(plain);
    moda_progress_end(&progress);
    return st;
}

moda_status moda_decomposition_write(const char *directory, const char *source,
                                     const moda_model *model, const moda_rates *rates,
                                     const moda_masks *masks, const moda_decomposition *d)
{
    moda_status st = MODA_OK;
    json_t *report = NULL;
    char *rates_path = moda_format("%s/rates.safetensors", directory);
    char *masks_path = moda_format("%s/masks.safetensors", directory);
    char *report_path = moda_format("%s/decomposition.json", directory);
    MODA_CHECK(rates_path && masks_path && report_path, MODA_ERR_NOMEM, "out of memory: %s",
               directory);
    MODA_TRY(moda_decomposition_json(d, &report));
    MODA_TRY(moda_make_directory(directory));
    MODA_TRY(remove_file(directory, "decomposition.json"));
    MODA_TRY(remove_file(directory, "masks.safetensors"));
    MODA_TRY(write_model(directory, source, model));
    MODA_TRY(moda_rates_save(rates, rates_path));
    MODA_TRY(write_modules(directory, model, masks));
    MODA_TRY(remove_stale_modules(directory, d));
    MODA_TRY(moda_masks_save(masks, masks_path));
    MODA_TRY(moda_json_write(report_path, report));
out:
    json_decref(report);
    free(rates_path);
    free(masks_path);
    free(report_path);
    return st;
}
