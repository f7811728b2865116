/* bench/nightly_history.h - what earlier nights have measured: a file of JSON lines that only
 * grows.
 *
 * A line is one run, or one acceptance (docs/nightly.md has the format). Lines of other machine
 * classes stay where they are and are passed over, and so are broken ones. Lines are added under a
 * lock in one write, so that two nights at once do not mix, and a run that is killed leaves whole
 * lines. */
#ifndef MODA_BENCH_NIGHTLY_HISTORY_H
#define MODA_BENCH_NIGHTLY_HISTORY_H

#include "base/json.h"
#include "base/status.h"
#include <stddef.h>

enum { MODA_NIGHTLY_SCHEMA = 1, MODA_NIGHTLY_BROKEN = 5 };

typedef struct moda_nightly_history {
    json_t *lines;                     /* array: this class's, in the order of the file */
    size_t others;                     /* good lines of other classes */
    size_t broken;                     /* lines that are none */
    size_t where[MODA_NIGHTLY_BROKEN]; /* numbers of the first of them, from 1 */
} moda_nightly_history;

/* $XDG_STATE_HOME/moda/nightly.jsonl, else $HOME/.local/state/moda/nightly.jsonl, in fresh memory;
 * the folder is made. Fails: MODA_ERR_ARG (neither is set), MODA_ERR_IO, MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_nightly_history_path(char **path);
/* A file that is not there is an empty history. Fails: MODA_ERR_IO, MODA_ERR_FORMAT (nothing in it
 * is of such a history), MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_nightly_history_read(const char *path, const char *machine_class,
                                                    moda_nightly_history *history);
void moda_nightly_history_free(moda_nightly_history *history); /* zeroed struct is fine */
/* In the log: broken lines, and those of other classes. */
void moda_nightly_history_report(const moda_nightly_history *history, const char *path);

/* Whether a line could be added: to be asked before an hour of work. Leaves nothing behind. Fails:
 * MODA_ERR_IO. */
MODA_MUST_USE moda_status moda_nightly_history_writable(const char *path);
/* Adds one line. A last line that was torn off is closed first. On failure the file is as it was.
 * Fails: MODA_ERR_IO, MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_nightly_history_append(const char *path, const json_t *line);

#endif
