/* tests/rounds/soak.c - samples and the rule. */
#include "tests/rounds/soak.h"
#include "base/progress.h"
#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { RESIDENT, HEAP, FILES, FIGURES };
typedef struct sample {
    double seconds;
    size_t value[FIGURES];
} sample;

/* malloc hands freed memory back late and in large pieces, so that resident memory wanders; what is
 * in use is exact. */
static size_t heap_in_use(void)
{
    const struct mallinfo2 m = mallinfo2();
    return m.uordblks + m.hblkhd;
}

static size_t resident(void)
{
    size_t all, pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (!f || fscanf(f, "%zu %zu", &all, &pages) != 2) pages = 0;
    if (f) fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static size_t open_files(void)
{
    size_t n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d && readdir(d)) n++;
    if (d) closedir(d);
    return n;
}

static int ascending(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* Of samples [from,to) */
static size_t median(const sample *s, size_t from, size_t to, int figure)
{
    size_t *v = malloc((to - from) * sizeof *v), middle = 0;
    if (!v) abort();
    for (size_t i = from; i < to; i++) v[i - from] = s[i].value[figure];
    qsort(v, to - from, sizeof *v, ascending);
    middle = v[(to - from) / 2];
    free(v);
    return middle;
}

static int verdict(const sample *s, size_t n)
{
    static const char *const names[FIGURES] = {"resident memory", "heap in use", "open files"};
    int status = EXIT_SUCCESS;
    fprintf(stderr, "%zu rounds in %.0f s\n", n, s[n - 1].seconds);
    for (int f = 0; f < FIGURES; f++) {
        const size_t early = median(s, n / 4, n / 2, f), late = median(s, n - n / 4, n, f);
        const size_t slack[FIGURES] = {early / 100 + (1 << 20), 1 << 16, 0};
        const int flat = late <= early + slack[f];
        fprintf(stderr,
                "%s: %zu after the first round, median %zu in the second quarter, %zu in the "
                "last: %s\n",
                names[f], s[0].value[f], early, late, flat ? "flat" : "GROWS");
        if (!flat) status = EXIT_FAILURE;
    }
    return status;
}

int soak(void (*round)(size_t threads), size_t threads, double minutes)
{
    size_t n = 0, room = 1 << 16; /* its own memory does not grow while it looks */
    sample *s = calloc(room, sizeof *s);
    FILE *csv = fopen("soak.csv", "w");
    int status;
    if (!s || !csv) abort();
    fprintf(csv, "round,seconds,resident,heap,files\n");
    const double start = moda_seconds();
    do {
        round(threads);
        s[n] = (sample){moda_seconds() - start, {resident(), heap_in_use(), open_files()}};
        fprintf(csv, "%zu,%.1f,%zu,%zu,%zu\n", n + 1, s[n].seconds, s[n].value[RESIDENT],
                s[n].value[HEAP], s[n].value[FILES]);
        fflush(csv);
        n++;
    } while (n < room && (n < 4 || s[n - 1].seconds < 60 * minutes));
    status = verdict(s, n);
    fclose(csv);
    free(s);
    return status;
}
