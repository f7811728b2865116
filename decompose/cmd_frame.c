#include "base/log.h"
#include "decompose/cmd_frame_internal.h"
#include "numa/threads.h"
#include <string.h>

/* auto and off do no harm to any data, nor to none. */
static bool keeps_images(const char *image_cache)
{
    return strcmp(image_cache, "auto") != 0 && strcmp(image_cache, "off") != 0;
}

/* What could do nothing without data. */
static moda_status check_data_options(const moda_cmd_frame *f)
{
    moda_status st = MODA_OK;
    const moda_data_options *d = f->data;
    const char *name = d->classes.n && !f->classes_alone                ? "classes"
                       : d->relabel                                     ? "relabel"
                       : d->per_class != 0                              ? "per-class"
                       : d->image_size                                  ? "image-size"
                       : d->crop != MODA_CROP_DEFAULT                   ? "crop"
                       : d->normalisation != MODA_NORMALISATION_DEFAULT ? "normalisation"
                       : keeps_images(d->image_cache)                   ? "image-cache"
                       : f->limit && *f->limit                          ? "limit"
                       : f->batch_size && *f->batch_size                ? "batch-size"
                                                                        : NULL;
    MODA_CHECK(d->spec || !name, MODA_ERR_ARG,
               "--%s is about the images of --data, which is not given: leave it out, or name data",
               name);
out:
    return st;
}

moda_status moda_cmd_frame_run(const moda_command *self, const moda_cmd_frame *f, int argc,
                               char **argv)
{
    moda_status st = MODA_OK;
    moda_option data[MODA_DATA_OPTION_COUNT], common[MODA_COMMON_OPTION_COUNT];
    char **operands;
    size_t count, threads;
    bool help = false;
    moda_data_options_table(f->data, data);
    moda_common_options_table(f->common, common);
    const moda_option table[] = {
        {MODA_OPTION_TABLE, NULL, NULL, NULL, data, 0, 0, NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, (void *)f->options, 0, 0, NULL},
        {MODA_OPTION_TABLE, NULL, NULL, NULL, common, 0, 0, NULL},
        {MODA_OPTION_END, NULL, NULL, NULL, NULL, 0, 0, NULL},
    };
    MODA_TRY(moda_options_parse(self, table, argc, argv, 1, 1, &operands, &count, &help));
    if (help) goto out;
    *f->subject = operands[0];
    MODA_TRY(f->check(f->state));
    MODA_TRY(check_data_options(f));
    if (f->common->quiet) moda_log_set_level(MODA_LOG_WARNING);
    if (f->data->spec || !f->data_is_extra) MODA_TRY(moda_threads_start(f->common, &threads));
    MODA_TRY(f->work(f->state));
out:
    moda_data_options_free(f->data);
    return st;
}
