/* bench/report_collect.c - finding runs below a folder and reading what they left. Folders are walked by
 * hand: fts_open() of the C library ends the program where memory is short. */
#include "base/file.h"
#include "base/log.h"
#include "bench/report.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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

/* ---- the walk ---- */

typedef struct listing {
    char **names; /* [count] */
    size_t count, capacity;
} listing;

static void free_listing(listing *l)
{
    for (size_t i = 0; i < l->count; i++) free(l->names[i]);
    free(l->names);
}

static moda_status add_name(listing *l, const char *name)
{
    moda_status st = MODA_OK;
    if (l->count == l->capacity) {
        const size_t capacity = l->capacity ? 2 * l->capacity : 32;
        char **grown = realloc(l->names, capacity * sizeof *grown);
        MODA_CHECK(grown, MODA_ERR_NOMEM, "out of memory: %zu names", capacity);
        l->names = grown, l->capacity = capacity;
    }
    MODA_CHECK((l->names[l->count] = strdup(name)) != NULL, MODA_ERR_NOMEM, "out of memory");
    l->count++;
out:
    return st;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names in a folder, sorted, without "." and "..". */
static moda_status list(const char *path, listing *l)
{
    moda_status st = MODA_OK;
    const struct dirent *e;
    DIR *folder = opendir(path);
    MODA_CHECK(folder, errno == ENOMEM ? MODA_ERR_NOMEM : MODA_ERR_IO, "%s: %s", path,
               strerror(errno));
    for (;;) {
        MODA_TRY(moda_directory_next(folder, path, &e));
        if (!e) break;
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            MODA_TRY(add_name(l, e->d_name));
    }
    if (l->count) qsort(l->names, l->count, sizeof *l->names, by_name);
out:
    if (folder) closedir(folder);
    return st;
}

typedef struct walker {
    const char *root;
    json_t *runs;
} walker;

static moda_status walk(const walker *w, const char *path, json_t *around);

/* Symbolic links are not followed. around: the run of the innermost folder that is one; NULL: none. */
static moda_status visit(const walker *w, const char *folder, const char *name, json_t *around)
{
    moda_status st = MODA_OK;
    struct stat s;
    char *path = moda_format("%s/%s", folder, name);
    MODA_CHECK(path, MODA_ERR_NOMEM, "out of memory");
    if (lstat(path, &s) != 0)
        moda_log(MODA_LOG_WARNING, "%s: %s: left out", path, strerror(errno));
    else if (S_ISDIR(s.st_mode))
        MODA_TRY(walk(w, path, around));
    else if (S_ISREG(s.st_mode) && around)
        MODA_TRY(add_file(around, path, name));
out:
    free(path);
    return st;
}

/* A folder below the root that cannot be read to its end is left out. */
static moda_status walk(const walker *w, const char *path, json_t *around)
{
    moda_status st = MODA_OK;
    listing l = {0};
    json_t *own = NULL;
    MODA_TRY(begin_run(w->runs, path, w->root, &own));
    st = list(path, &l);
    if (st == MODA_ERR_IO && path != w->root) {
        moda_log(MODA_LOG_WARNING, "%s: left out", moda_last_error());
        st = MODA_OK;
        goto out;
    }
    for (size_t i = 0; st == MODA_OK && i < l.count; i++)
        st = visit(w, path, l.names[i], own ? own : around);
out:
    free_listing(&l);
    return st;
}

moda_status moda_report_collect(const char *directory, json_t **runs)
{
    moda_status st = MODA_OK;
    char *root = strdup(directory);
    json_t *found = json_array();
    *runs = NULL;
    MODA_CHECK(root && found, MODA_ERR_NOMEM, "out of memory");
    for (size_t n = strlen(root); n > 1 && root[n - 1] == '/'; n--) root[n - 1] = 0;
    MODA_CHECK(moda_is_directory(root), MODA_ERR_IO,
               "%s: no such folder; give one that `moda train --out` wrote", directory);
    MODA_TRY(walk(&(walker){root, found}, root, NULL));
    MODA_CHECK(
        json_array_size(found), MODA_ERR_IO,
        "%s: no run in it (a folder with config.json); give one that `moda train --out` wrote",
        directory);
    *runs = found, found = NULL;
out:
    json_decref(found);
    free(root);
    return st;
}
