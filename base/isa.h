/* base/isa.h - which instruction set our own kernels use, asked of the CPU at run time.
 * Each thing_kernel.c is compiled once per set, with MODA_K(name) giving name_ref, name_avx2 or
 * name_avx512; the room's dispatcher holds one table row per operation, indexed by moda_isa. */
#ifndef MODA_BASE_ISA_H
#define MODA_BASE_ISA_H

#include <stdbool.h>

typedef enum moda_isa { MODA_ISA_REF, MODA_ISA_AVX2, MODA_ISA_AVX512, MODA_ISA_COUNT } moda_isa;

/* The widest set that both this CPU and this build have (first call decides). The environment
 * variable MODA_ISA=ref|avx2|avx512 lowers it; a set that the CPU lacks is never chosen. */
moda_isa moda_isa_best(void);
const char *moda_isa_name(moda_isa isa);
/* Whether the CPU multiplies bfloat16 (AVX-512-BF16) and moda_isa_best() has not been lowered. */
bool moda_cpu_has_bf16(void);

/* Inside a *_kernel.c only: the Makefile defines MODA_ISA_SUFFIX. */
#ifdef MODA_ISA_SUFFIX
#define MODA_K_JOIN(a, b) a##_##b
#define MODA_K_NAME(a, b) MODA_K_JOIN(a, b)
#define MODA_K(name)      MODA_K_NAME(name, MODA_ISA_SUFFIX)
#endif

#endif
