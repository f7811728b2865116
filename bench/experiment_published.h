/* bench/experiment_published.h - the figures that the method was published with, to stand beside
 * ours.
 *
 * Source: T. Ngo, A. Hassan, S. Shafiq, N. Medvidovic, DNN Modularization via Activation-Driven
 * Training,
 * arXiv 2411.01074. All on CIFAR-10, 200 epochs, on a GPU, alpha = beta = 1. Figures that are not
 * known for certain are not here. */
#ifndef MODA_BENCH_EXPERIMENT_PUBLISHED_H
#define MODA_BENCH_EXPERIMENT_PUBLISHED_H

#include <stddef.h>

#define MODA_PUBLISHED_SOURCE "arXiv 2411.01074"

/* Shares, as everywhere in moda; NaN: not published, or not known. */
typedef struct moda_published {
    const char *model, *method; /* method: standard, mwt, moda */
    double gamma, tau;          /* NaN where the method has none */
    double accuracy, hours;     /* of the whole model, of its training */
    double reuse;               /* accuracy, mean over sizes of sub-tasks */
    double size, overlap;       /* of modules, means */
} moda_published;

/* The figures of that setting on the data of this SPEC; all NaN where there are none. */
moda_published moda_published_find(const char *spec, const char *model, const char *method,
                                   double gamma, double tau);

#endif
