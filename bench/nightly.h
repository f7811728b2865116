/* bench/nightly.h - a night: measures the fixed set of figures, compares them with those of nights
 * before on the same class of machine, and adds them to the history. docs/nightly.md.
 *
 * Each turn of a subject is a process of its own, so that what the layout of memory does to a time
 * is part of the scatter; subjects take turns, so that a disturbance hits several a little. */
#ifndef MODA_BENCH_NIGHTLY_H
#define MODA_BENCH_NIGHTLY_H

#include "base/json.h"
#include "base/status.h"
#include "bench/machine.h"
#include "bench/nightly_history.h"
#include "bench/nightly_judge.h"
#include <stdbool.h>
#include <stddef.h>

enum { MODA_NIGHTLY_CLASS = 384, MODA_NIGHTLY_WORDS = 12 };

typedef struct moda_nightly {
    const char *program;                   /* this one: "/proc/self/exe" */
    const char *words[MODA_NIGHTLY_WORDS]; /* options of every turn, NULL behind them */
    const char *history;                   /* path */
    bool in_long;
    const char *only; /* figures, as moda_nightly_choose() has it; NULL: those of the form */
    size_t rounds;    /* turns of a measurement; its value is their median */
    double patience;  /* seconds of a turn, at the most */
    double pause;     /* seconds before each confirmation: a neighbour may stay for minutes */
    size_t seed;

    moda_machine machine; /* after moda_nightly_open() */
    char machine_class[MODA_NIGHTLY_CLASS];
    moda_nightly_history before;
    moda_nightly_result *results; /* [count] */
    size_t count;

    char run[40], date[32]; /* after moda_nightly_run(): its name, and when it began */
    double seconds;
    moda_timings calibration; /* of every turn, seconds */
} moda_nightly;

/* Reads the history; nothing is measured yet. team: "bound", "2-3": how threads are bound, as part
 * of the class; "" as usual. Fails: MODA_ERR_ARG (only names nothing), as
 * moda_nightly_history_read() and _writable(). */
MODA_MUST_USE moda_status moda_nightly_open(moda_nightly *night, const char *team);
/* Measures, judges, and adds the night to the history. Shows progress. Fails: as the turns; then
 * nothing is added. */
MODA_MUST_USE moda_status moda_nightly_run(moda_nightly *night);
/* How many figures have got that verdict. */
size_t moda_nightly_count(const moda_nightly *night, moda_nightly_verdict verdict);
void moda_nightly_free(moda_nightly *night); /* zeroed struct is fine */

/* Makes the present level of these figures ("name,name"; "all": of all that stand as regressions)
 * the base of the nights to come: a line in the history. *accepted is how many. Fails: MODA_ERR_ARG
 * (a name that does not stand as a regression), as the history. */
MODA_MUST_USE moda_status moda_nightly_accept(moda_nightly *night, const char *names,
                                              size_t *accepted);

/* Tables and verdicts on stdout. */
void moda_nightly_print(const moda_nightly *night);
/* The history's line of this night. New reference. */
MODA_MUST_USE moda_status moda_nightly_line(const moda_nightly *night, json_t **line);
/* The same with the judgement on every figure. New reference. */
MODA_MUST_USE moda_status moda_nightly_json(const moda_nightly *night, json_t **json);
/* The history as a page, in one file that asks for no other. Fails: MODA_ERR_IO. */
MODA_MUST_USE moda_status moda_nightly_write_page(const moda_nightly *night, const char *path);

#endif
