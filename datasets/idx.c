/* datasets/idx.c - the IDX files of MNIST and Fashion-MNIST, plain or gzipped.
 *
 * Big-endian u32: 0x00000803, images, rows, columns, then one byte per pixel; labels: 0x00000801,
 * labels, then one byte each. zlib's gz functions read both kinds and check a gzip file's CRC. */
#include "base/file.h"
#include "datasets/reader_internal.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { IDX_CLASSES = 10, IMAGE_MAGIC = 0x803, LABEL_MAGIC = 0x801, FIRST_PART = 1 << 20 };

typedef struct idx_file {
    gzFile stream;
    char *path;
} idx_file;

static void idx_close(idx_file *f)
{
    if (f->stream) gzclose(f->stream);
    free(f->path);
}

/* Opens DIR/name, or else DIR/name.gz. */
static moda_status idx_open(const char *dir, const char *name, idx_file *f)
{
    moda_status st = MODA_OK;
    f->path = moda_format("%s/%s", dir, name);
    MODA_CHECK(f->path, MODA_ERR_NOMEM, "out of memory");
    const bool plain = moda_is_file(f->path);
    if (!plain) {
        free(f->path);
        f->path = moda_format("%s/%s.gz", dir, name);
        MODA_CHECK(f->path, MODA_ERR_NOMEM, "out of memory");
        MODA_CHECK(moda_is_file(f->path), MODA_ERR_IO,
                   "%s/%s: no such file, plain or with .gz: put the four IDX files there", dir,
                   name);
    }
    errno = 0;
    f->stream = gzopen(f->path, "rb");
    MODA_CHECK(f->stream, MODA_ERR_IO, "%s: %s", f->path, errno ? strerror(errno) : "zlib failed");
    gzbuffer(f->stream, 1 << 17);
    /* gzread takes a file that does not start like gzip for a plain one. */
    MODA_CHECK(plain || !gzdirect(f->stream), MODA_ERR_FORMAT,
               "%s: not a gzip file (byte 0): fetch it again", f->path);
out:
    return st;
}

/* Why a read of `what` stopped short. */
static moda_status short_read(const idx_file *f, const char *what, size_t missing)
{
    moda_status st = MODA_OK;
    int code = Z_OK;
    const long long at = (long long)gztell(f->stream);
    const char *unit = gzdirect(f->stream) ? "byte" : "unpacked byte";
    const char *reason = gzerror(f->stream, &code);
    MODA_CHECK(code != Z_ERRNO, MODA_ERR_IO, "%s: %s", f->path, strerror(errno));
    MODA_CHECK(code != Z_MEM_ERROR, MODA_ERR_NOMEM, "%s: out of memory", f->path);
    MODA_CHECK(code == Z_OK || code == Z_BUF_ERROR, MODA_ERR_FORMAT,
               "%s: corrupt gzip data near %s %lld (%s): fetch the file again", f->path, unit, at,
               reason);
    MODA_CHECK(missing == 0 && code == Z_OK, MODA_ERR_FORMAT,
               "%s: truncated: ends at %s %lld inside the %s, %zu bytes are missing: fetch the "
               "file again",
               f->path, unit, at, what, missing);
out:
    return st;
}

/* later: bytes that are to follow these, for the message. */
static moda_status read_exactly(idx_file *f, const char *what, uint8_t *to, size_t want,
                                size_t later)
{
    moda_status st = MODA_OK;
    size_t done = 0;
    while (done < want) {
        const size_t part = want - done < FIRST_PART ? want - done : FIRST_PART;
        const int got = gzread(f->stream, to + done, (unsigned)part);
        if (got <= 0) break;
        done += (size_t)got;
    }
    if (done < want) MODA_TRY(short_read(f, what, want - done + later));
out:
    return st;
}

/* Memory grows with what the file really holds, not with what its header claims. */
static moda_status read_payload(idx_file *f, const char *what, size_t bytes, uint8_t **payload)
{
    moda_status st = MODA_OK;
    uint8_t *data = NULL, *larger = NULL;
    uint8_t beyond;
    size_t done = 0, capacity = bytes < FIRST_PART ? bytes : FIRST_PART;
    while (done < bytes) {
        larger = realloc(data, capacity);
        MODA_CHECK(larger, MODA_ERR_NOMEM, "%s: out of memory: %zu bytes", f->path, capacity);
        data = larger;
        MODA_TRY(read_exactly(f, what, data + done, capacity - done, bytes - capacity));
        done = capacity;
        capacity = capacity > bytes / 2 ? bytes : 2 * capacity;
    }
    /* Reading on makes zlib compare the checksum, and finds a header that claims too little. */
    const int got = gzread(f->stream, &beyond, 1);
    MODA_CHECK(got != 1, MODA_ERR_FORMAT,
               "%s: the header promises %zu bytes of %s, the file holds more: fetch it again",
               f->path, bytes, what);
    MODA_TRY(short_read(f, "checksum", 0));
    *payload = data, data = NULL;
out:
    free(data);
    return st;
}

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static moda_status read_images(idx_file *f, moda_images *images)
{
    moda_status st = MODA_OK;
    uint8_t header[16];
    size_t bytes = 0;
    MODA_TRY(read_exactly(f, "header", header, sizeof header, 0));
    const uint32_t magic = big_endian(header);
    MODA_CHECK(magic == IMAGE_MAGIC, MODA_ERR_FORMAT,
               "%s: not an IDX image file: magic number 0x%08x at byte 0, expected 0x%08x", f->path,
               magic, IMAGE_MAGIC);
    images->n = big_endian(header + 4);
    images->channels = 1;
    images->height = big_endian(header + 8);
    images->width = big_endian(header + 12);
    MODA_CHECK(images->n && images->height && images->width, MODA_ERR_FORMAT,
               "%s: %zu images of %zu x %zu pixels (bytes 4 to 15): nothing to read, fetch the "
               "file again",
               f->path, images->n, images->height, images->width);
    const bool overflow = __builtin_mul_overflow(images->height, images->width, &bytes) ||
                          __builtin_mul_overflow(bytes, images->n, &bytes) || bytes > SIZE_MAX / 4;
    MODA_CHECK(!overflow, MODA_ERR_FORMAT,
               "%s: %zu images of %zu x %zu pixels (bytes 4 to 15) cannot be: fetch the file again",
               f->path, images->n, images->height, images->width);
    MODA_TRY(read_payload(f, "pixels", bytes, &images->pixels));
out:
    return st;
}

static moda_status read_labels(idx_file *f, const char *image_path, moda_images *images)
{
    moda_status st = MODA_OK;
    uint8_t header[8], *labels = NULL;
    MODA_TRY(read_exactly(f, "header", header, sizeof header, 0));
    const uint32_t magic = big_endian(header), n = big_endian(header + 4);
    MODA_CHECK(magic == LABEL_MAGIC, MODA_ERR_FORMAT,
               "%s: not an IDX label file: magic number 0x%08x at byte 0, expected 0x%08x", f->path,
               magic, LABEL_MAGIC);
    MODA_CHECK(n == images->n, MODA_ERR_FORMAT,
               "%s: %u labels (byte 4) for the %zu images of %s: fetch both files again", f->path,
               n, images->n, image_path);
    MODA_TRY(read_payload(f, "labels", n, &labels));
    MODA_ALLOC(images->labels, n * sizeof *images->labels);
    for (size_t i = 0; i < n; i++) {
        MODA_CHECK(labels[i] < IDX_CLASSES, MODA_ERR_FORMAT,
                   "%s: label %u of image %zu (byte %zu) is not in 0..%d: fetch the file again",
                   f->path, labels[i], i, i + sizeof header, IDX_CLASSES - 1);
        images->labels[i] = labels[i];
    }
out:
    free(labels);
    return st;
}

static moda_status read_split(const char *dir, const char *image_name, const char *label_name,
                              moda_images *images)
{
    moda_status st = MODA_OK;
    idx_file pixels = {0}, labels = {0};
    MODA_TRY(idx_open(dir, image_name, &pixels));
    MODA_TRY(idx_open(dir, label_name, &labels));
    MODA_TRY(read_images(&pixels, images));
    MODA_TRY(read_labels(&labels, pixels.path, images));
out:
    idx_close(&pixels);
    idx_close(&labels);
    return st;
}

static moda_status read_both(const char *dir, const char *const *names, moda_dataset *d)
{
    moda_status st = MODA_OK;
    MODA_TRY(moda_dataset_set_classes(d, IDX_CLASSES, names));
    MODA_TRY(read_split(dir, "train-images-idx3-ubyte", "train-labels-idx1-ubyte", &d->train));
    MODA_TRY(read_split(dir, "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", &d->test));
    MODA_CHECK(d->train.height == d->test.height && d->train.width == d->test.width,
               MODA_ERR_FORMAT,
               "%s: training images are %zu x %zu pixels, test images %zu x %zu: the files do not "
               "belong together",
               dir, d->train.height, d->train.width, d->test.height, d->test.width);
out:
    return st;
}

moda_status moda_mnist_read(const char *where, const moda_dataset_options *options, moda_dataset *d)
{
    (void)options;
    return read_both(where, NULL, d);
}

moda_status moda_fashion_mnist_read(const char *where, const moda_dataset_options *options,
                                    moda_dataset *d)
{
    static const char *const names[IDX_CLASSES] = {
        "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
        "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
    (void)options;
    return read_both(where, names, d);
}
