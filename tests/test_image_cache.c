/* tests/test_image_cache.c - decoded pictures that are kept: the second reading equals the first and
 * decodes nothing, changes of the folder are seen, and so much is kept as is allowed. */
#include "datasets/image_cache_internal.h"
#include "tests/cache_tree.h"
#include "tests/data_files.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(image_cache, .init = cache_tree_begin, .fini = cache_tree_end, .timeout = 60);

/* ---- what is kept ---- */

static void check_kept(const char *cache, const char *folder, moda_crop crop)
{
    moda_dataset *plain = open_with("off", crop), *first = open_with(cache, crop);
    cr_assert(eq(sz, first->train.n, CACHE_TREE_TRAIN));
    cr_assert(eq(sz, first->test.n, CACHE_TREE_TEST));
    check_same(first, plain);
    cr_assert(eq(int, cache_entries(folder), 2), "one entry per split in %s", folder);
    spoil_tree();
    moda_dataset *second = open_with(cache, crop);
    check_same(second, first);
    must_refuse(spec_of("folder", "d"), NULL, MODA_ERR_FORMAT, "neither a JPEG nor a PNG", NULL);
    moda_dataset_destroy(plain);
    moda_dataset_destroy(first);
    moda_dataset_destroy(second);
}

Test(image_cache, second_reading_decodes_nothing)
{
    char place[512];
    snprintf(place, sizeof place, "%s", scratch("xdg/moda/images"));
    write_tree();
    check_kept("auto", place, MODA_CROP_PADDED);
}

Test(image_cache, keeps_whole_pictures_for_resized_crops)
{
    char place[512];
    snprintf(place, sizeof place, "%s", scratch("xdg/moda/images"));
    write_tree();
    check_kept("auto", place, MODA_CROP_RESIZED);
}

Test(image_cache, goes_where_it_is_told)
{
    char place[512];
    snprintf(place, sizeof place, "%s", scratch("other/place"));
    write_tree();
    check_kept(place, place, MODA_CROP_PADDED);
    cr_assert(eq(int, cache_entries(scratch("xdg")), -1), "nothing in the user's cache");
}

/* ---- what it is of ---- */

Test(image_cache, sizes_and_crops_are_kept_apart)
{
    write_tree();
    moda_dataset *small = open_with("auto", MODA_CROP_PADDED);
    moda_dataset *whole = open_with("auto", MODA_CROP_RESIZED);
    const moda_dataset_options o = {.height = 24, .width = 24, .image_cache = "auto"};
    moda_dataset *other = must_open(spec_of("folder", "d"), &o);
    cr_assert(eq(int, cache_entries(scratch("xdg/moda/images")), 6));
    cr_assert(eq(sz, other->train.height, 24));
    cr_assert(ne(ptr, whole->train.own, NULL));
    check_warnings("auto", small, 0, NULL);
    moda_dataset_destroy(small);
    moda_dataset_destroy(whole);
    moda_dataset_destroy(other);
}

/* Reads once, lets change() act, reads twice: what comes is what decoding gives, in place of the
 * old entry. */
static void check_change_is_seen(void (*change)(void))
{
    write_tree();
    moda_dataset *before = open_with("auto", MODA_CROP_PADDED);
    change();
    moda_dataset *plain = open_with("off", MODA_CROP_PADDED);
    cr_assert(before->train.n != plain->train.n ||
                  memcmp(before->train.pixels, plain->train.pixels, plain->train.n * 3 * 32 * 32),
              "the change changes nothing");
    check_warnings("auto", plain, 0, NULL);
    check_warnings("auto", plain, 0, NULL);
    cr_assert(eq(int, cache_entries(scratch("xdg/moda/images")), 2), "the old entry is replaced");
    moda_dataset_destroy(before);
    moda_dataset_destroy(plain);
}

/* Uncompressed sizes are equal, so the PNG files may be, too: the time alone has to do. */
static void change_picture(void)
{
    write_picture(tree_picture("train", 4), 44);
    set_time(tree_picture("train", 4), 1000000000, 1);
}

static void add_picture(void)
{
    write_picture(scratch("d/train/dog/new.png"), 20);
}

static void remove_picture(void)
{
    cr_assert(zero(int, unlink(tree_picture("train", 3))));
}

/* Sizes and times stay. */
static void swap_names(void)
{
    cr_assert(zero(int, rename(tree_picture("train", 0), scratch("d/train/cat/99.png"))));
}

Test(image_cache, changed_picture_is_seen)
{
    check_change_is_seen(change_picture);
}

Test(image_cache, new_picture_is_seen)
{
    check_change_is_seen(add_picture);
}

Test(image_cache, removed_picture_is_seen)
{
    check_change_is_seen(remove_picture);
}

Test(image_cache, new_order_is_seen)
{
    check_change_is_seen(swap_names);
}

/* One nanosecond is enough; read again, the spoiled picture shows that it is decoded. */
Test(image_cache, time_is_compared_to_the_nanosecond)
{
    write_tree();
    set_time(tree_picture("val", 1), 1000000000, 1);
    moda_dataset_destroy(open_with("auto", MODA_CROP_PADDED));
    spoil(tree_picture("val", 1));
    moda_dataset_destroy(open_with("auto", MODA_CROP_PADDED));
    set_time(tree_picture("val", 1), 1000000000, 2);
    must_refuse(spec_of("folder", "d"),
                &(moda_dataset_options){.height = 32, .width = 32, .image_cache = "auto"},
                MODA_ERR_FORMAT, "neither a JPEG nor a PNG", NULL);
}

/* ---- how much is kept ---- */

/* Files without blocks: 3 GiB that were used last, 2 GiB that were not, something else. */
Test(image_cache, least_recently_used_entries_make_room)
{
    write_tree();
    const char *old = scratch("xdg/moda/images/old.images");
    const char *young = scratch("xdg/moda/images/young.images");
    const char *other = scratch("xdg/moda/images/other");
    write_bytes(old, "", 0);
    write_bytes(young, "", 0);
    write_bytes(other, "", 0);
    cr_assert(zero(int, truncate(old, (off_t)2 << 30)));
    cr_assert(zero(int, truncate(young, (off_t)3 << 30)));
    cr_assert(zero(int, truncate(other, (off_t)9 << 30)));
    set_time(old, 1000000000, 1);
    set_time(young, 1000000000, 2);
    set_time(other, 1, 0);
    moda_dataset_destroy(open_with("auto", MODA_CROP_PADDED));
    cr_assert(ne(int, access(old, F_OK), 0));
    cr_assert(zero(int, access(young, F_OK)));
    cr_assert(zero(int, access(other, F_OK)));
    cr_assert(eq(int, cache_entries(scratch("xdg/moda/images")), 4));
}

Test(image_cache, reading_counts_as_use)
{
    write_tree();
    moda_dataset_destroy(open_with("auto", MODA_CROP_PADDED));
    const char *path = largest_entry(scratch("xdg/moda/images"));
    struct stat s;
    set_time(path, 1000000000, 0);
    moda_dataset_destroy(open_with("auto", MODA_CROP_PADDED));
    cr_assert(zero(int, stat(path, &s)));
    cr_assert(lt(i64, 1000000000, (int64_t)s.st_mtim.tv_sec));
}

Test(image_cache, what_is_above_the_limit_is_not_kept)
{
    static uint8_t pixels[2 * 3 * 16 * 16];
    moda_images images = {.n = 2, .channels = 3, .height = 16, .width = 16, .pixels = pixels};
    char *paths[] = {(char *)scratch("p/a"), (char *)scratch("p/b")};
    moda_image_cache cache;
    moda_image_key key;
    for (int i = 0; i < 2; i++) write_bytes(paths[i], "x", 1);
    moda_image_cache_open(&cache, "auto");
    cr_assert(eq(sz, cache.limit, (size_t)4 << 30));
    moda_image_key_make(&cache, scratch("p"), paths, &images, 0, &key);
    cr_assert(ne(ptr, key.path, NULL));
    cache.limit = sizeof pixels;
    moda_image_cache_write(&cache, &key, &images);
    cr_assert(eq(int, cache_entries(scratch("xdg/moda/images")), 0));
    cr_assert(not(moda_image_cache_read(&cache, &key, &images)));
    cache.limit = 2 * sizeof pixels;
    moda_image_cache_write(&cache, &key, &images);
    cr_assert(eq(int, cache_entries(scratch("xdg/moda/images")), 1));
    cr_assert(moda_image_cache_read(&cache, &key, &images));
    moda_image_key_free(&key);
    moda_image_cache_close(&cache);
}
