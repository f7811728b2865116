/* datasets/synthetic.c - made-up images that can be learned, for trials and benchmarks.
 *
 * Class c has a smooth pattern per channel: a GRID x GRID net of random grey values between LOW and
 * HIGH, interpolated to the image size. Sample i of class i mod classes is its class's pattern plus
 * uniform noise of +-NOISE per pixel. Every number is a function of the SPEC alone: the same SPEC is
 * the same data in every run. */
#include "base/rng.h"
#include "datasets/reader_internal.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    GRID = 4,
    NODES = GRID * GRID,
    LOW = 64,
    HIGH = 191,
    NOISE = 48,
    MIN_SIDE = 4,
    MAX_SIDE = 4096
};
enum { PATTERN_STREAM, TRAIN_STREAM, TEST_STREAM };

typedef struct recipe {
    uint64_t classes, channels, size, train, test, seed;
} recipe;

static moda_status parse_entry(char *entry, recipe *r, unsigned *seen)
{
    moda_status st = MODA_OK;
    const struct {
        const char *key;
        uint64_t *value, min, max;
    } keys[] = {
        {"classes", &r->classes, 2, MODA_MAX_CLASSES},
        {"channels", &r->channels, 1, MODA_MAX_CHANNELS},
        {"size", &r->size, MIN_SIDE, MAX_SIDE},
        {"train", &r->train, 1, UINT32_MAX - 1},
        {"test", &r->test, 0, UINT32_MAX - 1},
        {"seed", &r->seed, 0, UINT32_MAX},
    };
    const size_t count = sizeof keys / sizeof *keys;
    size_t k = 0;
    char *end = NULL, *text = strchr(entry, '=');
    if (text) *text++ = 0;
    while (k < count && strcmp(keys[k].key, entry) != 0) k++;
    MODA_CHECK(k < count, MODA_ERR_ARG,
               "synthetic: unknown key '%s': use classes, channels, size, train, test, seed",
               entry);
    MODA_CHECK(!(*seen & 1u << k), MODA_ERR_ARG, "synthetic: %s is given twice", entry);
    *seen |= 1u << k;
    MODA_CHECK(text && *text >= '0' && *text <= '9', MODA_ERR_ARG,
               "synthetic: %s needs a whole number: %s=N", entry, entry);
    errno = 0;
    const uintmax_t value = strtoumax(text, &end, 10);
    MODA_CHECK(*end == 0 && errno == 0 && value >= keys[k].min && value <= keys[k].max,
               MODA_ERR_ARG, "synthetic: %s=%s is not in %" PRIu64 "..%" PRIu64, entry, text,
               keys[k].min, keys[k].max);
    *keys[k].value = value;
out:
    return st;
}

static moda_status parse_recipe(const char *text, recipe *r)
{
    moda_status st = MODA_OK;
    unsigned seen = 0;
    char *rest = NULL, *copy = strdup(text);
    MODA_CHECK(copy, MODA_ERR_NOMEM, "out of memory");
    *r = (recipe){.classes = 10, .channels = 3, .size = 32, .train = 512, .test = 128};
    for (char *entry = strtok_r(copy, ",", &rest); entry; entry = strtok_r(NULL, ",", &rest))
        MODA_TRY(parse_entry(entry, r, &seen));
out:
    free(copy);
    return st;
}

/* patterns [classes,c,h,w]. A class's numbers do not depend on how many classes there are. */
static void make_patterns(const recipe *r, uint8_t *patterns)
{
    const moda_rng rng = moda_rng_make(r->seed, MODA_RNG_SYNTHETIC, PATTERN_STREAM);
    const double step = (double)(GRID - 1) / (double)(r->size - 1);
#pragma omp parallel for schedule(static)
    for (size_t plane = 0; plane < r->classes * r->channels; plane++) {
        const uint64_t first =
            (plane / r->channels * MODA_MAX_CHANNELS + plane % r->channels) * NODES;
        double net[GRID + 1][GRID + 1] = {{0}}; /* the last row and column only ever weigh 0 */
        for (size_t g = 0; g < NODES; g++)
            net[g / GRID][g % GRID] = LOW + (HIGH - LOW) * moda_rng_unit(rng, first + g);
        for (size_t y = 0; y < r->size; y++) {
            const double v = (double)y * step, dv = v - (double)(size_t)v;
            const size_t gy = (size_t)v < GRID - 1 ? (size_t)v : GRID - 1;
            for (size_t x = 0; x < r->size; x++) {
                const double u = (double)x * step, du = u - (double)(size_t)u;
                const size_t gx = (size_t)u < GRID - 1 ? (size_t)u : GRID - 1;
                const double top = net[gy][gx] * (1 - du) + net[gy][gx + 1] * du;
                const double bottom = net[gy + 1][gx] * (1 - du) + net[gy + 1][gx + 1] * du;
                patterns[(plane * r->size + y) * r->size + x] =
                    (uint8_t)(top * (1 - dv) + bottom * dv + 0.5);
            }
        }
    }
}

static moda_status make_split(const recipe *r, const uint8_t *patterns, uint32_t stream, size_t n,
                              moda_images *images)
{
    moda_status st = MODA_OK;
    const moda_rng rng = moda_rng_make(r->seed, MODA_RNG_SYNTHETIC, stream);
    MODA_TRY(moda_images_alloc(images, n, r->channels, r->size, r->size));
    const size_t stride = moda_images_stride(images), draws = (stride + 7) / 8;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < n; i++) {
        const uint8_t *pattern = patterns + i % r->classes * stride;
        uint64_t bits = 0; /* eight pixels' noise */
        images->labels[i] = (uint32_t)(i % r->classes);
        for (size_t p = 0; p < stride; p++, bits >>= 8) {
            if (p % 8 == 0) bits = moda_rng_bits(rng, i * draws + p / 8);
            const int noise = (int)((bits & 255) * (2 * NOISE + 1) / 256) - NOISE;
            images->pixels[i * stride + p] = (uint8_t)(pattern[p] + noise);
        }
    }
out:
    return st;
}

moda_status moda_synthetic_read(const char *where, const moda_dataset_options *options,
                                moda_dataset *d)
{
    moda_status st = MODA_OK;
    moda_images patterns = {0};
    recipe r;
    (void)options;
    MODA_TRY(parse_recipe(where, &r));
    MODA_TRY(moda_dataset_set_classes(d, r.classes, NULL));
    MODA_TRY(moda_images_alloc(&patterns, r.classes, r.channels, r.size, r.size));
    make_patterns(&r, patterns.pixels);
    MODA_TRY(make_split(&r, patterns.pixels, TRAIN_STREAM, r.train, &d->train));
    if (r.test > 0) MODA_TRY(make_split(&r, patterns.pixels, TEST_STREAM, r.test, &d->test));
out:
    moda_images_free(&patterns);
    return st;
}
