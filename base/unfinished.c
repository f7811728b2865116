#include "base/file.h"
#include "base/unfinished_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

/* ---- names: NAME.moda-HOST-PROCESS-N.tmp ---- */

enum { TRIES = 100, HOST_DIGITS = 8 };

/* A number for the name of this machine: locks of some file systems are known to one machine only. */
static unsigned host(void)
{
    char name[256] = "";
    gethostname(name, sizeof name - 1);
    return (unsigned)crc32_z(0, (const Bytef *)name, strlen(name));
}

/* Behind what consists of these characters only, at least one; NULL: there is none. */
static const char *skip(const char *at, const char *characters, char next)
{
    const size_t n = strspn(at, characters);
    return n && at[n] == next ? at + n + 1 : NULL;
}

/* Whether it is the name of an unfinished file; *maker is its host. */
static bool is_unfinished(const char *name, unsigned *maker)
{
    static const char digits[] = "0123456789", mark[] = ".moda-";
    const char *at = NULL;
    for (const char *next = name; (next = strstr(next, mark)) != NULL;) at = next += strlen(mark);
    if (!at || sscanf(at, "%8x", maker) != 1) return false;
    if (strspn(at, "0123456789abcdef") != HOST_DIGITS) return false;
    at = skip(at, "0123456789abcdef", '-');
    at = at ? skip(at, digits, '-') : NULL;
    at = at ? skip(at, digits, '.') : NULL;
    return at && strcmp(at, "tmp") == 0;
}

/* ---- making one ---- */

/* Whether somebody took our new file, not yet locked, for one left behind: it is gone then, or soon.
 * Where files cannot be locked nobody takes any. */
static bool is_taken(int file)
{
    struct stat s;
    if (flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return true;
    return fstat(file, &s) != 0 || s.st_nlink == 0;
}

moda_status moda_unfinished_open(const char *path, char **name, int *file)
{
    static atomic_uint counter;
    moda_status st = MODA_OK;
    *name = NULL, *file = -1;
    for (int i = 0; i < TRIES && *file < 0; i++) {
        free(*name);
        *name = moda_format("%s.moda-%08x-%ld-%u.tmp", path, host(), (long)getpid(),
                            atomic_fetch_add(&counter, 1));
        MODA_CHECK(*name != NULL, MODA_ERR_NOMEM, "out of memory");
        *file = open(*name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (*file < 0 && errno != EEXIST) break;
        if (*file < 0 || !is_taken(*file)) continue;
        (void)unlink(*name);
        close(*file);
        *file = -1, errno = EEXIST;
    }
    MODA_CHECK(*file >= 0, MODA_ERR_IO, "%s: cannot be created: %s", path, strerror(errno));
out:
    if (st != MODA_OK) free(*name), *name = NULL; /* never made: nothing to remove */
    return st;
}

/* ---- removing those of dead writers ---- */

/* Where locks do not reach other machines, a file of one of them has no lock here: only its age tells. */
static bool may_go(const struct stat *s, unsigned maker)
{
    enum { DAY = 24 * 60 * 60 };
    return S_ISREG(s->st_mode) && (maker == host() || time(NULL) - s->st_mtime > DAY);
}

static void remove_if_left(int folder, const char *name, unsigned maker)
{
    struct stat held, named;
    const int file = openat(folder, name, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0) return;
    /* Its writer may have finished since, and another one begun under the same name. */
    if (flock(file, LOCK_EX | LOCK_NB) == 0 && fstat(file, &held) == 0 && may_go(&held, maker) &&
        fstatat(folder, name, &named, AT_SYMLINK_NOFOLLOW) == 0 && held.st_ino == named.st_ino &&
        held.st_dev == named.st_dev)
        (void)unlinkat(folder, name, 0);
    close(file);
}

void moda_remove_leftovers(const char *directory)
{
    const struct dirent *e;
    unsigned maker;
    DIR *folder = opendir(directory);
    while (folder && moda_directory_next(folder, directory, &e) == MODA_OK && e)
        if (is_unfinished(e->d_name, &maker)) remove_if_left(dirfd(folder), e->d_name, maker);
    if (folder) closedir(folder);
}
