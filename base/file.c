/* base/file.c - mapped reading and atomic writing. */
#include "base/file.h"
#include "base/unfinished_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

moda_status moda_file_map(const char *path, moda_mapped_file *file)
{
    moda_status st = MODA_OK;
    struct stat s;
    int fd;
    *file = (moda_mapped_file){0};
    /* Without O_NONBLOCK a named pipe would wait here for a writer. */
    MODA_CHECK((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)) >= 0, MODA_ERR_IO, "%s: %s",
               path, strerror(errno));
    MODA_CHECK(fstat(fd, &s) == 0, MODA_ERR_IO, "%s: %s", path, strerror(errno));
    MODA_CHECK(!S_ISDIR(s.st_mode), MODA_ERR_IO, "%s: is a directory, a file is wanted", path);
    MODA_CHECK(S_ISREG(s.st_mode), MODA_ERR_IO, "%s: is not a regular file", path);
    if (s.st_size == 0) goto out;
    void *data = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    MODA_CHECK(data != MAP_FAILED, MODA_ERR_IO, "%s: %s", path, strerror(errno));
    *file = (moda_mapped_file){data, (size_t)s.st_size};
out:
    if (fd >= 0) close(fd);
    return st;
}

void moda_file_unmap(moda_mapped_file *file)
{
    if (file->data) munmap((void *)file->data, file->size);
    *file = (moda_mapped_file){0};
}

/* ---- writing ---- */

/* The folder that path is in, fresh memory. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash) return moda_format(".");
    if (slash == path) return moda_format("/");
    return moda_format("%.*s", (int)(slash - path), path);
}

/* Whether renaming onto path would destroy more than a file's content: a device, a pipe, and what
 * only looks like a file (/dev/stdout sent into one). */
static bool must_write_directly(const char *path)
{
    struct stat s;
    if (strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/proc/", 6) == 0) {
        return stat(path, &s) == 0 && !(S_ISREG(s.st_mode) && strncmp(path, "/dev/shm/", 9) == 0);
    }
    return stat(path, &s) == 0 && !S_ISREG(s.st_mode);
}

/* Mode as the user's umask says, or as the file to be replaced has it. */
static moda_status open_temporary(moda_writer *w)
{
    moda_status st = MODA_OK;
    struct stat s;
    int fd = -1;
    MODA_TRY(moda_unfinished_open(w->path, &w->temporary, &fd));
    if (stat(w->path, &s) == 0) (void)!fchmod(fd, s.st_mode & 0777);
    MODA_CHECK((w->stream = fdopen(fd, "wb")) != NULL, MODA_ERR_NOMEM, "out of memory");
    fd = -1;
out:
    if (fd >= 0) close(fd);
    return st;
}

/* What killed writers left where path is. */
static void clean_folder_of(const char *path)
{
    char *folder = folder_of(path);
    if (folder) moda_remove_leftovers(folder);
    free(folder);
}

moda_status moda_writer_open(moda_writer *w, const char *path)
{
    moda_status st = MODA_OK;
    *w = (moda_writer){0};
    MODA_CHECK(*path, MODA_ERR_IO, "an empty name is not a file to write");
    MODA_CHECK(!moda_is_directory(path), MODA_ERR_IO, "%s: is a directory, a file is wanted", path);
    if (must_write_directly(path)) {
        MODA_CHECK((w->path = moda_format("%s", path)) != NULL, MODA_ERR_NOMEM, "out of memory");
        MODA_CHECK((w->stream = fopen(path, "ab")) != NULL, MODA_ERR_IO, "%s: %s", path,
                   strerror(errno));
        goto out;
    }
    w->path = realpath(path, NULL); /* through symbolic links to an existing file */
    if (!w->path) w->path = moda_format("%s", path);
    MODA_CHECK(w->path != NULL, MODA_ERR_NOMEM, "out of memory");
    clean_folder_of(w->path);
    MODA_TRY(open_temporary(w));
out:
    if (st != MODA_OK) moda_writer_abort(w);
    return st;
}

/* A rename is on disk only once its folder is. File systems that cannot sync a folder say EINVAL. */
static moda_status sync_folder(const char *path)
{
    moda_status st = MODA_OK;
    int fd = -1;
    char *folder = folder_of(path);
    MODA_CHECK(folder != NULL, MODA_ERR_NOMEM, "out of memory");
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) goto out; /* writable but not readable: the rename itself has happened */
    MODA_CHECK(fsync(fd) == 0 || errno == EINVAL, MODA_ERR_IO, "%s: %s", folder, strerror(errno));
out:
    if (fd >= 0) close(fd);
    free(folder);
    return st;
}

moda_status moda_writer_commit(moda_writer *w)
{
    moda_status st = MODA_OK;
    MODA_CHECK(w->stream != NULL, MODA_ERR_INTERNAL, "commit of a writer that is not open");
    bool failed_before = ferror(w->stream);
    MODA_CHECK(fflush(w->stream) == 0, MODA_ERR_IO, "%s: cannot be written: %s", w->path,
               strerror(errno));
    /* The errno of a failed fwrite is gone by now; nearly always it is this. */
    MODA_CHECK(!failed_before, MODA_ERR_IO, "%s: cannot be written; is the disk full?", w->path);
    MODA_CHECK(fsync(fileno(w->stream)) == 0 || !w->temporary, MODA_ERR_IO,
               "%s: cannot be written: %s", w->path, strerror(errno));
    if (w->temporary) /* while it is open, and so locked */
        MODA_CHECK(rename(w->temporary, w->path) == 0, MODA_ERR_IO, "%s: %s", w->path,
                   strerror(errno));
    const bool renamed = w->temporary != NULL;
    free(w->temporary); /* is the file now: abort must not remove it */
    w->temporary = NULL;
    FILE *stream = w->stream;
    w->stream = NULL; /* fclose gives it up even when it fails */
    MODA_CHECK(fclose(stream) == 0, MODA_ERR_IO, "%s: cannot be written: %s", w->path,
               strerror(errno));
    if (!renamed) goto out;
    MODA_TRY(sync_folder(w->path));
out:
    moda_writer_abort(w);
    return st;
}

void moda_writer_abort(moda_writer *w)
{
    if (w->stream) fclose(w->stream);
    if (w->temporary) unlink(w->temporary);
    free(w->temporary);
    free(w->path);
    *w = (moda_writer){0};
}

moda_status moda_check_writable(const char *path)
{
    moda_status st = MODA_OK;
    moda_writer w = {0};
    if (*path && !moda_is_directory(path) && must_write_directly(path)) {
        /* Opening a named pipe would wait for its reader. */
        MODA_CHECK(access(path, W_OK) == 0, MODA_ERR_IO, "%s: %s", path, strerror(errno));
        goto out;
    }
    MODA_TRY(moda_writer_open(&w, path));
out:
    moda_writer_abort(&w);
    return st;
}

/* ---- names ---- */

bool moda_is_directory(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISDIR(s.st_mode);
}

bool moda_is_file(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && S_ISREG(s.st_mode);
}

moda_status moda_make_directory(const char *path)
{
    moda_status st = MODA_OK;
    char *part = moda_format("%s", path);
    MODA_CHECK(part != NULL, MODA_ERR_NOMEM, "out of memory");
    MODA_CHECK(*part, MODA_ERR_IO, "an empty name is not a directory");
    for (char *c = part + 1;; c++) {
        if (*c && *c != '/') continue;
        char end = *c;
        *c = 0;
        /* Existing parts may say EEXIST, or EROFS and the like: what counts is what stands there. */
        if (mkdir(part, 0777) != 0) {
            int reason = errno;
            MODA_CHECK(moda_is_directory(part), MODA_ERR_IO, "%s: %s", part,
                       reason == EEXIST ? "is not a directory" : strerror(reason));
        }
        *c = end;
        if (!end) break;
    }
out:
    free(part);
    return st;
}

/* Whether what is there of the way to a folder that is missing lets it be made. Asks only: a probe that
 * a killed process leaves in a folder above would stay there. */
static moda_status check_way_to(const char *path)
{
    moda_status st = MODA_OK;
    int reason;
    char *there = strdup(path);
    MODA_CHECK(there, MODA_ERR_NOMEM, "out of memory");
    MODA_CHECK(*path, MODA_ERR_IO, "an empty name is not a directory");
    while ((reason = access(there, F_OK) ? errno : 0) == ENOENT || reason == ENOTDIR) {
        char *above = folder_of(there);
        free(there);
        MODA_CHECK((there = above) != NULL, MODA_ERR_NOMEM, "out of memory");
    }
    MODA_CHECK(reason == 0, MODA_ERR_IO, "%s: %s", path, strerror(reason));
    MODA_CHECK(moda_is_directory(there), MODA_ERR_IO, "%s: %s is not a directory", path, there);
    MODA_CHECK(faccessat(AT_FDCWD, there, W_OK | X_OK, AT_EACCESS) == 0, MODA_ERR_IO,
               "%s: cannot be made in %s: %s", path, there, strerror(errno));
out:
    free(there);
    return st;
}

moda_status moda_directory_next(DIR *directory, const char *path, const struct dirent **entry)
{
    moda_status st = MODA_OK;
    errno = 0;
    *entry = readdir(directory);
    MODA_CHECK(*entry || errno == 0, MODA_ERR_IO, "%s: cannot be listed: %s", path,
               strerror(errno));
out:
    return st;
}

moda_status moda_remove_matching(const char *directory, const char *pattern)
{
    moda_status st = MODA_OK;
    const struct dirent *e;
    DIR *folder = opendir(directory);
    MODA_CHECK(folder || errno == ENOENT, MODA_ERR_IO, "%s: %s", directory, strerror(errno));
    while (folder) {
        MODA_TRY(moda_directory_next(folder, directory, &e));
        if (!e) break;
        MODA_CHECK(fnmatch(pattern, e->d_name, FNM_PERIOD) != 0 ||
                       unlinkat(dirfd(folder), e->d_name, 0) == 0,
                   MODA_ERR_IO, "%s/%s: %s", directory, e->d_name, strerror(errno));
    }
out:
    if (folder) closedir(folder);
    return st;
}

moda_status moda_check_folder(const char *path)
{
    moda_status st = MODA_OK;
    char *probe = moda_format("%s/moda", path);
    MODA_CHECK(probe, MODA_ERR_NOMEM, "out of memory");
    MODA_CHECK(!moda_is_file(path), MODA_ERR_IO, "%s: is a file: name a folder", path);
    if (moda_is_directory(path))
        MODA_TRY(moda_check_writable(probe));
    else
        MODA_TRY(check_way_to(path));
out:
    free(probe);
    return st;
}

bool moda_text_close(FILE *stream, char **text)
{
    const bool failed = ferror(stream) != 0;
    const bool closed = fclose(stream) == 0;
    if (!failed && closed && *text) return true;
    free(*text);
    *text = NULL;
    return false;
}

char *moda_format(const char *format, ...)
{
    char *text = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&text, format, arguments) < 0) text = NULL;
    va_end(arguments);
    return text;
}
