/* datasets/data_options.c - command-line options to moda_dataset_options. */
#include "datasets/data_options.h"
#include <stdlib.h>
#include <string.h>

const char *const moda_normalisation_names[] = {"default",  "measured", "cifar10",
                                                "cifar100", "imagenet", NULL};
const char *const moda_crop_names[] = {"default", "padded", "resized", NULL};

void moda_data_options_table(moda_data_options *data, moda_option table[MODA_DATA_OPTION_COUNT])
{
    *data = (moda_data_options){.image_cache = "auto"};
    const moda_option options[MODA_DATA_OPTION_COUNT] = {
        {MODA_OPTION_TEXT, "data", "SPEC", "data set: fashion-mnist, cifar10:DIR, folder:DIR, ...",
         &data->spec, 0, 0, NULL},
        {MODA_OPTION_SIZES, "classes", "LIST",
         "only samples of these classes, as in 0,3,5 (default: all)", &data->classes, 0, 0, NULL},
        {MODA_OPTION_FLAG, "relabel", NULL, "number the classes that are left 0,1,2,...",
         &data->relabel, 0, 0, NULL},
        {MODA_OPTION_REAL, "per-class", "N|SHARE",
         "training samples per class: a count, or a share below 1 (default: all)", &data->per_class,
         0, 1e9, NULL},
        {MODA_OPTION_SIZE, "image-size", "N", "folders: resize images to N x N (default 32)",
         &data->image_size, 1, 4096, NULL},
        {MODA_OPTION_CHOICE, "crop", "C",
         "padded; resized: random boxes of any size, folders keep proportions; default: as the "
         "model, "
         "or padded",
         &data->crop, 0, 0, moda_crop_names},
        {MODA_OPTION_CHOICE, "normalisation", "N",
         "default (CIFAR, SVHN as published, others measured), measured, cifar10, cifar100, "
         "imagenet",
         &data->normalisation, 0, 0, moda_normalisation_names},
        {MODA_OPTION_TEXT, "image-cache", "DIR",
         "folders: keep decoded images in DIR, or off (default auto: the user's cache, up to 4 "
         "GiB)",
         &data->image_cache, 0, 0, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    memcpy(table, options, sizeof options);
}

moda_status moda_data_options_open(const moda_data_options *data, uint64_t seed,
                                   moda_dataset **dataset)
{
    moda_status st = MODA_OK;
    const moda_dataset_options options = {.height = data->image_size,
                                          .width = data->image_size,
                                          .crop = (moda_crop)data->crop,
                                          .classes = data->classes,
                                          .relabel = data->relabel,
                                          .per_class = data->per_class,
                                          .seed = seed,
                                          .normalisation = (moda_normalisation)data->normalisation,
                                          .image_cache = data->image_cache};
    *dataset = NULL;
    MODA_CHECK(data->spec, MODA_ERR_ARG,
               "--data is missing: name a data set, as in --data fashion-mnist");
    MODA_CHECK(!data->relabel || data->classes.n, MODA_ERR_ARG,
               "--relabel numbers the classes of --classes: give that, too");
    MODA_TRY(moda_dataset_open(data->spec, &options, dataset));
out:
    return st;
}

void moda_data_options_free(moda_data_options *data)
{
    free(data->classes.values);
    data->classes = (moda_sizes){0};
}
