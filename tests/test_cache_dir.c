/* tests/test_cache_dir.c - base/cache_dir.h: which folder, made how, and when there is none. */
#include "base/cache_dir.h"
#include "base/file.h"
#include "tests/data_files.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(cache_dir, .init = scratch_begin, .fini = scratch_end, .timeout = 60);

static void set(const char *cache, const char *home)
{
    cache ? setenv("XDG_CACHE_HOME", cache, 1) : unsetenv("XDG_CACHE_HOME");
    home ? setenv("HOME", home, 1) : unsetenv("HOME");
}

/* The answer is `wanted`, a folder that only its owner may enter. */
static void check_folder(const char *wanted)
{
    char *path = NULL;
    struct stat s;
    cr_assert(eq(int, moda_cache_dir(&path), MODA_OK), "%s", moda_last_error());
    cr_assert(ne(ptr, path, NULL));
    cr_assert(eq(str, path, (char *)wanted));
    cr_assert(eq(int, stat(path, &s), 0), "%s", path);
    cr_assert(eq(u32, s.st_mode, S_IFDIR | 0700), "%s", path);
    free(path);
}

static void check_none(void)
{
    char *path = (char *)&path; /* must become NULL */
    cr_assert(eq(int, moda_cache_dir(&path), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(ptr, path, NULL));
}

Test(cache_dir, is_below_xdg_cache_home_with_missing_parents)
{
    set(scratch("a/b"), scratch("home"));
    check_folder(scratch("a/b/moda"));
    check_folder(scratch("a/b/moda")); /* there already */
    cr_assert(not(moda_is_directory(scratch("home"))));
}

Test(cache_dir, is_below_home_otherwise)
{
    cr_assert(eq(int, mkdir(scratch("home"), 0755), 0));
    set(NULL, scratch("home"));
    check_folder(scratch("home/.cache/moda"));
    set("", scratch("home/"));
    check_folder(scratch("home//.cache/moda"));
}

Test(cache_dir, passes_over_a_relative_variable)
{
    cr_assert(eq(int, mkdir(scratch("home"), 0755), 0));
    cr_assert(eq(int, chdir(scratch("home")), 0));
    set("relative", scratch("home"));
    check_folder(scratch("home/.cache/moda"));
    cr_assert(not(moda_is_directory("relative")));
    set("relative", "home");
    check_none();
}

Test(cache_dir, is_null_when_nothing_is_set)
{
    set(NULL, NULL);
    check_none();
    set("", "");
    check_none();
}

static void check_refused(const char *word)
{
    char *path = (char *)&path;
    cr_assert(eq(int, moda_cache_dir(&path), MODA_ERR_IO));
    cr_assert(eq(ptr, path, NULL));
    cr_assert(ne(ptr, strstr(moda_last_error(), word), NULL), "%s", moda_last_error());
    cr_assert(ne(ptr, strstr(moda_last_error(), "XDG_CACHE_HOME"), NULL), "%s", moda_last_error());
}

Test(cache_dir, refuses_a_file_in_the_way)
{
    write_bytes(scratch("cache/moda"), "x", 1);
    set(scratch("cache"), NULL);
    check_refused("cache/moda: ");
    set(scratch("cache/moda"), NULL);
    check_refused("is not a directory");
}

Test(cache_dir, does_not_make_a_home)
{
    set(NULL, scratch("nobody"));
    check_refused("nobody/.cache");
    cr_assert(not(moda_is_directory(scratch("nobody"))));
}
