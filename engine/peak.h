/* engine/peak.h - the two limits of this machine that a kernel's rate is held against, measured
 * with the threads that OpenMP has at the moment of the call.
 *
 * Both are the best of many short runs: a limit is what the machine does undisturbed. All
 * threads work at the same time, so that they share what cores and sockets share. */
#ifndef MODA_ENGINE_PEAK_H
#define MODA_ENGINE_PEAK_H

#include "base/status.h"

/* Floating-point operations a second on f32: independent chains of multiply-adds in registers, 2
 * operations each, in the instruction set of base/isa.h; nothing touches memory. The sum over the
 * threads of each one's fastest run. bf16's dot products and tile units go beyond it, and so does
 * what a Winograd convolution counts as its work. Takes about `seconds`. Fails: MODA_ERR_ARG
 * (seconds not above 0). */
MODA_MUST_USE moda_status moda_peak_flops(double seconds, double *flops);

/* The same for bf16: AVX-512's dot products of pairs, 4 operations a lane of f32. Tile units go beyond.
 * Fails: MODA_ERR_ARG, MODA_ERR_UNSUPPORTED (moda_cpu_has_bf16() says no). */
MODA_MUST_USE moda_status moda_peak_flops_bf16(double seconds, double *flops);

/* Bytes a second between memory and cores: STREAM's triad a := b + s*c on f32 arrays of at
 * least 64 MiB each and 16 MiB a thread, 12 bytes an element. As STREAM does, it leaves out
 * that most CPUs read the line of a before they write it: a loop that only reads, or whose data
 * is still in cache, goes beyond. Takes about `seconds`, and the time to touch the arrays
 * before. Fails: MODA_ERR_ARG (seconds not above 0), MODA_ERR_NOMEM (the arrays). */
MODA_MUST_USE moda_status moda_peak_bandwidth(double seconds, double *bytes_per_second);

#endif
