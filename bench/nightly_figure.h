/* bench/nightly_figure.h - the figures of a subject: their names, units, and how each is judged. */
#ifndef MODA_BENCH_NIGHTLY_FIGURE_H
#define MODA_BENCH_NIGHTLY_FIGURE_H

#include "bench/nightly_subject.h"

enum { MODA_NIGHTLY_NAME = 64, MODA_NIGHTLY_FIGURES = 6 /* of a subject, at most */ };

typedef struct moda_nightly_figure {
    const moda_nightly_subject *subject;
    const char *key;              /* in a turn's JSON; "" for the time */
    char name[MODA_NIGHTLY_NAME]; /* the subject's, with ".KEY" behind it */
    const char *unit;             /* "calibrations", "bytes", "share" */
    bool higher;                  /* is better */
    bool timed;                   /* judged by test; else by tolerance */
    double tolerance;             /* how much worse than the base is no regression */
    bool relative;                /* tolerance is a share of the base's value */
} moda_nightly_figure;

/* Fills figures [MODA_NIGHTLY_FIGURES]; returns how many. */
size_t moda_nightly_figures_of(const moda_nightly_subject *subject, moda_nightly_figure *figures);

/* Subjects of a form, or those that `only` names: names of figures, of subjects, or what stands
 * before a dot in them, as in "step.vgg16,data". chosen [moda_nightly_subject_count()] is written.
 * Fails: MODA_ERR_ARG (a name that fits none). */
MODA_MUST_USE moda_status moda_nightly_choose(bool in_long, const char *only, bool *chosen);

#endif
