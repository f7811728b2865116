/* bench/median.h - how well a median is known from a few samples.
 *
 * Nothing is assumed about how samples are distributed, only that they are drawn independently from one
 * continuous distribution. Each of n samples is then below its median with probability 1/2, so the number
 * of samples below is binomial, B ~ Bin(n, 1/2), and the interval from the k-th smallest to the k-th largest sample
 * holds the median with probability P(k <= B <= n-k) = 1 - 2*P(B < k). (H. A. David and H. N. Nagaraja, Order
 * Statistics, section 7.1.) */
#ifndef MODA_BENCH_MEDIAN_H
#define MODA_BENCH_MEDIAN_H

#include <stddef.h>

/* The largest k >= 1 whose interval holds the median with at least this probability, which is in (0,1);
 * *covered := the probability that it really has. With too few samples (less than 6 for 0.95) k is 1, and
 * *covered is less. n >= 1. */
size_t moda_median_rank(size_t n, double confidence, double *covered);

#endif
