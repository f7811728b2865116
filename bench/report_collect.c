/* bench/report_collect.c - finding runs below a folder and reading what they left. */
#include "base/file.h"
#include "base/log.h"
#include "bench/report.h"
#include <errno.h>
#include <fts.h>
#include <stdlib.h>
#include <string.h>

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

/* The last line of metrics.jsonl that is whole; NULL (and a warning) if there is none. */
static json_t *last_epoch(const char *path)
{
    moda_mapped_file file = {0};
    json_t *record = NULL;
    moda_status st = moda_file_map(path, &file);
    for (size_t start = 0, i = 0; st == MODA_OK && i < file.size; i++) {
        if (file.data[i] != '\n') continue;
        json_t *line = NULL;
        st = moda_json_parse((const char *)file.data + start, i - start, &line, NULL);
        if (line) json_decref(record), record = line;
        start = i + 1;
    }
    moda_file_unmap(&file);
    if (st != MODA_OK)
        moda_log(MODA_LOG_WARNING, "%s", moda_last_error());
    else if (!record)
        moda_log(MODA_LOG_WARNING, "%s: no finished epoch", path);
    return record;
}

/* The file's JSON, or a warning and NULL. */
static json_t *read_or_warn(const char *path)
{
    json_t *value = NULL;
    if (moda_json_read(path, &value) != MODA_OK)
        moda_log(MODA_LOG_WARNING, "%s", moda_last_error());
    return value;
}

/* NAME + end: the file's object, with its NAME, goes to the run's list. */
static moda_status add_named(json_t *run, const char *path, const char *name, const char *end,
                             const char *list)
{
    moda_status st = MODA_OK;
    json_t *value = ends_with(name, end) ? read_or_warn(path) : NULL;
    char *own = NULL;
    if (!json_is_object(value)) goto out;
    own = moda_format("%.*s", (int)(strlen(name) - strlen(end)), name);
    MODA_CHECK(own && json_object_set_new(value, "name", moda_json_text(own)) == 0 &&
                   json_array_append(json_object_get(run, list), value) == 0,
               MODA_ERR_NOMEM, "out of memory");
out:
    free(own);
    json_decref(value);
    return st;
}

/* Puts what one file says into the run that its folder belongs to. */
static moda_status add_file(json_t *run, const char *path, const char *name)
{
    moda_status st = MODA_OK;
    json_t *value = NULL;
    if (strcmp(name, "metrics.jsonl") == 0) {
        value = last_epoch(path);
        MODA_CHECK(!value || json_object_set(run, "epoch", value) == 0, MODA_ERR_NOMEM,
                   "out of memory");
    } else if (strcmp(name, "decomposition.json") == 0) {
        value = read_or_warn(path);
        MODA_CHECK(!value || json_object_set(run, "decomposition", value) == 0, MODA_ERR_NOMEM,
                   "out of memory");
    } else {
        MODA_TRY(add_named(run, path, name, ".eval.json", "evaluations"));
        MODA_TRY(add_named(run, path, name, ".compose.json", "compositions"));
    }
out:
    json_decref(value);
    return st;
}

/* A folder with a config.json begins a run, *begun (borrowed from runs); else that stays NULL. */
static moda_status begin_run(json_t *runs, const char *path, const char *root, json_t **begun)
{
    moda_status st = MODA_OK;
    char *config = moda_format("%s/config.json", path);
    json_t *value = NULL;
    MODA_CHECK(config, MODA_ERR_NOMEM, "out of memory");
    if (!moda_is_file(config)) goto out;
    value = read_or_warn(config);
    if (!json_is_object(value)) goto out;
    const size_t below = strlen(root);
    const char *name = path[below] == '/' && path[below + 1] ? path + below + 1 : path;
    json_t *run = json_pack("{s:o s:O s:n s:n s:[] s:[]}", "run", moda_json_text(name), "config",
                            value, "epoch", "decomposition", "evaluations", "compositions");
    MODA_CHECK(run && json_array_append_new(runs, run) == 0, MODA_ERR_NOMEM, "out of memory");
    *begun = run;
out:
    json_decref(value);
    free(config);
    return st;
}

/* The run that a file belongs to: that of the innermost folder around it that is one. */
static json_t *run_around(const FTSENT *f)
{
    /* What is above the root level is fts's own and not filled in. */
    while ((f = f->fts_parent)->fts_level >= FTS_ROOTLEVEL)
        if (f->fts_pointer) return f->fts_pointer;
    return NULL;
}

static moda_status visit(FTSENT *f, json_t *runs, const char *root)
{
    moda_status st = MODA_OK;
    json_t *run = NULL;
    switch (f->fts_info) {
    case FTS_D:
        MODA_TRY(begin_run(runs, f->fts_path, root, &run));
        f->fts_pointer = run;
        break;
    case FTS_F:
        run = run_around(f);
        if (run) MODA_TRY(add_file(run, f->fts_path, f->fts_name));
        break;
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        moda_log(MODA_LOG_WARNING, "%s: %s: left out", f->fts_path, strerror(f->fts_errno));
        break;
    default: break;
    }
out:
    return st;
}

static moda_status walk(FTS *tree, json_t *runs, const char *root)
{
    moda_status st = MODA_OK;
    FTSENT *f;
    while (errno = 0, (f = fts_read(tree)) != NULL) MODA_TRY(visit(f, runs, root));
    MODA_CHECK(errno == 0, MODA_ERR_IO, "%s: %s", root, strerror(errno));
out:
    return st;
}

moda_status moda_report_collect(const char *directory, json_t **runs)
{
    moda_status st = MODA_OK;
    char *root = strdup(directory);
    FTS *tree = NULL;
    json_t *found = json_array();
    *runs = NULL;
    MODA_CHECK(root && found, MODA_ERR_NOMEM, "out of memory");
    for (size_t n = strlen(root); n > 1 && root[n - 1] == '/'; n--) root[n - 1] = 0;
    MODA_CHECK(moda_is_directory(root), MODA_ERR_IO,
               "%s: no such folder; give one that `moda train --out` wrote", directory);
    char *const paths[] = {root, NULL};
    MODA_CHECK((tree = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, by_name)) != NULL, MODA_ERR_IO,
               "%s: %s", directory, strerror(errno));
    MODA_TRY(walk(tree, found, root));
    MODA_CHECK(
        json_array_size(found), MODA_ERR_IO,
        "%s: no run in it (a folder with config.json); give one that `moda train --out` wrote",
        directory);
    *runs = found, found = NULL;
out:
    if (tree) fts_close(tree);
    json_decref(found);
    free(root);
    return st;
}
