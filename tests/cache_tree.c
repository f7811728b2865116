/* tests/cache_tree.c */
#include "tests/cache_tree.h"
#include "tests/capture.h"
#include "tests/data_files.h"
#include "tests/pictures.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { HEIGHT = 40, WIDTH = 56 };

void cache_tree_begin(void)
{
    scratch_begin();
    test_folder();
    setenv("XDG_CACHE_HOME", scratch("xdg"), 1);
}

void cache_tree_end(void)
{
    test_folder_remove();
    scratch_end();
}

void write_picture(const char *path, unsigned mark)
{
    static uint8_t rgb[3 * HEIGHT * WIDTH];
    for (size_t i = 0; i < sizeof rgb; i++) rgb[i] = (uint8_t)(i * i / 7 + i * (mark % 13) + mark);
    write_bytes(path, "", 0); /* makes the folders */
    if (mark % 2)
        write_jpeg(path, HEIGHT, WIDTH, 3, false, rgb);
    else
        write_rgb_png(path, WIDTH, HEIGHT, rgb);
}

const char *tree_picture(const char *split, unsigned i)
{
    return scratch("d/%s/%s/%02u.%s", split, i % 4 < 2 ? "cat" : "dog", i, i % 2 ? "jpg" : "png");
}

void write_tree(void)
{
    for (unsigned i = 0; i < CACHE_TREE_TRAIN; i++) write_picture(tree_picture("train", i), i);
    for (unsigned i = 0; i < CACHE_TREE_TEST; i++) write_picture(tree_picture("val", i), 100 + i);
}

void spoil(const char *path)
{
    struct stat s;
    cr_assert(zero(int, stat(path, &s)), "%s", path);
    uint8_t *nothing = calloc((size_t)s.st_size, 1);
    write_bytes(path, nothing, (size_t)s.st_size);
    free(nothing);
    cr_assert(zero(int, utimensat(AT_FDCWD, path, (struct timespec[]){s.st_mtim, s.st_mtim}, 0)));
}

void spoil_tree(void)
{
    for (unsigned i = 0; i < CACHE_TREE_TRAIN; i++) spoil(tree_picture("train", i));
    for (unsigned i = 0; i < CACHE_TREE_TEST; i++) spoil(tree_picture("val", i));
}

moda_dataset *open_with(const char *cache, moda_crop crop)
{
    const moda_dataset_options o = {.height = 32, .width = 32, .crop = crop, .image_cache = cache};
    return must_open(spec_of("folder", "d"), &o);
}

static void check_same_images(const moda_images *a, const moda_images *b)
{
    cr_assert(eq(sz, a->n, b->n));
    cr_assert(zero(int, memcmp(a->labels, b->labels, a->n * sizeof *a->labels)));
    cr_assert(eq(int, a->own != NULL, b->own != NULL));
    for (size_t i = 0; i < a->n; i++) {
        const size_t area = a->height * a->width;
        const moda_own_image x =
            a->own ? a->own[i] : (moda_own_image){a->height, a->width, a->pixels + i * 3 * area};
        const moda_own_image y =
            b->own ? b->own[i] : (moda_own_image){b->height, b->width, b->pixels + i * 3 * area};
        cr_assert(eq(sz, x.height, y.height), "image %zu", i);
        cr_assert(eq(sz, x.width, y.width), "image %zu", i);
        cr_assert(zero(int, memcmp(x.pixels, y.pixels, 3 * x.height * x.width)), "image %zu", i);
    }
}

void check_same(const moda_dataset *a, const moda_dataset *b)
{
    check_same_images(&a->train, &b->train);
    check_same_images(&a->test, &b->test);
    cr_assert(zero(int, memcmp(a->mean, b->mean, sizeof a->mean)));
    cr_assert(zero(int, memcmp(a->std, b->std, sizeof a->std)));
}

void check_warnings(const char *cache, const moda_dataset *wanted, size_t count, const char *word)
{
    test_capture(2);
    moda_dataset *d = open_with(cache, MODA_CROP_PADDED);
    char *said = test_captured();
    size_t warnings = 0, words = 0;
    for (const char *p = said; (p = strstr(p, "moda: warning: ")); p++) warnings++;
    for (const char *p = said; word && (p = strstr(p, word)); p++) words++;
    cr_assert(eq(sz, warnings, count), "%s", said);
    cr_assert(eq(sz, words, count), "'%s' in: %s", word, said);
    check_same(d, wanted);
    free(said);
    moda_dataset_destroy(d);
}

/* Files in a folder (-1: there is none), and the path of the largest. */
static int list(const char *folder, char largest[512])
{
    int n = 0;
    off_t most = -1;
    DIR *d = opendir(folder);
    if (!d) return -1;
    for (struct dirent *e; (e = readdir(d));) {
        char path[512];
        struct stat s;
        if (e->d_name[0] == '.') continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (stat(path, &s) == 0 && s.st_size > most) most = s.st_size, strcpy(largest, path);
        n++;
    }
    closedir(d);
    return n;
}

int cache_entries(const char *folder)
{
    char path[512];
    return list(folder, path);
}

const char *largest_entry(const char *folder)
{
    static char path[512];
    cr_assert(lt(int, 0, list(folder, path)), "%s", folder);
    return path;
}

void set_time(const char *path, time_t seconds, long nanoseconds)
{
    const struct timespec t = {seconds, nanoseconds};
    cr_assert(zero(int, utimensat(AT_FDCWD, path, (struct timespec[]){t, t}, 0)), "%s", path);
}
