/* decompose/cmd_frame_internal.h - what the commands do alike that look at one model or folder with
 * images: options, checks, threads, and the order of these. */
#ifndef MODA_DECOMPOSE_CMD_FRAME_INTERNAL_H
#define MODA_DECOMPOSE_CMD_FRAME_INTERNAL_H

#include "base/options.h"
#include "datasets/data_options.h"

/* What one brings along; pointers but options are into state. */
typedef struct moda_cmd_frame {
    void *state;
    const moda_option *options;       /* its own, between the data's and the common ones */
    const char **subject;             /* the one operand */
    moda_data_options *data;          /* freed at the end */
    const size_t *limit, *batch_size; /* of images, 0: not given; NULL: no such option */
    moda_common_options *common;
    bool data_is_extra; /* without --data there is nothing to compute: no threads are started */
    bool classes_alone; /* --classes says something without --data, too */
    moda_status (*check)(void *state); /* of what is wrong before anything is opened */
    moda_status (*work)(void *state);
} moda_cmd_frame;

/* From the command line to the end. Options about images are refused where there is no --data. */
MODA_MUST_USE moda_status moda_cmd_frame_run(const moda_command *self, const moda_cmd_frame *frame,
                                             int argc, char **argv);

#endif
