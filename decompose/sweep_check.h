/* decompose/sweep_check.h - what is wrong with a sweep over trainings, before its folder is made and hours go
 * into the first one. */
#ifndef MODA_DECOMPOSE_SWEEP_CHECK_H
#define MODA_DECOMPOSE_SWEEP_CHECK_H

#include "base/options.h"
#include "base/status.h"
#include "datasets/data_options.h"
#include <stddef.h>
#include <stdint.h>

typedef struct moda_sweep_subject {
    const char *network;   /* a built-in name or a FILE.net */
    const char *standard;  /* a MODEL to compare with; may be NULL */
    const char *sub_tasks; /* a file of them; may be NULL, then these two: */
    moda_sizes sizes;
    size_t sample;
    const moda_data_options *data;
    uint64_t seed;
} moda_sweep_subject;

/* Opens all of them as they will be opened, the network without weights. Fails: as moda_data_options_open(),
 * moda_net_open(), moda_subtasks_open() and moda_test_data_standard(); MODA_ERR_ARG (no test images). */
MODA_MUST_USE moda_status moda_sweep_check(const moda_sweep_subject *subject);

#endif
