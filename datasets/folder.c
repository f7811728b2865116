/* datasets/folder.c - pictures in one folder per class: DIR/train/CLASS/FILE, and DIR/test or
 * DIR/val the same. Classes and files are in the order of their names' bytes, whatever the locale,
 * so a tree has one meaning everywhere. */
#include "base/file.h"
#include "base/progress.h"
#include "datasets/crop_internal.h"
#include "datasets/image_cache_internal.h"
#include "datasets/image_internal.h"
#include "datasets/reader_internal.h"
#include <errno.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_SIDE = 32, RGB = 3 };

/* Names or paths; each string is owned. */
typedef struct name_list {
    char **names;
    size_t n, capacity;
} name_list;

/* DIR/train or its like. own: pictures that keep proportions are kept whole, not just their
 * middles. */
typedef struct split {
    char *dir;
    const char *label;
    name_list folders; /* of the classes */
    bool own;
} split;

static void list_free(name_list *l)
{
    for (size_t i = 0; i < l->n; i++) free(l->names[i]);
    free(l->names);
    *l = (name_list){0};
}

/* Takes name over, NULL means that there was no memory for it. */
static moda_status list_add(name_list *l, char *name)
{
    moda_status st = MODA_OK;
    MODA_CHECK(name != NULL, MODA_ERR_NOMEM, "out of memory");
    if (l->n == l->capacity) {
        const size_t capacity = l->capacity ? 2 * l->capacity : 64;
        char **names = realloc(l->names, capacity * sizeof *names);
        MODA_CHECK(names != NULL, MODA_ERR_NOMEM, "out of memory: %zu file names", capacity);
        l->names = names;
        l->capacity = capacity;
    }
    l->names[l->n++] = name, name = NULL;
out:
    free(name);
    return st;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool is_picture_name(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot &&
           (!strcasecmp(dot, ".jpg") || !strcasecmp(dot, ".jpeg") || !strcasecmp(dot, ".png"));
}

/* The folders, or else the pictures of dir, as full paths, sorted. Hidden entries and whatever is
 * neither are passed over. A picture that cannot be opened is listed: reading it will say why. */
static moda_status list_entries(const char *dir, bool folders, name_list *list)
{
    moda_status st = MODA_OK;
    const struct dirent *e;
    char *path = NULL;
    DIR *d = opendir(dir);
    MODA_CHECK(d != NULL, MODA_ERR_IO, "%s: %s", dir, strerror(errno));
    for (;;) {
        MODA_TRY(moda_directory_next(d, dir, &e));
        if (!e) break;
        if (e->d_name[0] == '.' || (!folders && !is_picture_name(e->d_name))) continue;
        path = moda_format("%s/%s", dir, e->d_name);
        MODA_CHECK(path, MODA_ERR_NOMEM, "out of memory");
        const bool is_folder =
            e->d_type == DT_DIR || (e->d_type != DT_REG && moda_is_directory(path));
        if (is_folder == folders)
            st = list_add(list, path);
        else
            free(path);
        path = NULL;
        if (st != MODA_OK) goto out;
    }
    if (list->n) qsort(list->names, list->n, sizeof *list->names, by_bytes);
out:
    free(path);
    if (d) closedir(d);
    return st;
}

static const char *base_name(const char *path)
{
    return strrchr(path, '/') + 1;
}

/* The failure of the first broken file, whichever thread met it and when. */
typedef struct first_failure {
    size_t index;
    moda_status status;
    char message[1024];
} first_failure;

static void record_failure(first_failure *first, size_t index, moda_status status)
{
#pragma omp critical(moda_folder_failure)
    if (index < first->index) {
#pragma omp atomic write
        first->index = index;
        first->status = status;
        snprintf(first->message, sizeof first->message, "%s", moda_last_error());
    }
}

/* The middle of a picture that kept its proportions. from [3,p->height,p->width], to [3,h,w]. */
static void copy_middle(const moda_picture *p, size_t height, size_t width, uint8_t *to)
{
    const size_t top = moda_middle(p->height, height), left = moda_middle(p->width, width);
    for (size_t row = 0; row < RGB * height; row++) {
        const size_t y = row / height * p->height + top + row % height;
        memcpy(to + row * width, p->pixels + y * p->width + left, width);
    }
}

/* Image i of the split: as it is wanted at once, or with proportions and memory of its own, or of
 * such a one the middle. */
static moda_status decode_one(const char *path, size_t shorter, moda_images *images, size_t i)
{
    moda_status st = MODA_OK;
    uint8_t *to = images->own ? NULL : images->pixels + i * moda_images_stride(images);
    moda_picture p = {images->height, images->width, shorter ? NULL : to, shorter};
    MODA_TRY(moda_picture_read(path, &p));
    if (images->own) {
        images->own[i] = (moda_own_image){p.height, p.width, p.pixels};
        p.pixels = NULL; /* handed over */
    } else if (shorter) {
        copy_middle(&p, images->height, images->width, to);
    }
out:
    if (shorter) free(p.pixels);
    return st;
}

/* Fills images' pixels. The calls may fail, the loop cannot: what failed is reported after it.
 * Behind a broken file nothing has to be read any more, before it everything: one of those may be
 * broken, too. */
static moda_status decode_all(const name_list *files, const char *label, size_t shorter,
                              moda_images *images)
{
    moda_status st = MODA_OK;
    first_failure first = {.index = SIZE_MAX};
    moda_progress progress;
    size_t done = 0;
    moda_progress_begin(&progress, label, "images", files->n);
#pragma omp parallel for schedule(dynamic, 16)
    for (size_t i = 0; i < files->n; i++) {
        size_t so_far, broken;
#pragma omp atomic read
        broken = first.index;
        if (i > broken) continue;
        const moda_status status = decode_one(files->names[i], shorter, images, i);
        if (status != MODA_OK) record_failure(&first, i, status);
#pragma omp atomic capture
        so_far = ++done;
        /* A log gets a line only while reading takes long, so not for the last picture. */
        if (omp_get_thread_num() == 0 && so_far < files->n)
            moda_progress_update(&progress, so_far, NULL);
    }
    if (progress.terminal) moda_progress_end(&progress);
    MODA_CHECK(first.status == MODA_OK, first.status, "%s", first.message);
out:
    return st;
}

/* Paths of all pictures, class by class; counts[c] of them belong to class c. */
static moda_status list_pictures(const name_list *folders, name_list *files, size_t *counts)
{
    moda_status st = MODA_OK;
    name_list part = {0};
    for (size_t c = 0; c < folders->n; c++) {
        list_free(&part);
        MODA_TRY(list_entries(folders->names[c], false, &part));
        MODA_CHECK(part.n > 0, MODA_ERR_FORMAT,
                   "%s: empty class: no .jpg, .jpeg or .png file in it: add pictures or remove the "
                   "folder",
                   folders->names[c]);
        counts[c] = part.n;
        for (size_t i = 0; i < part.n; i++) {
            char *path = part.names[i];
            part.names[i] = NULL; /* handed over */
            MODA_TRY(list_add(files, path));
        }
    }
out:
    list_free(&part);
    return st;
}

static moda_status read_split(const split *s, const moda_dataset_options *o,
                              moda_image_cache *cache, moda_images *images)
{
    moda_status st = MODA_OK;
    const size_t height = o->height ? o->height : DEFAULT_SIDE;
    const size_t width = o->width ? o->width : DEFAULT_SIDE;
    const size_t shorter = o->crop == MODA_CROP_RESIZED ? moda_shorter_side(height) : 0;
    const name_list *folders = &s->folders;
    moda_image_key key = {0};
    name_list files = {0};
    size_t *counts = NULL;
    MODA_ALLOC(counts, folders->n * sizeof *counts);
    MODA_TRY(list_pictures(folders, &files, counts));
    if (s->own)
        MODA_TRY(moda_images_alloc_own(images, files.n, RGB, height, width));
    else
        MODA_TRY(moda_images_alloc(images, files.n, RGB, height, width));
    for (size_t c = 0, i = 0; c < folders->n; c++)
        for (size_t k = 0; k < counts[c]; k++) images->labels[i++] = (uint32_t)c;
    moda_image_key_make(cache, s->dir, files.names, images, shorter, &key);
    if (moda_image_cache_read(cache, &key, images)) goto out;
    MODA_TRY(decode_all(&files, s->label, shorter, images));
    moda_image_cache_write(cache, &key, images);
out:
    moda_image_key_free(&key);
    list_free(&files);
    free(counts);
    return st;
}

static moda_status set_class_names(const split *s, moda_dataset *d)
{
    moda_status st = MODA_OK;
    const name_list *folders = &s->folders;
    const char **names = NULL;
    MODA_CHECK(folders->n >= 2, MODA_ERR_FORMAT,
               "%s: %s: at least two are needed, one folder per class", s->dir,
               folders->n ? "a single class folder" : "no class folder");
    MODA_CHECK(folders->n <= MODA_MAX_CLASSES, MODA_ERR_UNSUPPORTED,
               "%s: %zu class folders: at most %d are possible", s->dir, folders->n,
               MODA_MAX_CLASSES);
    MODA_ALLOC(names, folders->n * sizeof *names);
    for (size_t c = 0; c < folders->n; c++) names[c] = base_name(folders->names[c]);
    MODA_TRY(moda_dataset_set_classes(d, folders->n, names));
out:
    free(names);
    return st;
}

/* A test split numbers its classes by its own folders: they must be those of the training split. */
static moda_status check_same_classes(const split *s, const moda_dataset *d)
{
    moda_status st = MODA_OK;
    const name_list *folders = &s->folders;
    size_t t = 0;
    for (size_t c = 0; c < d->classes; c++) {
        const int order =
            t < folders->n ? strcmp(base_name(folders->names[t]), d->class_names[c]) : 1;
        MODA_CHECK(order >= 0, MODA_ERR_FORMAT,
                   "%s: class folder '%s' is not in train/: remove it, or add it there", s->dir,
                   base_name(folders->names[t]));
        MODA_CHECK(order == 0, MODA_ERR_FORMAT,
                   "%s: lacks class folder '%s', which train/ has: add it", s->dir,
                   d->class_names[c]);
        t++;
    }
    MODA_CHECK(t == folders->n, MODA_ERR_FORMAT,
               "%s: class folder '%s' is not in train/: remove it, or add it there", s->dir,
               base_name(folders->names[t]));
out:
    return st;
}

moda_status moda_folder_read(const char *where, const moda_dataset_options *options,
                             moda_dataset *d)
{
    moda_status st = MODA_OK;
    split train = {.dir = moda_format("%s/train", where),
                   .label = "reading training images",
                   .own = options->crop == MODA_CROP_RESIZED};
    split test = {.dir = moda_format("%s/test", where), .label = "reading test images"};
    moda_image_cache cache = {0};
    MODA_CHECK(train.dir && test.dir, MODA_ERR_NOMEM, "out of memory");
    MODA_CHECK(moda_is_directory(train.dir), MODA_ERR_IO,
               "%s: no such directory: put the training pictures there, one folder per class",
               train.dir);
    MODA_TRY(list_entries(train.dir, true, &train.folders));
    MODA_TRY(set_class_names(&train, d));
    if (!moda_is_directory(test.dir)) {
        free(test.dir);
        test.dir = moda_format("%s/val", where);
        MODA_CHECK(test.dir, MODA_ERR_NOMEM, "out of memory");
    }
    if (moda_is_directory(test.dir)) { /* wrong class folders are found before hours of decoding */
        MODA_TRY(list_entries(test.dir, true, &test.folders));
        MODA_TRY(check_same_classes(&test, d));
    }
    moda_image_cache_open(&cache, options->image_cache);
    MODA_TRY(read_split(&train, options, &cache, &d->train));
    if (test.folders.n > 0) MODA_TRY(read_split(&test, options, &cache, &d->test));
out:
    moda_image_cache_close(&cache);
    list_free(&train.folders);
    list_free(&test.folders);
    free(train.dir);
    free(test.dir);
    return st;
}
