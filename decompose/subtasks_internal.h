/* decompose/subtasks_internal.h - a list of sub-tasks while it is being made. */
#ifndef MODA_DECOMPOSE_SUBTASKS_INTERNAL_H
#define MODA_DECOMPOSE_SUBTASKS_INTERNAL_H

#include "decompose/subtasks.h"

/* Appends outputs [n], ascending. */
MODA_MUST_USE moda_status moda_subtasks_add(moda_subtasks *s, const uint32_t *outputs, size_t n);
/* By size, then by outputs: negative, 0 or positive. */
int moda_subtasks_compare(const moda_subtasks *s, size_t a, size_t b);

#endif
