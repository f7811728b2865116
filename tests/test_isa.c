/* tests/test_isa.c - base/isa.h: never more than the CPU has, never more than MODA_ISA allows. */
#include "base/isa.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each test runs in its own process: the first call decides there. */
TestSuite(isa, .timeout = 60);

/* The kernel's own list of features, which shares nothing with the compiler's builtin. */
static bool cpu_has(const char *feature)
{
    char line[8192], word[64];
    bool found = false;
    FILE *f = fopen("/proc/cpuinfo", "r");
    if (!f) return false;
    snprintf(word, sizeof word, " %s ", feature);
    while (!found && fgets(line, sizeof line, f)) {
        if (strncmp(line, "flags", 5) != 0) continue;
        line[strcspn(line, "\n")] = ' ';
        found = strstr(line, word) != NULL;
    }
    fclose(f);
    return found;
}

static moda_isa widest(void)
{
    if (cpu_has("avx512f") && cpu_has("avx512bw") && cpu_has("avx512dq") && cpu_has("avx512vl") &&
        cpu_has("avx512cd"))
        return MODA_ISA_AVX512;
    return cpu_has("avx2") && cpu_has("fma") && cpu_has("bmi2") ? MODA_ISA_AVX2 : MODA_ISA_REF;
}

Test(isa, best_is_what_the_kernel_lists)
{
    unsetenv("MODA_ISA");
    cr_assert(eq(int, moda_isa_best(), widest()));
}

Test(isa, environment_lowers)
{
    setenv("MODA_ISA", "ref", 1);
    cr_assert(eq(int, moda_isa_best(), MODA_ISA_REF));
    setenv("MODA_ISA", "avx512", 1);
    cr_assert(eq(int, moda_isa_best(), MODA_ISA_REF), "the first call decides");
}

Test(isa, environment_does_not_raise)
{
    setenv("MODA_ISA", "avx512", 1);
    cr_assert(eq(int, moda_isa_best(), widest()));
}

Test(isa, unknown_word_changes_nothing)
{
    setenv("MODA_ISA", "mmx", 1);
    cr_assert(eq(int, moda_isa_best(), widest()));
}

Test(isa, names)
{
    cr_assert(eq(str, (char *)moda_isa_name(MODA_ISA_REF), "ref"));
    cr_assert(eq(str, (char *)moda_isa_name(MODA_ISA_AVX2), "avx2"));
    cr_assert(eq(str, (char *)moda_isa_name(MODA_ISA_AVX512), "avx512"));
    cr_assert(eq(str, (char *)moda_isa_name(MODA_ISA_COUNT), "unknown"));
}
