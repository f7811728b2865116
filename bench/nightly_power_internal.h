/* bench/nightly_power_internal.h - what a night of `moda nightly` would find. Private to this room. */
#ifndef MODA_BENCH_NIGHTLY_POWER_INTERNAL_H
#define MODA_BENCH_NIGHTLY_POWER_INTERNAL_H

#include "bench/nightly_judge.h"

/* The slowdown, as a share, that the whole test of nightly_judge.h finds on a single night of so many timed
 * figures with a chance of MODA_NIGHTLY_POWER, or more. base: with a scatter, of the series. */
double moda_nightly_detectable(const moda_level *base, const moda_nightly_series *series,
                               size_t figures);

#endif
