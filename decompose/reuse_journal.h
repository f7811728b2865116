/* decompose/reuse_journal.h - results of sub-tasks on disk as they come, so that a run that was cut
 * short goes on where it ended.
 *
 * JSON lines. The first says what the results belong to: checksums of the model's weights, the masks and
 * the images; of MwT one of what heads learn from, too ("training"). Each other line is one result:
 *     {"class": 3, "from": 0, "images": 1000, "subtask": [0, 3, 5], "correct": 912}
 * of the composed network for that sub-task on images from .. from+images-1 of that class (in the
 * order of the data). A last line without its end is of a run that died in the middle of it, and
 * is dropped. */
#ifndef MODA_DECOMPOSE_REUSE_JOURNAL_H
#define MODA_DECOMPOSE_REUSE_JOURNAL_H

#include "base/status.h"
#include "decompose/reuse.h"
#include <stddef.h>

typedef struct moda_reuse_journal moda_reuse_journal;

/* Some images of one class: output, and which of its images. */
typedef struct moda_reuse_part {
    size_t output, from, count;
} moda_reuse_part;

/* Opens or begins the file for options, which are borrowed, and locks it until it is closed.
 * *correct [parts,subtasks] gets what it holds of them, SIZE_MAX elsewhere. Fails: MODA_ERR_FORMAT
 * (it belongs to other weights, masks, images or training; it is no such file), MODA_ERR_IO (also:
 * another process is writing it), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_reuse_journal_open(const char *path,
                                                  const moda_reuse_options *options,
                                                  const moda_reuse_part *parts, size_t part_count,
                                                  size_t *correct, moda_reuse_journal **journal);
/* Appends a result; it is on its way to disk when the call returns. NULL does nothing. */
MODA_MUST_USE moda_status moda_reuse_journal_add(moda_reuse_journal *journal,
                                                 const moda_reuse_part *part, size_t subtask,
                                                 size_t correct);
void moda_reuse_journal_close(moda_reuse_journal *journal);

#endif
