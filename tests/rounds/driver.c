/* tests/rounds/driver.c - `driver MODE THREADS [MINUTES]` in a folder of its own:
 *     once      one round; brief: a shorter one
 *     soak      rounds for MINUTES, memory sampled after each; fails when it grows
 *     race, leak, uninitialised, overrun, growth
 *               planted faults: show that whoever watches would see them */
#include "base/log.h"
#include "tests/rounds/round.h"
#include "tests/rounds/soak.h"
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* All threads add to one number, as a kernel would that forgot its reduction. */
static int race(void)
{
    static volatile size_t sum;
#pragma omp parallel num_threads(2)
    for (size_t i = 0; i < 1000; i++) sum = sum + i;
    return sum == 1;
}

static int leak(void)
{
    char *volatile lost = malloc(1000);
    lost[0] = 1;
    lost = NULL;
    return lost != NULL;
}

static int uninitialised(void)
{
    volatile int *value = malloc(sizeof *value);
    const int odd = value && *value == 12345;
    if (odd) puts("odd");
    free((void *)value);
    return 0;
}

static int overrun(void)
{
    volatile size_t n = 16; /* not for the compiler to see */
    volatile char *bytes = malloc(n);
    if (bytes) bytes[n] = 1;
    free((void *)bytes);
    return 0;
}

/* A round that loses a little. */
static void lose(size_t bytes)
{
    char *volatile lost = malloc(bytes);
    if (lost) lost[0] = 1;
    usleep(1000);
}

int main(int argc, char **argv)
{
    const char *mode = argc > 2 ? argv[1] : "";
    const size_t threads = argc > 2 ? (size_t)strtoul(argv[2], NULL, 10) : 0;
    if (strcmp(mode, "race") == 0) return race();
    if (strcmp(mode, "leak") == 0) return leak();
    if (strcmp(mode, "uninitialised") == 0) return uninitialised();
    if (strcmp(mode, "overrun") == 0) return overrun();
    if (strcmp(mode, "growth") == 0) return soak(lose, 500, 0.02);
    moda_log_set_level(MODA_LOG_ERROR);
    /* The commands' tables are no matter here; figures go to stderr. */
    if (!freopen("/dev/null", "w", stdout)) return EXIT_FAILURE;
    if (strcmp(mode, "soak") == 0 && argc > 3)
        return soak(round_run, threads, strtod(argv[3], NULL));
    if (strcmp(mode, "once") == 0) return round_once(threads), EXIT_SUCCESS;
    if (strcmp(mode, "brief") == 0) return round_brief(threads), EXIT_SUCCESS;
    fprintf(
        stderr,
        "usage: driver once|brief|soak|race|leak|uninitialised|overrun|growth THREADS [MINUTES]\n");
    return 2;
}
