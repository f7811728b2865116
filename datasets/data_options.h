/* datasets/data_options.h - the options by which every command names its data:
 * --data SPEC, --classes 0,3,5, --relabel, --per-class N|SHARE, --image-size N,
 * --crop default|padded|resized,
 * --normalisation default|measured|cifar10|cifar100|imagenet, --image-cache auto|off|DIR. */
#ifndef MODA_DATASETS_DATA_OPTIONS_H
#define MODA_DATASETS_DATA_OPTIONS_H

#include "base/options.h"
#include "base/status.h"
#include "datasets/dataset.h"

typedef struct moda_data_options {
    const char *spec; /* NULL: not given */
    moda_sizes classes;
    bool relabel;
    double per_class;
    size_t image_size;
    int crop;          /* a moda_crop */
    int normalisation; /* a moda_normalisation */
    const char *image_cache;
} moda_data_options;
enum { MODA_DATA_OPTION_COUNT = 9 }; /* with the closing entry */

/* Words of moda_normalisation, NULL-terminated. */
extern const char *const moda_normalisation_names[];
/* Words of moda_crop, the same. */
extern const char *const moda_crop_names[];

/* Fills a table for MODA_OPTION_TABLE whose targets are in *data (which gets its defaults). */
void moda_data_options_table(moda_data_options *data, moda_option table[MODA_DATA_OPTION_COUNT]);
/* Opens what the options say; seed draws the per-class sample. Fails: MODA_ERR_ARG (no --data), and
 * as moda_dataset_open(). */
MODA_MUST_USE moda_status moda_data_options_open(const moda_data_options *data, uint64_t seed,
                                                 moda_dataset **dataset);
void moda_data_options_free(moda_data_options *data);

#endif
