/* datasets/cifar.c - the binary versions of CIFAR-10 and CIFAR-100.
 *
 * A file is a row of records without header: the label bytes (CIFAR-10: the class; CIFAR-100: the
 * coarse, then the fine class), then 3072 pixel bytes, planar RGB 32x32. Any number of records. */
#include "base/file.h"
#include "datasets/reader_internal.h"
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 32, CHANNELS = 3, PIXEL_BYTES = CHANNELS * SIDE * SIDE };

typedef struct cifar_layout {
    size_t classes, coarse_classes; /* coarse 0: the record has no coarse label */
    const char *train, *test;       /* file names; train may be a pattern */
    const char *names_file;
    const char *const *names; /* without that file; NULL: numbers */
} cifar_layout;

static size_t label_bytes(const cifar_layout *l)
{
    return l->coarse_classes ? 2 : 1;
}

static moda_status check_file(const cifar_layout *l, const char *path, size_t size)
{
    moda_status st = MODA_OK;
    const size_t record = label_bytes(l) + PIXEL_BYTES;
    MODA_CHECK(size > 0, MODA_ERR_FORMAT, "%s: empty file: fetch it again", path);
    MODA_CHECK(size % record == 0, MODA_ERR_FORMAT,
               "%s: truncated: record %zu starts at byte %zu and has %zu of %zu bytes: fetch the "
               "file again",
               path, size / record, size / record * record, size % record, record);
out:
    return st;
}

static moda_status copy_records(const cifar_layout *l, const char *path, const uint8_t *data,
                                size_t count, size_t first, moda_images *images)
{
    moda_status st = MODA_OK;
    const size_t labels = label_bytes(l), record = labels + PIXEL_BYTES;
    for (size_t i = 0; i < count; i++) {
        const uint8_t *r = data + i * record;
        MODA_CHECK(labels == 1 || r[0] < l->coarse_classes, MODA_ERR_FORMAT,
                   "%s: coarse label %u of record %zu (byte %zu) is not in 0..%zu: fetch the file "
                   "again",
                   path, r[0], i, i * record, l->coarse_classes - 1);
        MODA_CHECK(r[labels - 1] < l->classes, MODA_ERR_FORMAT,
                   "%s: label %u of record %zu (byte %zu) is not in 0..%zu: fetch the file again",
                   path, r[labels - 1], i, i * record + labels - 1, l->classes - 1);
        images->labels[first + i] = r[labels - 1];
        memcpy(images->pixels + (first + i) * PIXEL_BYTES, r + labels, PIXEL_BYTES);
    }
out:
    return st;
}

/* All files become one split, in the order of names[]. */
static moda_status read_files(const cifar_layout *l, const char *dir, struct dirent **names,
                              size_t count, moda_images *images)
{
    moda_status st = MODA_OK;
    const size_t record = label_bytes(l) + PIXEL_BYTES;
    moda_mapped_file *files = NULL;
    char *path = NULL;
    size_t total = 0, first = 0;
    MODA_ALLOC(files, count * sizeof *files);
    for (int pass = 0; pass < 2; pass++) { /* measure and check, then copy */
        if (pass == 1) MODA_TRY(moda_images_alloc(images, total, CHANNELS, SIDE, SIDE));
        for (size_t i = 0; i < count; i++) {
            free(path);
            path = moda_format("%s/%s", dir, names[i]->d_name);
            MODA_CHECK(path, MODA_ERR_NOMEM, "out of memory");
            if (pass == 0) {
                MODA_TRY(moda_file_map(path, &files[i]));
                MODA_TRY(check_file(l, path, files[i].size));
                total += files[i].size / record;
            } else {
                const size_t n = files[i].size / record;
                MODA_TRY(copy_records(l, path, files[i].data, n, first, images));
                first += n;
            }
        }
    }
out:
    for (size_t i = 0; files && i < count; i++) moda_file_unmap(&files[i]);
    free(files);
    free(path);
    return st;
}

/* scandir's filter has no argument of its own. */
static _Thread_local const char *wanted_pattern;
static int matches_pattern(const struct dirent *entry)
{
    return fnmatch(wanted_pattern, entry->d_name, 0) == 0;
}

/* Files that match pattern, numbers in their names in numerical order; none is fine. */
static moda_status read_split(const cifar_layout *l, const char *dir, const char *pattern,
                              moda_images *images)
{
    moda_status st = MODA_OK;
    struct dirent **names = NULL;
    wanted_pattern = pattern;
    const int count = scandir(dir, &names, matches_pattern, versionsort);
    MODA_CHECK(count >= 0, MODA_ERR_IO, "%s: %s", dir, strerror(errno));
    if (count > 0) MODA_TRY(read_files(l, dir, names, (size_t)count, images));
out:
    for (int i = 0; names && i < count; i++) free(names[i]);
    free(names);
    return st;
}

/* Cuts the text into lines, leaving out empty ones; at most limit+1 are counted. */
static size_t split_lines(char *text, const char **lines, size_t limit)
{
    size_t n = 0;
    char *rest = NULL;
    for (char *line = strtok_r(text, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest)) {
        if (n < limit) lines[n] = line;
        if (++n > limit) break;
    }
    return n;
}

static moda_status read_names(const cifar_layout *l, const char *dir, moda_dataset *d)
{
    moda_status st = MODA_OK;
    moda_mapped_file file = {0};
    const char **lines = NULL;
    char *text = NULL, *path = moda_format("%s/%s", dir, l->names_file);
    MODA_CHECK(path, MODA_ERR_NOMEM, "out of memory");
    if (!moda_is_file(path)) {
        MODA_TRY(moda_dataset_set_classes(d, l->classes, l->names));
        goto out;
    }
    MODA_TRY(moda_file_map(path, &file));
    MODA_CHECK(file.size < 1 << 16 && (!file.size || !memchr(file.data, 0, file.size)),
               MODA_ERR_FORMAT, "%s: not a text of %zu class names: fetch it again or remove it",
               path, l->classes);
    MODA_ALLOC(text, file.size + 1);
    MODA_ALLOC(lines, l->classes * sizeof *lines);
    if (file.size) memcpy(text, file.data, file.size);
    const size_t n = split_lines(text, lines, l->classes);
    MODA_CHECK(n == l->classes, MODA_ERR_FORMAT,
               "%s: %s than %zu class names, one a line: fetch it again or remove it", path,
               n < l->classes ? "fewer" : "more", l->classes);
    MODA_TRY(moda_dataset_set_classes(d, l->classes, lines));
out:
    moda_file_unmap(&file);
    free(lines);
    free(text);
    free(path);
    return st;
}

static moda_status read_cifar(const cifar_layout *l, const char *dir, moda_dataset *d)
{
    moda_status st = MODA_OK;
    MODA_TRY(read_names(l, dir, d));
    MODA_TRY(read_split(l, dir, l->train, &d->train));
    MODA_TRY(read_split(l, dir, l->test, &d->test));
    MODA_CHECK(d->train.n + d->test.n > 0, MODA_ERR_IO,
               "%s: neither %s nor %s is there: give the directory of the binary version", dir,
               l->train, l->test);
out:
    return st;
}

moda_status moda_cifar10_read(const char *where, const moda_dataset_options *options,
                              moda_dataset *d)
{
    static const char *const names[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                        "dog",      "frog",       "horse", "ship", "truck"};
    static const cifar_layout layout = {.classes = 10,
                                        .train = "data_batch_*.bin",
                                        .test = "test_batch.bin",
                                        .names_file = "batches.meta.txt",
                                        .names = names};
    (void)options;
    return read_cifar(&layout, where, d);
}

moda_status moda_cifar100_read(const char *where, const moda_dataset_options *options,
                               moda_dataset *d)
{
    static const cifar_layout layout = {.classes = 100,
                                        .coarse_classes = 20,
                                        .train = "train.bin",
                                        .test = "test.bin",
                                        .names_file = "fine_label_names.txt"};
    (void)options;
    return read_cifar(&layout, where, d);
}
