#include "bench/nightly_history.h"
#include "base/file.h"
#include "base/lock.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* How every line of ours begins, so that a torn one is known for what it was. */
#define BEGINNING "{\"moda_nightly\""

moda_status moda_nightly_history_path(char **path)
{
    moda_status st = MODA_OK;
    const char *state = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
    char *folder = NULL;
    *path = NULL;
    if (state && *state == '/')
        folder = moda_format("%s/moda", state);
    else if (home && *home == '/')
        folder = moda_format("%s/.local/state/moda", home);
    else
        MODA_CHECK(false, MODA_ERR_ARG, "neither HOME nor XDG_STATE_HOME is set: give --history");
    MODA_CHECK(folder, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_make_directory(folder));
    *path = moda_format("%s/nightly.jsonl", folder);
    MODA_CHECK(*path, MODA_ERR_NOMEM, "out of memory");
out:
    free(folder);
    return st;
}

/* ---- reading ---- */

/* *parsed is NULL: it is none of ours. */
static moda_status parse(const char *text, size_t size, json_t **parsed)
{
    moda_status st = MODA_OK;
    json_t *line = NULL;
    *parsed = NULL;
    MODA_TRY(moda_json_parse(text, size, &line, NULL));
    const json_t *schema = json_object_get(line, "moda_nightly");
    const char *type = json_string_value(json_object_get(line, "type"));
    const bool run = type && strcmp(type, "run") == 0;
    const bool good = json_integer_value(schema) == MODA_NIGHTLY_SCHEMA &&
                      json_is_string(json_object_get(line, "class")) &&
                      (run ? json_is_string(json_object_get(line, "run")) &&
                                 json_is_object(json_object_get(line, "figures"))
                           : type && strcmp(type, "accept") == 0 &&
                                 json_is_array(json_object_get(line, "figures")));
    if (good) *parsed = line, line = NULL;
out:
    json_decref(line);
    return st;
}

static moda_status take(moda_nightly_history *h, const char *class, size_t number, json_t *line)
{
    moda_status st = MODA_OK;
    if (!line) {
        if (h->broken < MODA_NIGHTLY_BROKEN) h->where[h->broken] = number;
        h->broken++;
    } else if (strcmp(json_string_value(json_object_get(line, "class")), class) != 0) {
        h->others++;
    } else {
        MODA_CHECK(json_array_append(h->lines, line) == 0, MODA_ERR_NOMEM, "out of memory");
    }
out:
    json_decref(line);
    return st;
}

moda_status moda_nightly_history_read(const char *path, const char *class, moda_nightly_history *h)
{
    moda_status st = MODA_OK;
    moda_mapped_file file = {0};
    size_t number = 0, ours = 0;
    *h = (moda_nightly_history){.lines = json_array()};
    MODA_CHECK(h->lines, MODA_ERR_NOMEM, "out of memory");
    if (access(path, F_OK) != 0 && errno == ENOENT) goto out;
    MODA_TRY(moda_file_map(path, &file));
    if (file.size == 0) goto out;
    const char *at = (const char *)file.data, *end = at + file.size;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        const size_t size = (size_t)((stop ? stop : end) - at);
        number++;
        if (size > 0) {
            json_t *line = NULL;
            MODA_TRY(parse(at, size, &line));
            ours += line ||
                    (size >= strlen(BEGINNING) && memcmp(at, BEGINNING, strlen(BEGINNING)) == 0);
            MODA_TRY(take(h, class, number, line));
        }
        at += size + 1;
    }
    MODA_CHECK(ours, MODA_ERR_FORMAT,
               "%s: not a history of moda nightly, none of its lines is: give another --history",
               path);
out:
    moda_file_unmap(&file);
    if (st != MODA_OK) moda_nightly_history_free(h);
    return st;
}

void moda_nightly_history_free(moda_nightly_history *h)
{
    if (!h) return;
    json_decref(h->lines);
    *h = (moda_nightly_history){0};
}

void moda_nightly_history_report(const moda_nightly_history *h, const char *path)
{
    const size_t told = h->broken < MODA_NIGHTLY_BROKEN ? h->broken : MODA_NIGHTLY_BROKEN;
    for (size_t i = 0; i < told; i++)
        moda_log(MODA_LOG_WARNING, "%s, line %zu: broken, passed over", path, h->where[i]);
    if (h->broken > told)
        moda_log(MODA_LOG_WARNING, "%s: %zu more broken lines", path, h->broken - told);
    if (h->others)
        moda_log(MODA_LOG_INFO, "%s: %zu line%s of other machines passed over", path, h->others,
                 h->others == 1 ? "" : "s");
}

/* ---- adding ---- */

moda_status moda_nightly_history_writable(const char *path)
{
    moda_status st = MODA_OK;
    struct stat s;
    if (stat(path, &s) != 0) {
        MODA_TRY(moda_check_writable(path));
        goto out;
    }
    MODA_CHECK(S_ISREG(s.st_mode), MODA_ERR_IO, "%s: not a file: give another --history", path);
    MODA_CHECK(access(path, W_OK) == 0, MODA_ERR_IO, "%s: %s", path, strerror(errno));
out:
    return st;
}

/* A reader sees all of text or none: other writers wait for the lock, and what a full disk cut off
 * is taken away. */
static moda_status write_line(int fd, const char *path, const char *text)
{
    moda_status st = MODA_OK;
    const size_t size = strlen(text);
    struct stat s;
    MODA_CHECK(fstat(fd, &s) == 0, MODA_ERR_IO, "%s: %s", path, strerror(errno));
    const ssize_t wrote = write(fd, text, size);
    const int reason = wrote < 0 ? errno : ENOSPC;
    if (wrote != (ssize_t)size) {
        const bool whole = ftruncate(fd, s.st_size) == 0;
        MODA_CHECK(false, MODA_ERR_IO, "%s: %s%s", path, strerror(reason),
                   whole ? "; nothing was added" : "; its last line is torn");
    }
    MODA_CHECK(fsync(fd) == 0, MODA_ERR_IO, "%s: %s", path, strerror(errno));
out:
    return st;
}

static bool ends_torn(int fd)
{
    char last = '\n';
    const off_t size = lseek(fd, 0, SEEK_END);
    return size > 0 && pread(fd, &last, 1, size - 1) == 1 && last != '\n';
}

moda_status moda_nightly_history_append(const char *path, const json_t *line)
{
    moda_status st = MODA_OK;
    char *text = NULL, *whole = NULL;
    const int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    MODA_CHECK(fd >= 0, MODA_ERR_IO, "%s: %s", path, strerror(errno));
    moda_lock_wait(fd, path);
    text = moda_json_line(line);
    whole = text ? moda_format("%s%s\n", ends_torn(fd) ? "\n" : "", text) : NULL;
    MODA_CHECK(whole, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(write_line(fd, path, whole));
out:
    if (fd >= 0) close(fd); /* and the lock with it */
    free(text);
    free(whole);
    return st;
}
