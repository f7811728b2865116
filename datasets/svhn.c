/* datasets/svhn.c - Street View House Numbers, cropped digits: train_32x32.mat and test_32x32.mat.
 *
 * Each holds X, uint8 [32,32,3,n], and y, the n labels 1..10, of which 10 stands for the digit 0.
 * MATLAB's first dimension runs fastest, so in memory X is [n,3,x,y]: every plane has to be turned. */
#include "base/file.h"
#include "datasets/mat_internal.h"
#include "datasets/reader_internal.h"
#include <stdlib.h>

enum { SIDE = 32, AREA = SIDE * SIDE, CHANNELS = 3, DIGITS = 10 };
#define WANTED "X (uint8, 32 x 32 x 3 x n) and y (n labels), as the cropped digits of SVHN do"

static moda_status check_images(const char *path, const matvar_t *x, size_t *n)
{
    moda_status st = MODA_OK;
    MODA_CHECK(x->class_type == MAT_C_UINT8 && !x->isComplex && (x->rank == 4 || x->rank == 3),
               MODA_ERR_FORMAT, "%s: 'X' is no uint8 array of 4 dimensions: it should hold %s",
               path, WANTED);
    *n = x->rank == 4 ? x->dims[3] : 1; /* MATLAB drops a last dimension of 1 */
    MODA_CHECK(x->dims[0] == SIDE && x->dims[1] == SIDE && x->dims[2] == CHANNELS && *n > 0,
               MODA_ERR_FORMAT, "%s: 'X' is %zu x %zu x %zu x %zu: it should hold %s", path,
               x->dims[0], x->dims[1], x->dims[2], *n, WANTED);
out:
    return st;
}

static moda_status check_labels(const char *path, const matvar_t *y, size_t n)
{
    moda_status st = MODA_OK;
    size_t count = 1;
    bool fits = true;
    for (int d = 0; d < y->rank; d++) fits &= !__builtin_mul_overflow(count, y->dims[d], &count);
    MODA_CHECK((y->class_type == MAT_C_UINT8 || y->class_type == MAT_C_DOUBLE) && !y->isComplex,
               MODA_ERR_FORMAT, "%s: 'y' is neither uint8 nor double: it should hold %s", path,
               WANTED);
    MODA_CHECK(fits && count == n, MODA_ERR_FORMAT,
               "%s: 'y' has %zu labels for the %zu images of 'X': fetch the file again", path,
               count, n);
out:
    return st;
}

/* planes [n*3] of MATLAB's order, each [x,y], into those of images, each [y,x]. */
static void turn_planes(const uint8_t *from, moda_images *images)
{
#pragma omp parallel for schedule(static)
    for (size_t plane = 0; plane < images->n * CHANNELS; plane++) {
        const uint8_t *in = from + plane * AREA;
        uint8_t *out = images->pixels + plane * AREA;
        for (size_t y = 0; y < SIDE; y++)
            for (size_t x = 0; x < SIDE; x++) out[y * SIDE + x] = in[x * SIDE + y];
    }
}

static moda_status copy_labels(const char *path, const matvar_t *y, moda_images *images)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < images->n; i++) {
        const double label = y->class_type == MAT_C_UINT8 ? ((const uint8_t *)y->data)[i]
                                                          : ((const double *)y->data)[i];
        MODA_CHECK(
            label >= 1 && label <= DIGITS && label == (double)(uint32_t)label, MODA_ERR_FORMAT,
            "%s: label %g of image %zu is not in 1..10: fetch the file again", path, label, i);
        images->labels[i] = (uint32_t)label % DIGITS;
    }
out:
    return st;
}

static moda_status read_split(const char *path, moda_images *images)
{
    moda_status st = MODA_OK;
    moda_mat *mat = NULL;
    matvar_t *x = NULL, *y = NULL;
    size_t n = 0;
    MODA_TRY(moda_mat_open(path, &mat));
    MODA_TRY(moda_mat_find(mat, "X", WANTED, &x));
    MODA_TRY(check_images(path, x, &n));
    MODA_TRY(moda_mat_find(mat, "y", WANTED, &y));
    MODA_TRY(check_labels(path, y, n));
    MODA_TRY(moda_mat_load(mat, y));
    MODA_TRY(moda_mat_load(mat, x));
    MODA_TRY(moda_images_alloc(images, n, CHANNELS, SIDE, SIDE));
    MODA_TRY(copy_labels(path, y, images));
    turn_planes(x->data, images);
out:
    if (x) Mat_VarFree(x);
    if (y) Mat_VarFree(y);
    moda_mat_close(mat);
    return st;
}

moda_status moda_svhn_read(const char *where, const moda_dataset_options *options, moda_dataset *d)
{
    moda_status st = MODA_OK;
    char *train = moda_format("%s/train_32x32.mat", where);
    char *test = moda_format("%s/test_32x32.mat", where);
    (void)options;
    MODA_CHECK(train && test, MODA_ERR_NOMEM, "out of memory");
    MODA_CHECK(moda_is_file(train) || moda_is_file(test), MODA_ERR_IO,
               "%s: neither train_32x32.mat nor test_32x32.mat is there: give the directory of the "
               "cropped digits",
               where);
    MODA_TRY(moda_dataset_set_classes(d, DIGITS, NULL));
    if (moda_is_file(train)) MODA_TRY(read_split(train, &d->train));
    if (moda_is_file(test)) MODA_TRY(read_split(test, &d->test));
out:
    free(train);
    free(test);
    return st;
}
