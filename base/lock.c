#include "base/lock.h"
#include "base/file.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OWNER = 128 };

struct moda_lock {
    char *path;
    size_t kept; /* of path: folders that were there before */
    int fd;
};

enum { TRIES = 100 }; /* that others may spoil by removing what we have just made */

/* The owner may have removed the file between our open and our flock: then what we hold is a file
 * without a name, and the next process would make another. */
static bool is_current(const moda_lock *l)
{
    struct stat held, named;
    return fstat(l->fd, &held) == 0 && stat(l->path, &named) == 0 && held.st_ino == named.st_ino &&
           held.st_dev == named.st_dev;
}

static void read_owner(const moda_lock *l, char owner[OWNER])
{
    const ssize_t n = pread(l->fd, owner, OWNER - 1, 0);
    owner[n > 0 ? n : 0] = 0;
    owner[strcspn(owner, "\n")] = 0;
    if (!*owner) strcpy(owner, "a process that has not said its number yet");
}

/* For people; nothing depends on it. */
static void write_owner(const moda_lock *l)
{
    char host[64] = "", text[OWNER];
    gethostname(host, sizeof host - 1);
    const int n = snprintf(text, sizeof text, "process %ld on %s\n", (long)getpid(), host);
    if (ftruncate(l->fd, 0) == 0) (void)!pwrite(l->fd, text, (size_t)n, 0);
}

/* How much of a path is there, up to a '/' or its end. */
static size_t existing_part(const char *path)
{
    size_t n = strlen(path);
    while (n > 0) {
        char *part = moda_format("%.*s", (int)n, path);
        const bool there = !part || moda_is_directory(part);
        free(part);
        if (there) break;
        while (n > 0 && path[--n] != '/') continue;
    }
    return n;
}

/* By errno. */
static void warn_unlocked(const char *what)
{
    moda_log(MODA_LOG_WARNING, "%s: not locked (%s): let no other process write there", what,
             strerror(errno));
}

/* Folders that were made for the lock; one that somebody uses stays, and so do those around it. */
static void remove_folders(moda_lock *l)
{
    for (char *end; (end = strrchr(l->path, '/')) && (size_t)(end - l->path) > l->kept;) {
        *end = 0;
        (void)rmdir(l->path);
    }
}

/* *taken: false if the file went away meanwhile, or its folder: who had it releases it. */
static moda_status try_lock(moda_lock *l, const char *what, const char *kind, bool *taken)
{
    moda_status st = MODA_OK;
    char owner[OWNER];
    *taken = false;
    l->fd = open(l->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (l->fd < 0 && errno == ENOENT) goto out;
    MODA_CHECK(l->fd >= 0, MODA_ERR_IO, "%s: %s", l->path, strerror(errno));
    if (flock(l->fd, LOCK_EX | LOCK_NB) == 0) {
        *taken = is_current(l);
    } else if (errno == EWOULDBLOCK) {
        read_owner(l, owner);
        MODA_CHECK(false, MODA_ERR_IO, "%s: %s is writing there: wait for it, or name another %s",
                   what, owner, kind);
    } else if (errno != EINTR) {
        warn_unlocked(what);
        *taken = true;
    }
out:
    if (!*taken && l->fd >= 0) close(l->fd);
    return st;
}

/* what, of this kind, by the file at path, which is taken over. folder: NULL, or to be made. */
static moda_status take(const char *what, const char *kind, char *path, const char *folder,
                        moda_lock **lock)
{
    moda_status st = MODA_OK;
    moda_lock *l = NULL;
    bool taken = false;
    *lock = NULL;
    MODA_CHECK(path, MODA_ERR_NOMEM, "out of memory");
    MODA_ALLOC(l, sizeof *l);
    l->path = path, path = NULL;
    l->kept = folder ? existing_part(folder) : strlen(l->path);
    for (int i = 0; i < TRIES && !taken; i++) {
        st = folder ? moda_make_directory(folder) : MODA_OK; /* fails also if one goes away */
        if (st == MODA_OK) MODA_TRY(try_lock(l, what, kind, &taken));
    }
    MODA_TRY(st);
    MODA_CHECK(taken, MODA_ERR_IO, "%s: %s", l->path, strerror(ENOENT));
    write_owner(l);
    *lock = l, l = NULL;
out:
    if (l) {
        remove_folders(l);
        free(l->path);
    }
    free(l);
    free(path);
    return st;
}

moda_status moda_lock_folder(const char *folder, moda_lock **lock)
{
    return take(folder, "folder", moda_format("%s/.lock", folder), folder, lock);
}

moda_status moda_lock_file(const char *path, moda_lock **lock)
{
    return take(path, "file", moda_format("%s.lock", path), NULL, lock);
}

void moda_lock_wait(int file, const char *what)
{
    while (flock(file, LOCK_EX) != 0) {
        if (errno == EINTR) continue;
        warn_unlocked(what);
        break;
    }
}

void moda_lock_release(moda_lock *l)
{
    if (!l) return;
    unlink(l->path); /* still locked: nobody else can hold this very file */
    remove_folders(l);
    close(l->fd);
    free(l->path);
    free(l);
}
