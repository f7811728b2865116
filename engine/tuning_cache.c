/* engine/tuning_cache.c - the file: {"version", "machines": [{"cpu", "kernels", "library", "threads",
 * "choices": [...]}]}. */
#include "engine/tuning_cache.h"
#include "base/cache_dir.h"
#include "base/file.h"
#include "base/json.h"
#include "base/lock.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum { VERSION = 1 };

moda_status moda_tuning_cache_path(char **path)
{
    moda_status st = MODA_OK;
    char *folder = NULL;
    *path = NULL;
    MODA_TRY(moda_cache_dir(&folder));
    if (!folder) goto out;
    MODA_CHECK((*path = moda_format("%s/tuning.json", folder)) != NULL, MODA_ERR_NOMEM,
               "out of memory");
out:
    free(folder);
    return st;
}

/* ---- reading ---- */

static bool is_text(const json_t *object, const char *key, const char *want)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text && strcmp(text, want) == 0;
}

static bool is_machine(const json_t *json, const moda_tuning_machine *m)
{
    const json_t *threads = json_object_get(json, "threads");
    return is_text(json, "cpu", m->cpu) && is_text(json, "kernels", m->kernels) &&
           is_text(json, "library", m->library) &&
           json_integer_value(threads) == (json_int_t)m->threads;
}

static json_t *find_machine(const json_t *root, const moda_tuning_machine *m)
{
    size_t i;
    json_t *machine;
    json_array_foreach(json_object_get(root, "machines"), i, machine)
    {
        if (is_machine(machine, m)) return machine;
    }
    return NULL;
}

/* Every machine's choices, so that what is written again is sound, too. */
static moda_status check(const char *path, const json_t *root)
{
    moda_status st = MODA_OK;
    size_t i, k;
    json_t *machine, *choice;
    moda_tuning_entry entry;
    const json_t *version = json_object_get(root, "version");
    const json_t *machines = json_object_get(root, "machines");
    MODA_CHECK(json_is_integer(version), MODA_ERR_FORMAT, "%s: no 'version'", path);
    MODA_CHECK(json_integer_value(version) == VERSION, MODA_ERR_FORMAT,
               "%s: version %lld, this moda knows %d", path, (long long)json_integer_value(version),
               VERSION);
    MODA_CHECK(json_is_array(machines), MODA_ERR_FORMAT, "%s: no 'machines'", path);
    json_array_foreach(machines, i, machine)
    {
        const json_t *choices = json_object_get(machine, "choices");
        MODA_CHECK(json_is_array(choices), MODA_ERR_FORMAT, "%s: machine %zu has no 'choices'",
                   path, i);
        json_array_foreach(choices, k, choice)
        {
            MODA_CHECK(moda_tuning_entry_parse(choice, &entry), MODA_ERR_FORMAT,
                       "%s: machine %zu: choice %zu is none", path, i, k);
        }
    }
out:
    return st;
}

/* The file's value, NULL if there is none or none of use; level: of the message about that. */
static moda_status open_file(const char *path, moda_log_level level, json_t **root)
{
    moda_status st = MODA_OK;
    *root = NULL;
    if (access(path, F_OK) != 0) goto out;
    if ((st = moda_json_read(path, root)) == MODA_OK) st = check(path, *root);
    if (st == MODA_OK || st == MODA_ERR_NOMEM) goto out;
    moda_log(level, "%s; no choices are taken from it, a new one replaces it", moda_last_error());
    st = MODA_OK;
    json_decref(*root);
    *root = NULL;
out:
    return st;
}

/* Sets a machine's choices in tuning. */
static moda_status take(const json_t *machine, moda_tuning *tuning)
{
    moda_status st = MODA_OK;
    size_t i;
    json_t *choice;
    json_array_foreach(json_object_get(machine, "choices"), i, choice)
    {
        moda_tuning_entry entry;
        if (moda_tuning_entry_parse(choice, &entry)) MODA_TRY(moda_tuning_set(tuning, &entry));
    }
out:
    return st;
}

moda_status moda_tuning_cache_read(const char *path, const moda_tuning_machine *machine,
                                   moda_tuning *tuning)
{
    moda_status st = MODA_OK;
    json_t *root = NULL;
    MODA_TRY(open_file(path, MODA_LOG_WARNING, &root));
    MODA_TRY(take(find_machine(root, machine), tuning));
out:
    json_decref(root);
    return st;
}

/* ---- writing ---- */

/* *fd: close() it to unlock. The lock file stays: removing it would let two runs hold different ones. */
static moda_status lock(const char *path, int *fd)
{
    moda_status st = MODA_OK;
    char *folder = strdup(path), *name = moda_format("%s.lock", path);
    MODA_CHECK(folder && name, MODA_ERR_NOMEM, "out of memory");
    char *end = strrchr(folder, '/');
    if (end) *end = 0;
    if (end) MODA_TRY(moda_make_directory(folder));
    MODA_CHECK((*fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0666)) >= 0, MODA_ERR_IO, "%s: %s",
               name, strerror(errno));
    moda_lock_wait(*fd, path);
out:
    free(name);
    free(folder);
    return st;
}

/* The machine's object in root, made if it is missing; borrowed. */
static moda_status own_machine(json_t *root, const moda_tuning_machine *m, json_t **machine)
{
    moda_status st = MODA_OK;
    if ((*machine = find_machine(root, m)) != NULL) goto out;
    *machine =
        json_pack("{s:o s:s s:s s:I s:[]}", "cpu", moda_json_text(m->cpu), "kernels", m->kernels,
                  "library", m->library, "threads", (json_int_t)m->threads, "choices");
    MODA_CHECK(*machine && json_array_append_new(json_object_get(root, "machines"), *machine) == 0,
               MODA_ERR_NOMEM, "out of memory");
out:
    return st;
}

static moda_status store(json_t *machine, const moda_tuning *tuning)
{
    moda_status st = MODA_OK;
    json_t *choices = json_array();
    MODA_CHECK(json_object_set_new(machine, "choices", choices) == 0, MODA_ERR_NOMEM,
               "out of memory");
    for (size_t i = 0; i < tuning->count; i++)
        MODA_CHECK(json_array_append_new(choices, moda_tuning_entry_json(&tuning->entries[i])) == 0,
                   MODA_ERR_NOMEM, "out of memory");
out:
    return st;
}

static moda_status set_all(moda_tuning *to, const moda_tuning *from)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < from->count; i++) MODA_TRY(moda_tuning_set(to, &from->entries[i]));
out:
    return st;
}

/* tuning's own keys again, with what the file holds under them. */
static void adopt(moda_tuning *tuning, const moda_tuning *file)
{
    for (size_t i = 0; i < tuning->count; i++)
        tuning->entries[i] = *moda_tuning_find(file, &tuning->entries[i].key);
}

moda_status moda_tuning_cache_add(const char *path, const moda_tuning_machine *machine,
                                  moda_tuning *tuning, bool overwrite)
{
    moda_status st = MODA_OK;
    int fd = -1;
    json_t *root = NULL, *own;
    moda_tuning merged = {0};
    MODA_TRY(lock(path, &fd));
    MODA_TRY(open_file(path, MODA_LOG_DEBUG, &root)); /* who reads first has been told */
    if (!root) root = json_pack("{s:i s:[]}", "version", VERSION, "machines");
    MODA_CHECK(root, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(own_machine(root, machine, &own));
    /* What is set later counts; the file's order stays where it has one. */
    MODA_TRY(take(own, &merged));
    MODA_TRY(set_all(&merged, tuning));
    if (!overwrite) MODA_TRY(take(own, &merged));
    MODA_TRY(store(own, &merged));
    MODA_TRY(moda_json_write(path, root));
    adopt(tuning, &merged);
out:
    moda_tuning_free(&merged);
    json_decref(root);
    if (fd >= 0) close(fd);
    return st;
}
