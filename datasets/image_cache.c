/* datasets/image_cache.c - where decoded pictures are kept, of what, and for how long. The file's
 * bytes are in image_cache_file.c. */
#include "base/cache_dir.h"
#include "base/file.h"
#include "base/log.h"
#include "datasets/image_cache_file_internal.h"
#include "datasets/image_cache_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* So much of a home may be taken without being asked. */
#define LIMIT  ((size_t)4 << 30)
#define SUFFIX ".images"

/* From here on this run does without. */
static void give_up(moda_image_cache *cache)
{
    moda_log(MODA_LOG_WARNING, "decoded images are not kept: %s", moda_last_error());
    moda_image_cache_close(cache);
}

/* ---- where ---- */

static moda_status choose_folder(moda_image_cache *cache, const char *choice)
{
    moda_status st = MODA_OK;
    char *user = NULL;
    if (!choice || !strcmp(choice, "off")) goto out;
    if (!strcmp(choice, "auto")) {
        MODA_TRY(moda_cache_dir(&user));
        if (!user) goto out;
        cache->limit = LIMIT;
    }
    cache->folder = user ? moda_format("%s/images", user) : moda_format("%s", choice);
    MODA_CHECK(cache->folder, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_make_directory(cache->folder));
out:
    free(user);
    return st;
}

void moda_image_cache_open(moda_image_cache *cache, const char *choice)
{
    *cache = (moda_image_cache){0};
    if (choose_folder(cache, choice) != MODA_OK) give_up(cache);
}

void moda_image_cache_close(moda_image_cache *cache)
{
    free(cache->folder);
    *cache = (moda_image_cache){0};
}

/* ---- of what ---- */

typedef struct stamp {
    int64_t bytes, seconds, nanoseconds;
} stamp;

/* Sizes and times of all files. On a network file system each question takes its time, hence
 * several at once. False: one of the files cannot be looked at; decoding it will say why. */
static bool take_stamps(char *const *paths, size_t n, stamp *stamps)
{
    size_t missing = 0;
#pragma omp parallel for schedule(dynamic, 64) reduction(+ : missing)
    for (size_t i = 0; i < n; i++) {
        struct stat s;
        if (stat(paths[i], &s) != 0)
            missing++;
        else
            stamps[i] = (stamp){s.st_size, s.st_mtim.tv_sec, s.st_mtim.tv_nsec};
    }
    return missing == 0;
}

static moda_status write_key(const char *place, size_t split_length, char *const *paths,
                             const moda_images *images, size_t shorter, const stamp *stamps,
                             moda_image_key *key)
{
    moda_status st = MODA_OK;
    FILE *text = open_memstream(&key->text, &key->bytes);
    MODA_CHECK(text, MODA_ERR_NOMEM, "out of memory");
    fprintf(text, "%s%c%zux%zu,%zu,%d%c", place, 0, images->height, images->width, shorter,
            images->own != NULL, 0);
    for (size_t i = 0; i < images->n; i++) fprintf(text, "%s%c", paths[i] + split_length + 1, 0);
    fwrite(stamps, sizeof *stamps, images->n, text);
    MODA_CHECK(moda_text_close(text, &key->text), MODA_ERR_NOMEM,
               "out of memory: list of %zu images", images->n);
out:
    return st;
}

static moda_status make_key(const moda_image_cache *cache, const char *split, char *const *paths,
                            const moda_images *images, size_t shorter, moda_image_key *key)
{
    moda_status st = MODA_OK;
    const char *way = images->own ? "whole" : shorter ? "middle" : "stretched";
    stamp *stamps = NULL;
    char *place = realpath(split, NULL);
    MODA_CHECK(place, MODA_ERR_IO, "%s: %s", split, strerror(errno));
    MODA_ALLOC(stamps, images->n * sizeof *stamps);
    if (!take_stamps(paths, images->n, stamps)) goto out;
    MODA_TRY(write_key(place, strlen(split), paths, images, shorter, stamps, key));
    /* Two folders of one CRC would take turns, no more: the key holds the place itself. */
    key->path = moda_format("%s/%08lx-%zux%zu-%s" SUFFIX, cache->folder,
                            crc32_z(0, (const Bytef *)place, strlen(place)), images->height,
                            images->width, way);
    MODA_CHECK(key->path, MODA_ERR_NOMEM, "out of memory");
out:
    free(place);
    free(stamps);
    return st;
}

void moda_image_key_make(moda_image_cache *cache, const char *split, char *const *paths,
                         const moda_images *images, size_t shorter, moda_image_key *key)
{
    *key = (moda_image_key){0};
    if (!cache->folder) return;
    if (make_key(cache, split, paths, images, shorter, key) != MODA_OK) give_up(cache);
}

void moda_image_key_free(moda_image_key *key)
{
    free(key->path);
    free(key->text);
    *key = (moda_image_key){0};
}

/* ---- for how long ---- */

/* Bytes of all entries, and the one that was not used for the longest time (NULL: none). Unfinished
 * files of killed runs count, too. */
static moda_status survey(const char *folder, size_t *bytes, char **oldest)
{
    moda_status st = MODA_OK;
    struct timespec least = {0};
    const struct dirent *e;
    char *path = NULL;
    DIR *d = opendir(folder);
    *bytes = 0, *oldest = NULL;
    MODA_CHECK(d, MODA_ERR_IO, "%s: %s", folder, strerror(errno));
    for (;;) {
        struct stat s;
        MODA_TRY(moda_directory_next(d, folder, &e));
        if (!e) break;
        if (!strstr(e->d_name, SUFFIX)) continue;
        free(path);
        MODA_CHECK((path = moda_format("%s/%s", folder, e->d_name)), MODA_ERR_NOMEM,
                   "out of memory");
        if (lstat(path, &s) != 0 || !S_ISREG(s.st_mode)) continue;
        *bytes += (size_t)s.st_size;
        if (*oldest && (s.st_mtim.tv_sec > least.tv_sec ||
                        (s.st_mtim.tv_sec == least.tv_sec && s.st_mtim.tv_nsec >= least.tv_nsec)))
            continue;
        free(*oldest);
        *oldest = path, path = NULL;
        least = s.st_mtim;
    }
out:
    free(path);
    if (d) closedir(d);
    return st;
}

/* Removes entries until `wanted` bytes fit below the limit. */
static moda_status make_room(const moda_image_cache *cache, size_t wanted)
{
    moda_status st = MODA_OK;
    char *oldest = NULL;
    for (;;) {
        size_t bytes = 0;
        free(oldest);
        MODA_TRY(survey(cache->folder, &bytes, &oldest));
        if (bytes <= cache->limit - wanted || !oldest) break;
        moda_log(MODA_LOG_DEBUG, "%s: removed to make room", oldest);
        /* Another run may have been faster. */
        MODA_CHECK(unlink(oldest) == 0 || errno == ENOENT, MODA_ERR_IO, "%s: %s", oldest,
                   strerror(errno));
    }
out:
    free(oldest);
    return st;
}

/* ---- reading and keeping ---- */

bool moda_image_cache_read(const moda_image_cache *cache, const moda_image_key *key,
                           moda_images *images)
{
    bool found = false;
    if (!cache->folder || !key->path || !moda_is_file(key->path)) return false;
    if (moda_image_file_read(key, images, &found) != MODA_OK)
        moda_log(MODA_LOG_WARNING, "%s: it is made anew", moda_last_error());
    if (found) {
        (void)!utimensat(AT_FDCWD, key->path, NULL, 0); /* used now; a read-only cache says no */
        moda_log(MODA_LOG_DEBUG, "%zu decoded images come from %s", images->n, key->path);
    }
    return found;
}

static moda_status keep(const moda_image_cache *cache, const moda_image_key *key,
                        const moda_images *images)
{
    moda_status st = MODA_OK;
    const size_t bytes = moda_image_file_bytes(key, images);
    if (cache->limit && bytes > cache->limit) {
        moda_log(MODA_LOG_INFO,
                 "%.1f GiB of decoded images are not kept for the next run: --image-cache DIR "
                 "keeps them, whatever their size",
                 (double)bytes / (1 << 30));
        goto out;
    }
    if (cache->limit) {
        unlink(key->path); /* what is replaced makes room first */
        MODA_TRY(make_room(cache, bytes));
    }
    MODA_TRY(moda_image_file_write(key, images));
out:
    return st;
}

void moda_image_cache_write(moda_image_cache *cache, const moda_image_key *key,
                            const moda_images *images)
{
    if (!cache->folder || !key->path) return;
    if (keep(cache, key, images) != MODA_OK) give_up(cache);
}
