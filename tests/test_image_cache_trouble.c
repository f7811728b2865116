/* tests/test_image_cache_trouble.c - damaged files, folders that cannot be written to: a cache never
 * ends a run. */
#include "tests/cache_tree.h"
#include "tests/capture.h"
#include "tests/data_files.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(image_cache_trouble, .init = cache_tree_begin, .fini = cache_tree_end, .timeout = 60);

Test(image_cache_trouble, damaged_entry_is_made_anew)
{
    write_tree();
    moda_dataset *wanted = open_with("auto", MODA_CROP_PADDED);
    size_t size;
    const char *path = largest_entry(scratch("xdg/moda/images"));
    uint8_t *good = read_bytes(path, &size);
    /* First bytes, checksum, length of the key, number of images, the key, records, pixels. */
    const size_t places[] = {0,       13, 17, 30, 45, size - CACHE_TREE_TRAIN * (3 * 32 * 32 + 4),
                             size - 1};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        good[places[i]] ^= 0x40;
        write_bytes(path, good, size);
        good[places[i]] ^= 0x40;
        check_warnings("auto", wanted, 1, "damaged file of decoded images");
        check_warnings("auto", wanted, 0, NULL);
    }
    const size_t lengths[] = {0, 20, 60, size - 100, size - 1, size + 1};
    good = realloc(good, size + 1);
    good[size] = 0;
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        write_bytes(path, good, lengths[i]);
        check_warnings("auto", wanted, 1, "damaged file of decoded images");
        check_warnings("auto", wanted, 0, NULL);
    }
    free(good);
    moda_dataset_destroy(wanted);
}

Test(image_cache_trouble, damaged_entry_of_whole_pictures_is_made_anew)
{
    write_tree();
    moda_dataset *wanted = open_with("auto", MODA_CROP_RESIZED);
    size_t size;
    const char *path = largest_entry(scratch("xdg/moda/images"));
    uint8_t *bytes = read_bytes(path, &size);
    bytes[size - 1] ^= 1;
    write_bytes(path, bytes, size);
    test_capture(2);
    moda_dataset *again = open_with("auto", MODA_CROP_RESIZED);
    char *said = test_captured();
    cr_assert(ne(ptr, strstr(said, "wrong checksum of pixels"), NULL), "%s", said);
    check_same(again, wanted);
    free(said);
    free(bytes);
    moda_dataset_destroy(again);
    moda_dataset_destroy(wanted);
}

Test(image_cache_trouble, entry_of_another_version_is_replaced)
{
    write_tree();
    moda_dataset *wanted = open_with("auto", MODA_CROP_PADDED);
    size_t size, size_now;
    const char *path = largest_entry(scratch("xdg/moda/images"));
    uint8_t *bytes = read_bytes(path, &size);
    bytes[8] ^= 0x80;
    write_bytes(path, bytes, size);
    check_warnings("auto", wanted, 0, NULL);
    uint8_t *now = read_bytes(path, &size_now);
    cr_assert(eq(sz, size_now, size));
    cr_assert(eq(u8, now[8], bytes[8] ^ 0x80));
    free(now);
    free(bytes);
    moda_dataset_destroy(wanted);
}

Test(image_cache_trouble, off_writes_nothing)
{
    write_tree();
    moda_dataset *d = open_with("off", MODA_CROP_PADDED);
    check_warnings(NULL, d, 0, NULL);
    cr_assert(eq(int, cache_entries(scratch("xdg")), -1));
    moda_dataset_destroy(d);
}

Test(image_cache_trouble, goes_on_without_a_place)
{
    write_tree();
    moda_dataset *d = open_with("off", MODA_CROP_PADDED);
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    check_warnings("auto", d, 0, NULL);
    write_bytes(scratch("file"), "x", 1);
    setenv("XDG_CACHE_HOME", scratch("file"), 1);
    check_warnings("auto", d, 1, "decoded images are not kept: ");
    check_warnings(scratch("file/below"), d, 1, "is not a directory");
    moda_dataset_destroy(d);
}

/* Folders stand where the entries should be. One line for both splits. */
Test(image_cache_trouble, goes_on_when_an_entry_cannot_be_written)
{
    char place[512];
    snprintf(place, sizeof place, "%s", scratch("place"));
    write_tree();
    moda_dataset *d = open_with(place, MODA_CROP_PADDED);
    for (int i = 0; i < 2; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s", largest_entry(place));
        cr_assert(zero(int, unlink(path)));
        cr_assert(zero(int, mkdir(path, 0700)));
    }
    check_warnings(place, d, 1, "decoded images are not kept: ");
    moda_dataset_destroy(d);
}

Test(image_cache_trouble, other_data_have_no_pictures_to_keep)
{
    must_refuse("synthetic", &(moda_dataset_options){.image_cache = scratch("place")}, MODA_ERR_ARG,
                "only folder:DIR", NULL);
    must_refuse(spec_of("folder", ""), &(moda_dataset_options){.image_cache = ""}, MODA_ERR_ARG,
                "empty name", NULL);
    moda_dataset_destroy(must_open("synthetic", &(moda_dataset_options){.image_cache = "auto"}));
}
