/* base/progress.h - how far a long loop is.
 * On a terminal (stderr): one line that redraws itself, bar, percentage, rate, time left. In a pipe
 * or a batch log: a plain line at most every 10 seconds, once the run is a minute old at most every
 * minute, and one at the end of a loop that had such a line: short loops say nothing. Nothing at all
 * below MODA_LOG_INFO. Cheap to call per step: the clock is looked at, drawing happens 10 times a second
 * at most. Not thread-safe: one thread calls. */
#ifndef MODA_BASE_PROGRESS_H
#define MODA_BASE_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct moda_progress {
    const char *label; /* borrowed: "epoch 3/20" */
    const char *unit;  /* borrowed: "samples" */
    size_t total, done;
    double started, drawn; /* seconds of the monotonic clock */
    int terminal;
    bool said;     /* a plain line has been printed */
    bool finished; /* the last line has been shown */
} moda_progress;

void moda_progress_begin(moda_progress *p, const char *label, const char *unit, size_t total);
/* done units so far; note (may be NULL) is shown behind the bar: "loss 1.234". */
void moda_progress_update(moda_progress *p, size_t done, const char *note);
/* Wipes the bar on a terminal. A loop that ends before its total is called stopped in a pipe. */
void moda_progress_end(moda_progress *p);

/* Seconds of the monotonic clock. */
double moda_seconds(void);

#endif
