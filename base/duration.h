/* base/duration.h - a span of time as people write it. */
#ifndef MODA_BASE_DURATION_H
#define MODA_BASE_DURATION_H

#include "base/status.h"

/* "2h30m", "90m", "45s", "1d12h" -> seconds; units d, h, m, s, each once, in this order. A
 * number alone is minutes, as batch systems count. Must be more than 0 and at most 1000 days.
 * name is the option's, for the message. Fails: MODA_ERR_ARG. */
MODA_MUST_USE moda_status moda_duration_parse(const char *name, const char *text, double *seconds);

#endif
