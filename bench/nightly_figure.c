#include "bench/nightly_figure.h"
#include <stdio.h>
#include <string.h>

/* What a process holds at its peak differs by some pages from one run to the next. */
#define PEAK_TOLERANCE 0.03
/* What a change of the order of summation does to a training as small as this. */
#define ACCURACY_TOLERANCE 0.02
#define SIZE_TOLERANCE     0.1

static void add(moda_nightly_figure *figures, size_t *n, moda_nightly_figure f)
{
    snprintf(f.name, sizeof f.name, "%s%s%s", f.subject->name, *f.key ? "." : "", f.key);
    figures[(*n)++] = f;
}

size_t moda_nightly_figures_of(const moda_nightly_subject *s, moda_nightly_figure *f)
{
    size_t n = 0;
    if (s->job != MODA_NIGHTLY_LEARN)
        add(f, &n, (moda_nightly_figure){s, "", "", "calibrations", false, true, 0, false});
    if (s->job == MODA_NIGHTLY_STEP) {
        add(f, &n, (moda_nightly_figure){s, "planned", "", "bytes", false, false, 0, false});
        add(f, &n,
            (moda_nightly_figure){s, "peak", "", "bytes", false, false, PEAK_TOLERANCE, true});
    }
    if (s->job == MODA_NIGHTLY_LEARN) {
        const moda_nightly_figure share = {s, "", "", "share", true, false, 0, false};
        moda_nightly_figure one = share;
        one.tolerance = ACCURACY_TOLERANCE;
        one.key = "accuracy", add(f, &n, one);
        one.key = "reuse", add(f, &n, one);
        one.higher = false, one.tolerance = SIZE_TOLERANCE, one.relative = true;
        one.key = "size", add(f, &n, one);
        one.key = "overlap", add(f, &n, one);
    }
    return n;
}

/* Whether `name` is `word`, or begins with "word.". */
static bool fits(const char *name, const char *word, size_t length)
{
    return strncmp(name, word, length) == 0 && (name[length] == 0 || name[length] == '.');
}

static bool subject_fits(const moda_nightly_subject *s, const char *word, size_t length)
{
    moda_nightly_figure figures[MODA_NIGHTLY_FIGURES];
    const size_t n = moda_nightly_figures_of(s, figures);
    for (size_t i = 0; i < n; i++)
        if (fits(figures[i].name, word, length)) return true;
    return false;
}

moda_status moda_nightly_choose(bool in_long, const char *only, bool *chosen)
{
    moda_status st = MODA_OK;
    const size_t n = moda_nightly_subject_count();
    for (size_t i = 0; i < n; i++)
        chosen[i] = !only && (in_long || !moda_nightly_subjects[i].in_long);
    while (only) {
        const size_t length = strcspn(only, ",");
        bool any = false;
        for (size_t i = 0; length && i < n; i++)
            if (subject_fits(&moda_nightly_subjects[i], only, length)) chosen[i] = any = true;
        MODA_CHECK(any, MODA_ERR_ARG,
                   "--only '%.*s': no such figure; `moda nightly --list` names them", (int)length,
                   only);
        only = only[length] ? only + length + 1 : NULL;
    }
out:
    return st;
}
