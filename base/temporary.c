#include "base/file.h"
#include "base/temporary_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* NAME.moda-PROCESS-N.tmp: neither threads nor jobs meet there, nor do files of other programs. */
static const char pattern[] = "*.moda-[0-9]*-[0-9]*.tmp";

enum { TRIES = 100 };

/* Whether somebody took our new file, not yet locked, for one left behind: it is gone then, or soon. Where
 * files cannot be locked nobody takes any. */
static bool is_taken(int file)
{
    struct stat s;
    if (flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) return true;
    return fstat(file, &s) == 0 && s.st_nlink == 0;
}

moda_status moda_temporary_open(const char *path, char **name, int *file)
{
    static atomic_uint counter;
    moda_status st = MODA_OK;
    *name = NULL, *file = -1;
    for (int i = 0; i < TRIES && *file < 0; i++) {
        free(*name);
        *name =
            moda_format("%s.moda-%ld-%u.tmp", path, (long)getpid(), atomic_fetch_add(&counter, 1));
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

static void remove_if_left(int folder, const char *name)
{
    const int file = openat(folder, name, O_WRONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
    if (file < 0) return;
    if (flock(file, LOCK_EX | LOCK_NB) == 0) (void)unlinkat(folder, name, 0);
    close(file);
}

void moda_remove_leftovers(const char *directory)
{
    const struct dirent *e;
    DIR *folder = opendir(directory);
    while (folder && moda_directory_next(folder, directory, &e) == MODA_OK && e)
        if (fnmatch(pattern, e->d_name, 0) == 0) remove_if_left(dirfd(folder), e->d_name);
    if (folder) closedir(folder);
}
