/* bench/experiment_folder.c - the folder of a study: whose it is, and trainings that were done
 * elsewhere. */
#include "base/file.h"
#include "base/log.h"
#include "bench/experiment_internal.h"
#include "engine/run.h"
#include "engine/run_network.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- settings ---- */

/* A text of a JSON value, for a message; free() it. */
static char *shown(const json_t *value)
{
    return value ? moda_json_line(value) : strdup("nothing");
}

static moda_status compare_settings(const json_t *ours, const json_t *theirs, const char *path)
{
    moda_status st = MODA_OK;
    const char *key;
    json_t *value;
    char *a = NULL, *b = NULL;
    json_object_foreach((json_t *)ours, key, value)
    {
        const json_t *other = json_object_get(theirs, key);
        if (json_equal(value, other)) continue;
        a = shown(other), b = shown(value);
        MODA_CHECK(false, MODA_ERR_ARG,
                   "%s: this folder's %s is %s, not %s: name another folder with --out, or give "
                   "the same settings",
                   path, key, a ? a : "", b ? b : "");
    }
out:
    free(a);
    free(b);
    return st;
}

moda_status moda_study_check(const moda_study_plan *p)
{
    moda_status st = MODA_OK;
    json_t *before = NULL;
    char *path = moda_plan_path(p, "@/study.json");
    MODA_CHECK(path, MODA_ERR_NOMEM, "out of memory");
    if (!moda_is_file(path)) goto out;
    MODA_TRY(moda_json_read(path, &before));
    MODA_TRY(compare_settings(p->settings, before, path));
out:
    json_decref(before);
    free(path);
    return st;
}

/* ---- trainings that were done elsewhere ---- */

/* Numbers agree by value: 1 is 1.0. */
static bool same_value(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b)) return json_number_value(a) == json_number_value(b);
    return json_equal(a, b);
}

void moda_config_compare(const json_t *wish, const json_t *config, const char **key)
{
    /* Options that came later: a training without them did what their defaults do. */
    static const char *const later[] = {"normalisation", "crop", "flip", NULL};
    const char *name;
    json_t *value;
    *key = NULL;
    json_object_foreach((json_t *)wish, name, value)
    {
        const json_t *other = json_object_get(config, name);
        bool newer = false;
        for (size_t i = 0; later[i]; i++) newer |= strcmp(later[i], name) == 0;
        if ((!other && newer) || same_value(value, other)) continue;
        *key = name;
        return;
    }
}

static moda_status link_run(const moda_study_plan *p, const char *run, const char *directory)
{
    moda_status st = MODA_OK;
    char *link = moda_format("%s/runs/%s", p->options->directory, run);
    char *target = realpath(directory, NULL), *there = link ? realpath(link, NULL) : NULL;
    moda_study_item *train = moda_plan_find(p, run, "train");
    const char *now = train->taken ? train->taken : there;
    MODA_CHECK(link && target, MODA_ERR_IO, "%s: %s", directory, strerror(errno));
    if (now && strcmp(now, target) == 0) goto out;
    MODA_CHECK(!now, MODA_ERR_ARG,
               "--use %s: %s is there already: move it away, or leave that one out", directory,
               link);
    if (p->dry) {
        train->taken = target, target = NULL;
        goto out;
    }
    MODA_CHECK(symlink(target, link) == 0, MODA_ERR_IO, "%s: %s", link, strerror(errno));
    moda_log(MODA_LOG_INFO, "%s: taken over as runs/%s", directory, run);
out:
    free(there);
    free(target);
    free(link);
    return st;
}

/* How many keys of the wish come before this one. */
static size_t place_of(const json_t *wish, const char *key)
{
    size_t place = 0;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)wish, name, value)
    {
        if (strcmp(name, key) == 0) break;
        place++;
    }
    return place;
}

/* The training that the configuration is of, or the one that agrees with it for longest, and the key by
 * which it does not; NULL if there are none. */
static const moda_study_item *find_training(const moda_study_plan *p, const json_t *config,
                                            const char **differs)
{
    const moda_study_item *nearest = NULL;
    size_t longest = 0;
    *differs = NULL;
    for (size_t i = 0; i < p->count; i++) {
        const moda_study_item *item = &p->items[i];
        const char *key = NULL;
        if (!item->wish) continue;
        moda_config_compare(item->wish, config, &key);
        if (!key) {
            *differs = NULL;
            return item;
        }
        const size_t place = place_of(item->wish, key);
        if (!*differs || place > longest) nearest = item, *differs = key, longest = place;
    }
    return nearest;
}

/* A folder stands for the training that its config.json describes. */
static moda_status use(const moda_study_plan *p, const char *directory)
{
    moda_status st = MODA_OK;
    json_t *config = NULL;
    const char *differs;
    char *path = moda_format("%s/config.json", directory);
    char *model = moda_format("%s/model.safetensors", directory);
    MODA_CHECK(path && model, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_json_read(path, &config));
    MODA_CHECK(moda_is_file(model), MODA_ERR_ARG,
               "--use %s: no model.safetensors in it: it is not a finished training", directory);
    const moda_study_item *item = find_training(p, config, &differs);
    MODA_CHECK(item, MODA_ERR_ARG, "--use %s: this study trains nothing: leave it out", directory);
    MODA_CHECK(!differs, MODA_ERR_ARG,
               "--use %s: no training of this study; from %s, the nearest one, it differs by its "
               "%s: `--dry-run` lists what is wanted",
               directory, item->run, differs);
    MODA_TRY(moda_run_check_network(config, path, item->model));
    MODA_TRY(link_run(p, item->run, directory));
out:
    json_decref(config);
    free(path);
    free(model);
    return st;
}

static moda_status use_all(const moda_study_plan *p)
{
    moda_status st = MODA_OK;
    char *text = NULL, *rest;
    if (!p->options->use) goto out;
    MODA_CHECK((text = strdup(p->options->use)) != NULL, MODA_ERR_NOMEM, "out of memory");
    for (rest = text; rest;) MODA_TRY(use(p, strsep(&rest, ",")));
out:
    free(text);
    return st;
}

/* A run must be what the study wants, and of the network as it is described now. path: its config.json. */
static moda_status check_run(const moda_study_item *item, const char *path)
{
    moda_status st = MODA_OK;
    json_t *config = NULL;
    const char *key = NULL;
    MODA_TRY(moda_json_read(path, &config));
    moda_config_compare(item->wish, config, &key);
    MODA_CHECK(!key, MODA_ERR_ARG,
               "%s: another training than this study wants, its %s differs: move the folder away",
               path, key);
    MODA_TRY(moda_run_check_network(config, path, item->model));
out:
    json_decref(config);
    return st;
}

/* All that are done, before hours are spent on one that comes first. */
static moda_status check_runs(const moda_study_plan *p)
{
    moda_status st = MODA_OK;
    char *model = NULL, *config = NULL;
    for (size_t i = 0; i < p->count; i++) {
        const moda_study_item *item = &p->items[i];
        if (!item->wish) continue;
        free(model), free(config);
        model = moda_format("%s/runs/%s/model.safetensors", p->options->directory, item->run);
        config = moda_format("%s/runs/%s/config.json", p->options->directory, item->run);
        MODA_CHECK(model && config, MODA_ERR_NOMEM, "out of memory");
        if (moda_is_file(model)) MODA_TRY(check_run(item, config));
    }
out:
    free(model);
    free(config);
    return st;
}

moda_status moda_study_begin(moda_study_plan *p)
{
    moda_status st = MODA_OK;
    char *runs = moda_plan_path(p, "@/runs"), *path = moda_plan_path(p, "@/study.json");
    char *results = moda_plan_path(p, "@/results");
    MODA_CHECK(runs && path && results, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_study_check(p));
    if (!moda_is_directory(results)) MODA_TRY(moda_check_folder(results));
    if (p->dry && !moda_is_directory(runs)) MODA_TRY(moda_check_folder(runs));
    if (!p->dry) MODA_TRY(moda_make_directory(runs));
    MODA_TRY(use_all(p));
    MODA_TRY(check_runs(p));
    if (!p->dry && !moda_is_file(path)) MODA_TRY(moda_json_write(path, p->settings));
out:
    free(results);
    free(runs);
    free(path);
    return st;
}

/* Someone else may be at work behind a link: such a run is never begun, nor begun again, here. */
static bool is_link(const char *path)
{
    struct stat s;
    return lstat(path, &s) == 0 && S_ISLNK(s.st_mode);
}

moda_status moda_train_done(const moda_study_plan *p, const moda_study_item *item, bool *done)
{
    moda_status st = MODA_OK;
    char *run = moda_format("%s/runs/%s", p->options->directory, item->run), *path = NULL,
         *model = NULL;
    MODA_CHECK(run && (path = moda_format("%s/config.json", run)) != NULL &&
                   (model = moda_format("%s/model.safetensors", run)) != NULL,
               MODA_ERR_NOMEM, "out of memory");
    *done = moda_is_file(model);
    MODA_CHECK(*done || !is_link(run), MODA_ERR_ARG,
               "%s: a link to a training that is not finished: wait for it, or remove the link",
               run);
    if (*done || moda_is_file(path)) MODA_TRY(check_run(item, path));
out:
    free(run);
    free(path);
    free(model);
    return st;
}

moda_status moda_train_finish(const moda_study_plan *p, const moda_study_item *item)
{
    moda_status st = MODA_OK;
    char *run = moda_format("%s/runs/%s", p->options->directory, item->run);
    MODA_CHECK(run, MODA_ERR_NOMEM, "out of memory");
    if (!is_link(run)) moda_run_finish(run);
out:
    free(run);
    return st;
}
