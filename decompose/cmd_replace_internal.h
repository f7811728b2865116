/* decompose/cmd_replace_internal.h - what the files of `moda replace` and `moda add-class` share: the
 * command line and what it leads to (cmd_replace.c), and what is said about it (cmd_replace_report.c). */
#ifndef MODA_DECOMPOSE_CMD_REPLACE_INTERNAL_H
#define MODA_DECOMPOSE_CMD_REPLACE_INTERNAL_H

#include "datasets/data_options.h"
#include "decompose/replace.h"

extern const char
    *const moda_replace_strategies[]; /* as moda_join_strategy, NULL behind the last */

typedef struct moda_replace_command {
    const char *weak_spec, *directory, *module_path, *out;
    size_t class_number, epochs; /* 0: not given */
    int strategy;
    double rate, momentum, weight_decay; /* NaN: not given */
    bool no_augment, no_shuffle;
    moda_data_options data_options;
    moda_common_options common;
    moda_replace_options options;
    moda_model *weak, *module, *result;
    moda_dataset *data;
    moda_replace_report report;
} moda_replace_command;

void moda_replace_print(const moda_replace_command *c);
MODA_MUST_USE moda_status moda_replace_write_json(const moda_replace_command *c);

#endif
