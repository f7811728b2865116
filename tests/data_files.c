/* tests/data_files.c - scratch files and opening data sets, for the tests of datasets/. */
#include "tests/data_files.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

enum { RING = 16, PATH_BYTES = 512 };

static char folder[] = "/tmp/moda-test-XXXXXX";
static char ring[RING][PATH_BYTES];
static size_t turn;

void scratch_begin(void)
{
    cr_assert(ne(ptr, mkdtemp(folder), NULL), "no scratch folder");
}

static int remove_one(const char *path, const struct stat *s, int kind, struct FTW *walk)
{
    (void)s, (void)kind, (void)walk;
    return remove(path);
}

void scratch_end(void)
{
    nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

const char *scratch(const char *format, ...)
{
    char *to = ring[turn++ % RING];
    va_list list;
    va_start(list, format);
    int n = snprintf(to, PATH_BYTES, "%s/", folder);
    n += vsnprintf(to + n, PATH_BYTES - (size_t)n, format, list);
    va_end(list);
    cr_assert(lt(int, n, PATH_BYTES));
    return to;
}

const char *spec_of(const char *word, const char *text)
{
    char *to = ring[turn++ % RING];
    cr_assert(lt(int, snprintf(to, PATH_BYTES, "%s:%s/%s", word, folder, text), PATH_BYTES));
    return to;
}

static void make_parents(const char *path)
{
    char part[PATH_BYTES];
    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof part, "%.*s", (int)(slash - path), path);
        mkdir(part, 0777);
    }
}

void write_bytes(const char *path, const void *bytes, size_t size)
{
    make_parents(path);
    unlink(path); /* some file systems wait for the disk when a file is overwritten */
    FILE *f = fopen(path, "wb");
    cr_assert(ne(ptr, f, NULL), "%s", path);
    cr_assert(eq(sz, fwrite(bytes, 1, size, f), size), "%s", path);
    cr_assert(eq(int, fclose(f), 0), "%s", path);
}

void write_gzip(const char *path, const void *bytes, size_t size)
{
    make_parents(path);
    gzFile f = gzopen(path, "wb");
    cr_assert(ne(ptr, f, NULL), "%s", path);
    cr_assert(eq(sz, (size_t)gzwrite(f, bytes, (unsigned)size), size), "%s", path);
    cr_assert(eq(int, gzclose(f), Z_OK), "%s", path);
}

uint8_t *read_bytes(const char *path, size_t *size)
{
    FILE *f = fopen(path, "rb");
    struct stat s;
    cr_assert(f && fstat(fileno(f), &s) == 0, "%s", path);
    *size = (size_t)s.st_size;
    uint8_t *bytes = malloc(*size + 1);
    cr_assert(eq(sz, fread(bytes, 1, *size, f), *size), "%s", path);
    fclose(f);
    return bytes;
}

moda_dataset *must_open(const char *spec, const moda_dataset_options *options)
{
    moda_dataset *d = NULL;
    const moda_status st = moda_dataset_open(spec, options, &d);
    cr_assert(eq(int, st, MODA_OK), "%s: %s", spec, moda_last_error());
    cr_assert(ne(ptr, d, NULL));
    return d;
}

void must_refuse(const char *spec, const moda_dataset_options *options, moda_status status, ...)
{
    moda_dataset *d = (moda_dataset *)&d; /* must become NULL */
    const moda_status st = moda_dataset_open(spec, options, &d);
    const char *message = moda_last_error();
    va_list list;
    cr_assert(eq(int, st, status), "%s: got %s (%s), expected %s", spec, moda_status_name(st),
              message, moda_status_name(status));
    cr_assert(eq(ptr, d, NULL), "%s: a data set came out of a failure", spec);
    cr_assert(eq(ptr, strchr(message, '\n'), NULL), "more than one line: %s", message);
    va_start(list, status);
    for (const char *word; (word = va_arg(list, const char *));)
        cr_assert(ne(ptr, strstr(message, word), NULL), "'%s' is not in: %s", word, message);
    va_end(list);
}
