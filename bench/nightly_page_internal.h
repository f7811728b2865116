/* bench/nightly_page_internal.h - the page's drawing and its text. */
#ifndef MODA_BENCH_NIGHTLY_PAGE_INTERNAL_H
#define MODA_BENCH_NIGHTLY_PAGE_INTERNAL_H

#include "bench/nightly.h"
#include <stdio.h>

/* Text with what means something in HTML escaped. */
void moda_page_text(FILE *f, const char *text);
/* An SVG element: one figure through the nights. */
void moda_page_trend(FILE *f, const moda_nightly *night, const moda_nightly_result *result);

#endif
