#include "base/lock.h"
#include "base/file.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { OWNER = 128 };

struct moda_lock {
    char *path;
    int fd;
};

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

/* *taken: false if the file went away meanwhile. */
static moda_status try_lock(moda_lock *l, const char *folder, bool *taken)
{
    moda_status st = MODA_OK;
    char owner[OWNER];
    *taken = false;
    l->fd = open(l->path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    MODA_CHECK(l->fd >= 0, MODA_ERR_IO, "%s: %s", l->path, strerror(errno));
    if (flock(l->fd, LOCK_EX | LOCK_NB) == 0) {
        *taken = is_current(l);
    } else if (errno == EWOULDBLOCK) {
        read_owner(l, owner);
        MODA_CHECK(false, MODA_ERR_IO,
                   "%s: %s is writing there: wait for it, or name another folder", folder, owner);
    } else if (errno != EINTR) {
        moda_log(MODA_LOG_WARNING, "%s: not locked (%s): let no other process write there", folder,
                 strerror(errno));
        *taken = true;
    }
out:
    if (!*taken && l->fd >= 0) close(l->fd);
    return st;
}

moda_status moda_lock_take(const char *folder, moda_lock **lock)
{
    moda_status st = MODA_OK;
    moda_lock *l = NULL;
    bool taken = false;
    *lock = NULL;
    MODA_ALLOC(l, sizeof *l);
    MODA_CHECK((l->path = moda_format("%s/.lock", folder)) != NULL, MODA_ERR_NOMEM,
               "out of memory");
    while (!taken) MODA_TRY(try_lock(l, folder, &taken));
    write_owner(l);
    *lock = l, l = NULL;
out:
    if (l) free(l->path);
    free(l);
    return st;
}

void moda_lock_release(moda_lock *l)
{
    if (!l) return;
    unlink(l->path); /* still locked: nobody else can hold this very file */
    close(l->fd);
    free(l->path);
    free(l);
}
