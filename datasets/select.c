/* datasets/select.c - which samples of a data set are kept: class filter, per-class sampling, and
 * the renumbering of the classes that are left. */
#include "base/log.h"
#include "base/rng.h"
#include "datasets/reader_internal.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Closes the gaps that the dropped samples leave. The order stays. */
static void compact(moda_images *images, const bool *keep)
{
    const size_t stride = moda_images_stride(images);
    size_t to = 0;
    for (size_t i = 0; i < images->n; i++) {
        if (!keep[i]) {
            if (images->own) free(images->own[i].pixels);
            continue;
        }
        if (to < i && images->own) images->own[to] = images->own[i];
        if (to < i && !images->own)
            memcpy(images->pixels + to * stride, images->pixels + i * stride, stride);
        images->labels[to++] = images->labels[i];
    }
    if (to == images->n) return;
    images->n = to;
    /* Shrinking gives memory back; should it fail, the larger block serves as well. */
    void *pixels = images->own ? NULL : realloc(images->pixels, to > 0 ? to * stride : 1);
    void *labels = realloc(images->labels, to > 0 ? to * sizeof *images->labels : 1);
    if (pixels) images->pixels = pixels;
    if (labels) images->labels = labels;
}

static moda_status keep_classes(moda_images *images, const bool *wanted)
{
    moda_status st = MODA_OK;
    bool *keep = NULL;
    MODA_ALLOC(keep, images->n * sizeof *keep);
    for (size_t i = 0; i < images->n; i++) keep[i] = wanted[images->labels[i]];
    compact(images, keep);
out:
    free(keep);
    return st;
}

/* How many of a class's samples to keep. */
static size_t share_of(double per_class, size_t available)
{
    if (per_class >= (double)available || available == 0) return available;
    if (per_class >= 1) return (size_t)per_class;
    const double share = nearbyint(per_class * (double)available);
    return share < 1 ? 1 : (size_t)share;
}

/* Class c draws from its own stream, so its samples do not depend on the other classes. */
static moda_status sample_classes(moda_dataset *d, const char *spec, double per_class,
                                  uint64_t seed)
{
    moda_status st = MODA_OK;
    moda_images *train = &d->train;
    bool *keep = NULL;
    size_t *counts = NULL, *place = NULL, start = 0, short_of = 0, smallest = SIZE_MAX;
    uint32_t *members = NULL, *order = NULL;
    MODA_ALLOC(keep, train->n * sizeof *keep);
    MODA_ALLOC(members, train->n * sizeof *members);
    MODA_ALLOC(order, train->n * sizeof *order);
    MODA_ALLOC(counts, d->classes * sizeof *counts);
    MODA_ALLOC(place, d->classes * sizeof *place);

    moda_images_count(train, d->classes, counts);
    for (size_t c = 1; c < d->classes; c++) place[c] = place[c - 1] + counts[c - 1];
    for (size_t i = 0; i < train->n; i++) members[place[train->labels[i]]++] = (uint32_t)i;
    for (size_t c = 0; c < d->classes; start += counts[c++]) {
        const size_t kept = share_of(per_class, counts[c]);
        if (counts[c] && per_class > (double)counts[c]) {
            short_of++;
            smallest = counts[c] < smallest ? counts[c] : smallest;
        }
        moda_rng_permutation(moda_rng_make(seed, MODA_RNG_SAMPLE, (uint32_t)c), counts[c], order);
        for (size_t k = 0; k < kept; k++) keep[members[start + order[k]]] = true;
    }
    if (short_of)
        moda_log(MODA_LOG_WARNING,
                 "%s: %zu classes have fewer than the %.0f training images wanted per class "
                 "(the smallest %zu): all of theirs are taken",
                 spec, short_of, per_class, smallest);
    compact(train, keep);
out:
    free(keep);
    free(members);
    free(order);
    free(counts);
    free(place);
    return st;
}

/* The kept classes get the numbers 0,1,... in ascending order. */
static moda_status renumber(moda_dataset *d, const bool *wanted)
{
    moda_status st = MODA_OK;
    uint32_t *number = NULL;
    size_t kept = 0;
    MODA_ALLOC(number, d->classes * sizeof *number);
    MODA_ALLOC(d->class_numbers, d->classes * sizeof *d->class_numbers);
    for (size_t c = 0; c < d->classes; c++) {
        char *name = d->class_names[c];
        d->class_names[c] = NULL;
        if (wanted[c]) {
            number[c] = (uint32_t)kept;
            d->class_numbers[kept] = (uint32_t)c;
            d->class_names[kept++] = name;
        } else {
            free(name);
        }
    }
    d->classes = kept;
    for (size_t i = 0; i < d->train.n; i++) d->train.labels[i] = number[d->train.labels[i]];
    for (size_t i = 0; i < d->test.n; i++) d->test.labels[i] = number[d->test.labels[i]];
out:
    free(number);
    return st;
}

/* wanted[classes] from the option's list, which may come in any order. */
static moda_status check_classes(const moda_dataset *d, const char *spec,
                                 const moda_dataset_options *o, bool *wanted)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < o->classes.n; i++) {
        const size_t c = o->classes.values[i];
        MODA_CHECK(c < d->classes, MODA_ERR_ARG, "%s has no class %zu: its classes are 0 to %zu",
                   spec, c, d->classes - 1);
        MODA_CHECK(!wanted[c], MODA_ERR_ARG,
                   "%s: class %zu stands twice in the class list: name "
                   "every class once",
                   spec, c);
        wanted[c] = true;
    }
out:
    return st;
}

moda_status moda_dataset_select(moda_dataset *d, const char *spec, const moda_dataset_options *o)
{
    moda_status st = MODA_OK;
    bool *wanted = NULL;
    MODA_CHECK(isfinite(o->per_class) && o->per_class >= 0 &&
                   (o->per_class < 1 || o->per_class == floor(o->per_class)),
               MODA_ERR_ARG,
               "%s: %g images per class: give a whole number, or a share between 0 and 1", spec,
               o->per_class);
    MODA_ALLOC(wanted, d->classes * sizeof *wanted);
    MODA_TRY(check_classes(d, spec, o, wanted));
    if (o->classes.n > 0) {
        MODA_TRY(keep_classes(&d->train, wanted));
        MODA_TRY(keep_classes(&d->test, wanted));
        MODA_CHECK(d->train.n + d->test.n > 0, MODA_ERR_ARG,
                   "%s has no image of the wanted classes: choose others", spec);
    }
    if (o->per_class > 0) MODA_TRY(sample_classes(d, spec, o->per_class, o->seed));
    if (o->relabel && o->classes.n > 0) MODA_TRY(renumber(d, wanted));
out:
    free(wanted);
    return st;
}
