/* base/isa.c - the CPU is asked once; MODA_ISA can lower the answer, never raise it. */
#include "base/isa.h"
#include "base/log.h"
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[MODA_ISA_COUNT] = {"ref", "avx2", "avx512"};
static pthread_once_t once = PTHREAD_ONCE_INIT;
static moda_isa best = MODA_ISA_REF;

/* The features by which GCC's x86-64-v3 and -v4, with which the kernels are compiled, go beyond
 * each other, as far as CPUs exist that differ in them. The builtin also asks whether the
 * operating system saves the wide registers. */
static moda_isa ask_cpu(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
              __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
              __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
              __builtin_cpu_supports("avx512vl");
    return v4 ? MODA_ISA_AVX512 : v3 ? MODA_ISA_AVX2 : MODA_ISA_REF;
#else
    return MODA_ISA_REF;
#endif
}

static void decide(void)
{
    best = ask_cpu();
    const char *wish = getenv("MODA_ISA");
    if (!wish || !*wish) return;
    int found = -1;
    for (int i = 0; i < MODA_ISA_COUNT; i++)
        if (strcmp(wish, names[i]) == 0) found = i;
    if (found < 0)
        moda_log(MODA_LOG_WARNING, "MODA_ISA=%s is none of ref, avx2, avx512; using %s", wish,
                 names[best]);
    else if (found > (int)best)
        moda_log(MODA_LOG_WARNING, "MODA_ISA=%s: this CPU lacks it; using %s", wish, names[best]);
    else
        best = (moda_isa)found;
}

moda_isa moda_isa_best(void)
{
    pthread_once(&once, decide);
    return best;
}

bool moda_cpu_has_bf16(void)
{
#if defined(__x86_64__)
    return moda_isa_best() == MODA_ISA_AVX512 && __builtin_cpu_supports("avx512bf16");
#else
    return false;
#endif
}

const char *moda_isa_name(moda_isa isa)
{
    return (unsigned)isa < MODA_ISA_COUNT ? names[isa] : "unknown";
}
