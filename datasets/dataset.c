/* datasets/dataset.c - from a SPEC to a data set: which reader, which normalisation, what is kept. */
#include "datasets/dataset.h"
#include "base/file.h"
#include "datasets/reader_internal.h"
#include <stdlib.h>
#include <string.h>

#define FASHION_MNIST_DIRECTORY "/usr/share/datasets/fashion-mnist"
enum { PADDED_SIZE = 32, MAX_SIDE = 4096 };

typedef struct source {
    const char *word;
    moda_reader *read;
    const char *contents;  /* of DIR, for messages; NULL: no directory stands behind the colon */
    const char *directory; /* when the SPEC has none */
    const char *remedy;    /* when that directory is missing */
    bool flip, resizes, pads;
    moda_normalisation normalisation; /* what MODA_NORMALISATION_DEFAULT means */
} source;

/* Published means and deviations of a pixel in [0,1]. */
typedef struct constants {
    const char *word;
    float mean[MODA_MAX_CHANNELS], std[MODA_MAX_CHANNELS];
} constants;

static const constants published[] = {
    [MODA_NORMALISATION_CIFAR10] = {"cifar10", {.4914f, .4822f, .4465f}, {.2471f, .2435f, .2616f}},
    [MODA_NORMALISATION_CIFAR100] = {"cifar100",
                                     {.5071f, .4867f, .4408f},
                                     {.2675f, .2565f, .2761f}},
    [MODA_NORMALISATION_IMAGENET] = {"imagenet", {.485f, .456f, .406f}, {.229f, .224f, .225f}},
};

#define IDX_CONTENTS "train-images-idx3-ubyte[.gz] and its three companions"
static const source sources[] = {
    {.word = "fashion-mnist",
     .read = moda_fashion_mnist_read,
     .contents = IDX_CONTENTS,
     .directory = FASHION_MNIST_DIRECTORY,
     .remedy = "apt install dataset-fashion-mnist, or name another place: fashion-mnist:DIR",
     .flip = true,
     .pads = true},
    {.word = "mnist", .read = moda_mnist_read, .contents = IDX_CONTENTS, .pads = true},
    {.word = "cifar10",
     .read = moda_cifar10_read,
     .contents = "data_batch_1.bin and test_batch.bin",
     .flip = true,
     .normalisation = MODA_NORMALISATION_CIFAR10},
    {.word = "cifar100",
     .read = moda_cifar100_read,
     .contents = "train.bin and test.bin",
     .flip = true,
     .normalisation = MODA_NORMALISATION_CIFAR100},
    {.word = "svhn",
     .read = moda_svhn_read,
     .contents = "train_32x32.mat and test_32x32.mat",
     .normalisation = MODA_NORMALISATION_IMAGENET},
    {.word = "folder",
     .read = moda_folder_read,
     .contents = "train/CLASS/*.jpg (or .png)",
     .flip = true,
     .resizes = true},
    {.word = "synthetic", .read = moda_synthetic_read, .flip = true},
};

/* Splits "word:where"; where is NULL when there is no colon. */
static moda_status find_source(const char *spec, const source **found, const char **where)
{
    moda_status st = MODA_OK;
    const size_t length = strcspn(spec, ":");
    const source *match = NULL;
    for (size_t i = 0; i < sizeof sources / sizeof *sources; i++)
        if (strlen(sources[i].word) == length && memcmp(sources[i].word, spec, length) == 0)
            match = &sources[i];
    MODA_CHECK(match != NULL, MODA_ERR_ARG,
               "unknown data set '%s': use fashion-mnist[:DIR], mnist:DIR, cifar10:DIR, "
               "cifar100:DIR, svhn:DIR, folder:DIR or synthetic[:KEY=N,...]",
               spec);
    *found = match;
    *where = spec[length] == ':' ? spec + length + 1 : NULL;
out:
    return st;
}

/* A directory reader gets a directory that is there. */
static moda_status check_directory(const source *s, const char *spec, const char **where)
{
    moda_status st = MODA_OK;
    if (!s->contents) {
        if (!*where) *where = "";
        goto out;
    }
    if (!*where && s->directory) {
        *where = s->directory;
        MODA_CHECK(moda_is_directory(*where), MODA_ERR_IO, "%s: no such directory: %s", *where,
                   s->remedy);
    }
    MODA_CHECK(*where && **where, MODA_ERR_ARG,
               "data set '%s' lacks its directory: write %s:DIR, where DIR holds %s", spec, s->word,
               s->contents);
    MODA_CHECK(moda_is_directory(*where), MODA_ERR_IO,
               "%s: no such directory: %s needs one that holds %s", *where, s->word, s->contents);
out:
    return st;
}

static moda_status check_options(const source *s, const char *spec, const moda_dataset_options *o)
{
    moda_status st = MODA_OK;
    MODA_CHECK(s->resizes || (o->height == 0 && o->width == 0), MODA_ERR_ARG,
               "%s: an image size of %zu x %zu was asked for, but only folder:DIR resizes: leave "
               "the size out",
               spec, o->height, o->width);
    MODA_CHECK((o->height == 0) == (o->width == 0) && o->height <= MAX_SIDE && o->width <= MAX_SIDE,
               MODA_ERR_ARG, "%s: image size %zu x %zu: both sides must be in 1..%d", spec,
               o->height, o->width, MAX_SIDE);
    MODA_CHECK(o->crop != MODA_CROP_RESIZED || o->height == o->width, MODA_ERR_ARG,
               "%s: image size %zu x %zu: resized crops are square", spec, o->height, o->width);
    MODA_CHECK(s->resizes || !o->image_cache || !strcmp(o->image_cache, "auto") ||
                   !strcmp(o->image_cache, "off"),
               MODA_ERR_ARG,
               "%s: a folder for decoded images was given, but only folder:DIR decodes any: leave "
               "it out",
               spec);
    MODA_CHECK(!o->image_cache || *o->image_cache, MODA_ERR_ARG,
               "%s: an empty name is no folder for decoded images: use auto, off or a folder",
               spec);
    MODA_CHECK(o->classes.n == 0 || o->classes.values, MODA_ERR_ARG,
               "%s: class list without values", spec);
out:
    return st;
}

/* A split without images still has the shape of the data. */
static void share_shape(moda_images *empty, const moda_images *full)
{
    if (empty->n || !full->n) return;
    empty->channels = full->channels, empty->height = full->height, empty->width = full->width;
}

/* Measured before padding, which says nothing about the images. */
static moda_status normalise(const source *s, const moda_dataset_options *o, moda_dataset *d)
{
    moda_status st = MODA_OK;
    const moda_normalisation wanted = o->normalisation ? o->normalisation : s->normalisation;
    if (wanted == MODA_NORMALISATION_DEFAULT || wanted == MODA_NORMALISATION_MEASURED) {
        MODA_CHECK(d->train.n, MODA_ERR_ARG,
                   "%s: no training images to measure the normalisation on: give --normalisation",
                   d->name);
        moda_images_measure(&d->train, d->mean, d->std);
    } else {
        const constants *known = &published[wanted];
        const size_t channels = d->train.n ? d->train.channels : d->test.channels;
        MODA_CHECK(channels == 3, MODA_ERR_ARG,
                   "%s: the images have %zu channels, normalisation %s is for 3: use measured",
                   d->name, channels, known->word);
        memcpy(d->mean, known->mean, sizeof d->mean);
        memcpy(d->std, known->std, sizeof d->std);
    }
    if (s->pads) {
        MODA_TRY(moda_images_pad(&d->train, PADDED_SIZE, PADDED_SIZE));
        MODA_TRY(moda_images_pad(&d->test, PADDED_SIZE, PADDED_SIZE));
    }
out:
    return st;
}

moda_status moda_dataset_open(const char *spec, const moda_dataset_options *options,
                              moda_dataset **dataset)
{
    moda_status st = MODA_OK;
    const moda_dataset_options none = {0}, *o = options ? options : &none;
    const source *s = NULL;
    const char *where = NULL;
    moda_dataset *d = NULL;
    *dataset = NULL;
    MODA_CHECK(spec != NULL, MODA_ERR_ARG, "no data set given");
    MODA_TRY(find_source(spec, &s, &where));
    MODA_TRY(check_options(s, spec, o));
    MODA_TRY(check_directory(s, spec, &where));
    MODA_ALLOC(d, sizeof *d);
    MODA_CHECK((d->name = strdup(s->word)) != NULL, MODA_ERR_NOMEM, "out of memory");
    d->flip = s->flip;
    d->crop_resized = o->crop == MODA_CROP_RESIZED;
    MODA_TRY(s->read(where, o, d));
    MODA_CHECK(d->train.n < UINT32_MAX && d->test.n < UINT32_MAX, MODA_ERR_UNSUPPORTED,
               "%s: more than %u images", spec, UINT32_MAX - 1);
    share_shape(&d->train, &d->test);
    share_shape(&d->test, &d->train);
    MODA_TRY(normalise(s, o, d));
    MODA_TRY(moda_dataset_select(d, spec, o));
    const moda_placement placement = moda_placement_current();
    MODA_TRY(moda_images_replicate(&d->train, &placement));
    MODA_TRY(moda_images_replicate(&d->test, &placement));
    *dataset = d, d = NULL; /* handed over */
out:
    moda_dataset_destroy(d);
    return st;
}

void moda_dataset_destroy(moda_dataset *d)
{
    if (!d) return;
    for (size_t c = 0; d->class_names && c < d->classes; c++) free(d->class_names[c]);
    free(d->class_names);
    free(d->class_numbers);
    free(d->name);
    moda_images_free(&d->train);
    moda_images_free(&d->test);
    free(d);
}

moda_status moda_dataset_set_classes(moda_dataset *d, size_t classes, const char *const *names)
{
    moda_status st = MODA_OK;
    MODA_ALLOC(d->class_names, classes * sizeof *d->class_names);
    d->classes = classes;
    for (size_t c = 0; c < classes; c++) {
        d->class_names[c] = names ? strdup(names[c]) : moda_format("%zu", c);
        MODA_CHECK(d->class_names[c] != NULL, MODA_ERR_NOMEM, "out of memory");
    }
out:
    return st;
}
