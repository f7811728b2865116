/* base/cache_dir.c - the user's cache folder, by the XDG base directory specification. */
#include "base/cache_dir.h"
#include "base/file.h"
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

static const char *absolute(const char *variable)
{
    const char *value = getenv(variable);
    return value && value[0] == '/' ? value : NULL;
}

/* Makes the folder; of its path the first `given` bytes have to be there already. */
static moda_status make_private(char *path, size_t given)
{
    moda_status st = MODA_OK;
    for (char *c = path + given + 1;; c++) {
        if (*c && *c != '/') continue;
        const char end = *c;
        *c = 0;
        /* Another process may be making it as well: what counts is what stands there. */
        const int reason = mkdir(path, 0700) == 0 ? 0 : errno;
        MODA_CHECK(!reason || moda_is_directory(path), MODA_ERR_IO,
                   "%s: no cache folder: %s: set XDG_CACHE_HOME to a folder that can be written to",
                   path, reason == EEXIST ? "is not a directory" : strerror(reason));
        *c = end;
        if (!end) break;
    }
out:
    return st;
}

moda_status moda_cache_dir(char **path)
{
    moda_status st = MODA_OK;
    const char *cache = absolute("XDG_CACHE_HOME"), *home = absolute("HOME");
    char *folder = NULL;
    *path = NULL;
    if (!cache && !home) goto out;
    folder = cache ? moda_format("%s/moda", cache) : moda_format("%s/.cache/moda", home);
    MODA_CHECK(folder, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(make_private(folder, cache ? 0 : strlen(home)));
    *path = folder, folder = NULL; /* handed over */
out:
    free(folder);
    return st;
}
