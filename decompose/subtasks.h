/* decompose/subtasks.h - sets of classes that a network is wanted for: which ones to look at.
 *
 * Sub-tasks stand in one order whatever made them: small before large, those of one size as their
 * classes' numbers compare. */
#ifndef MODA_DECOMPOSE_SUBTASKS_H
#define MODA_DECOMPOSE_SUBTASKS_H

#include "base/options.h"
#include "base/status.h"
#include "engine/model.h"
#include <stddef.h>
#include <stdint.h>

enum { MODA_SUBTASKS_MOST = 1 << 20 }; /* more than anyone can run */

typedef struct moda_subtasks {
    size_t count;
    size_t *first;    /* [count+1]: sub-task i has outputs first[i] .. first[i+1]-1 of the list */
    uint32_t *output; /* [first[count]] outputs of the model, ascending within a sub-task */
} moda_subtasks;

/* Out of outputs [n], ascending. */
typedef struct moda_subtask_choice {
    const size_t *outputs;
    size_t n;
    moda_sizes sizes; /* only these numbers of classes; n = 0: all from 2 on */
    size_t sample;    /* so many per size, drawn from seed, without repeats; 0: all there are */
    uint64_t seed;
} moda_subtask_choice;

/* Fails: MODA_ERR_ARG (fewer than two outputs, a size that is none, more than
 * MODA_SUBTASKS_MOST), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_subtasks_choose(const moda_subtask_choice *choice,
                                               moda_subtasks **subtasks);
/* A text file with one list of class numbers a line: 0,3,5. Fails: MODA_ERR_IO, MODA_ERR_FORMAT (path
 * and line: no such list, fewer than two classes, a class twice or one that the model does not
 * know, a sub-task that another line has), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_subtasks_read(const char *path, const moda_model *model,
                                             moda_subtasks **subtasks);
/* Those of the file if there is one (NULL: none), else those of the choice. Fails as these two. */
MODA_MUST_USE moda_status moda_subtasks_open(const char *path, const moda_model *model,
                                             const moda_subtask_choice *choice,
                                             moda_subtasks **subtasks);
void moda_subtasks_destroy(moda_subtasks *subtasks);

/* Classes of a sub-task. */
static inline size_t moda_subtask_size(const moda_subtasks *s, size_t i)
{
    return s->first[i + 1] - s->first[i];
}
static inline const uint32_t *moda_subtask_outputs(const moda_subtasks *s, size_t i)
{
    return s->output + s->first[i];
}

#endif
