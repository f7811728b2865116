#include "base/lines.h"
#include "base/file.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct moda_lines {
    char *path;
    int fd;       /* -1: not made yet */
    size_t bytes; /* in the file */
    char *kept;   /* [count] not in the file yet */
    size_t count, capacity;
};

/* What stands behind keep belongs to a run that went on from there and died. */
static moda_status cut(const moda_lines *l)
{
    moda_status st = MODA_OK;
    struct stat s;
    if (l->bytes == 0) {
        MODA_CHECK(unlink(l->path) == 0 || errno == ENOENT, MODA_ERR_IO, "%s: %s", l->path,
                   strerror(errno));
        goto out;
    }
    MODA_CHECK(stat(l->path, &s) == 0, MODA_ERR_IO, "%s: %s", l->path, strerror(errno));
    MODA_CHECK((size_t)s.st_size >= l->bytes, MODA_ERR_IO,
               "%s: has %lld bytes, at least %zu are wanted: lines of it are lost", l->path,
               (long long)s.st_size, l->bytes);
    MODA_CHECK(truncate(l->path, (off_t)l->bytes) == 0, MODA_ERR_IO, "%s: %s", l->path,
               strerror(errno));
out:
    return st;
}

moda_status moda_lines_open(const char *path, size_t keep, moda_lines **lines)
{
    moda_status st = MODA_OK;
    moda_lines *l = NULL;
    *lines = NULL;
    MODA_ALLOC(l, sizeof *l);
    l->fd = -1, l->bytes = keep;
    MODA_CHECK((l->path = moda_format("%s", path)) != NULL, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(cut(l));
    *lines = l, l = NULL;
out:
    moda_lines_close(l);
    return st;
}

void moda_lines_close(moda_lines *l)
{
    if (!l) return;
    if (l->count) (void)!moda_lines_flush(l, false);
    if (l->fd >= 0) close(l->fd);
    free(l->path);
    free(l->kept);
    free(l);
}

/* Room for n bytes more. */
static moda_status reserve(moda_lines *l, size_t n)
{
    moda_status st = MODA_OK;
    const size_t wanted = l->count + n;
    if (wanted <= l->capacity) goto out;
    const size_t capacity = wanted > 2 * l->capacity ? wanted : 2 * l->capacity;
    char *grown = realloc(l->kept, capacity);
    MODA_CHECK(grown, MODA_ERR_NOMEM, "out of memory: %zu bytes", capacity);
    l->kept = grown, l->capacity = capacity;
out:
    return st;
}

moda_status moda_lines_add(moda_lines *l, const char *line)
{
    moda_status st = MODA_OK;
    const size_t n = strlen(line);
    MODA_TRY(reserve(l, n + 1));
    memcpy(l->kept + l->count, line, n);
    l->kept[l->count + n] = '\n';
    l->count += n + 1;
    MODA_TRY(moda_lines_flush(l, false));
out:
    return st;
}

moda_status moda_lines_flush(moda_lines *l, bool sync)
{
    moda_status st = MODA_OK;
    size_t done = 0;
    if (l->fd < 0 && l->count) {
        l->fd = open(l->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
        MODA_CHECK(l->fd >= 0, MODA_ERR_IO, "%s: %s", l->path, strerror(errno));
    }
    while (done < l->count) {
        const ssize_t n = write(l->fd, l->kept + done, l->count - done);
        if (n < 0 && errno == EINTR) continue;
        MODA_CHECK(n > 0, MODA_ERR_IO, "%s: %s", l->path, strerror(n ? errno : ENOSPC));
        done += (size_t)n;
    }
    /* Not every file system can, and a pipe cannot: EINVAL. */
    MODA_CHECK(!sync || l->fd < 0 || fdatasync(l->fd) == 0 || errno == EINVAL, MODA_ERR_IO,
               "%s: %s", l->path, strerror(errno));
out:
    if (done) memmove(l->kept, l->kept + done, l->count - done);
    l->count -= done, l->bytes += done;
    return st;
}

size_t moda_lines_bytes(const moda_lines *l)
{
    return l->bytes;
}
