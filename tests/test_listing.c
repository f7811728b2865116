/* tests/test_listing.c - a directory that can be read in part only: readdir() fails in the middle, which is not
 * its end. Whoever lists one says so: no data set with fewer pictures, no removal that is half done. */
#include "base/file.h"
#include "bench/report.h"
#include "datasets/image_cache_file_internal.h"
#include "datasets/image_cache_internal.h"
#include "decompose/decomposition.h"
#include "decompose/masks.h"
#include "decompose/sweep_runs.h"
#include "engine/checkpoint.h"
#include "tests/cache_tree.h"
#include "tests/capture.h"
#include "tests/data_files.h"
#include "tests/formula.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

TestSuite(listing, .init = cache_tree_begin, .fini = cache_tree_end, .timeout = 300);

static int left = -1; /* entries until one fails; negative: none does */

/* In place of the C library's, which has the same under another name. */
struct dirent *readdir(DIR *directory)
{
    if (left-- != 0) return (struct dirent *)readdir64(directory);
    errno = EIO;
    return NULL;
}

typedef moda_status lister(void);

/* Lets each entry fail in turn until the whole list could be read. Of a list that also writes files,
 * the look for what killed writers left there may fail, too: that costs nothing. */
static void fails_everywhere(lister *list, bool writes, int least, const char *word)
{
    moda_status st;
    int tried = 0;
    for (int first = 0;; first++) {
        left = first;
        st = list();
        const bool failed = left < 0;
        left = -1;
        if (!failed) break;
        if (writes && st == MODA_OK) continue;
        cr_assert(eq(int, st, MODA_ERR_IO), "entry %d", first);
        cr_assert(strstr(moda_last_error(), "cannot be listed") != NULL, "%s", moda_last_error());
        cr_assert(strstr(moda_last_error(), word) != NULL, "%s", moda_last_error());
        tried++;
    }
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
    cr_assert(le(int, least, tried), "so few entries prove nothing");
}

static moda_status open_pictures(void)
{
    moda_dataset *d = NULL;
    const moda_status st = moda_dataset_open(spec_of("folder", "d"), NULL, &d);
    moda_dataset_destroy(d);
    return st;
}

Test(listing, data_sets)
{
    write_tree();
    fails_everywhere(open_pictures, false, 5 + CACHE_TREE_TRAIN, "/d/");
}

static moda_status remove_files(void)
{
    return moda_remove_matching(test_folder(), "*.tmp");
}

Test(listing, removals)
{
    test_write("a.tmp", "x"), test_write("b", "x"), test_write("c.tmp", "x");
    fails_everywhere(remove_files, false, 3, test_folder());
    cr_assert(eq(int, test_folder_entries(), 1));
}

static moda_status newest(void)
{
    size_t step;
    bool found;
    const moda_status st = moda_checkpoint_newest(test_folder(), &step, &found);
    if (st == MODA_OK) cr_assert(found && step == 3);
    return st;
}

Test(listing, checkpoints)
{
    test_write("step-000000002.safetensors", "x"), test_write("step-000000003.safetensors", "x");
    fails_everywhere(newest, false, 4, test_folder());
}

static moda_status decompose(void)
{
    moda_model *model = formula_model("lenet5", 2);
    moda_rates *rates = NULL;
    moda_masks *masks = NULL;
    moda_decomposition *d = NULL;
    cr_assert(eq(int, moda_rates_create(model->net, &rates), MODA_OK));
    cr_assert(
        eq(int, moda_masks_from_rates(model->net, rates, 0.5, MODA_MIN_ACTIVE, &masks), MODA_OK));
    cr_assert(eq(int, moda_decomposition_measure(model, masks, &d), MODA_OK));
    const moda_status st =
        moda_decomposition_write(test_path("parts"), NULL, model, rates, masks, d);
    moda_decomposition_destroy(d);
    moda_masks_destroy(masks);
    moda_rates_destroy(rates);
    moda_model_destroy(model);
    return st;
}

Test(listing, modules_of_an_earlier_decomposition)
{
    cr_assert(eq(int, decompose(), MODA_OK), "%s", moda_last_error());
    fails_everywhere(decompose, true, 6, "/parts");
}

/* Options that differ from those of the runs that are there are refused: so these have to be seen. */
static moda_status begin_sweep(void)
{
    const moda_sweep_plan plan = {.directory = scratch("sweep")};
    bool results;
    return moda_sweep_runs_begin(&plan, &results);
}

Test(listing, runs_of_an_earlier_sweep)
{
    write_bytes(scratch("sweep/notes"), "x", 1);
    write_bytes(scratch("sweep/table"), "x", 1);
    fails_everywhere(begin_sweep, true, 4, "/sweep");
}

/* Here a failure costs a warning: nothing is removed, and the cache is done without. */
Test(listing, decoded_images)
{
    write_tree();
    for (int first = 0; first < 4; first++) {
        static uint8_t pixels[2 * 3 * 16 * 16];
        static uint32_t labels[2];
        moda_images images = {
            .n = 2, .channels = 3, .height = 16, .width = 16, .pixels = pixels, .labels = labels};
        char *paths[] = {(char *)tree_picture("train", 0), (char *)tree_picture("train", 1)};
        const char *old = scratch("xdg/moda/images/old.images");
        moda_image_cache cache;
        moda_image_key key;
        write_bytes(old, "x", 1);
        moda_image_cache_open(&cache, "auto");
        moda_image_key_make(&cache, scratch("d/train"), paths, &images, 0, &key);
        cr_assert(ne(ptr, key.path, NULL));
        cache.limit = moda_image_file_bytes(&key, &images); /* no room beside the old one */
        test_capture(2);
        left = first;
        moda_image_cache_write(&cache, &key, &images);
        left = -1;
        char *said = test_captured();
        cr_assert(strstr(said, "cannot be listed") != NULL, "entry %d: '%s'", first, said);
        cr_assert(moda_is_file(old), "entry %d", first);
        free(said);
        moda_image_key_free(&key);
        moda_image_cache_close(&cache);
    }
}

/* And here: what lies in a folder that is not known to its end is left out, all of it; the root has to be. */
Test(listing, runs_of_a_report)
{
    json_t *runs = NULL;
    write_bytes(scratch("r/config.json"), "{}", 2);
    write_bytes(scratch("r/deep/a.eval.json"), "{}", 2);
    write_bytes(scratch("r/deep/b.eval.json"), "{}", 2);
    for (int first = 0; first < 5 + 5; first++) {
        test_capture(2);
        left = first;
        const moda_status st = moda_report_collect(scratch("r"), &runs);
        left = -1;
        char *said = test_captured();
        if (first < 5) { /* ".", "..", both that are there, and the end */
            cr_assert(eq(int, st, MODA_ERR_IO), "entry %d", first);
        } else {
            const json_t *run = json_array_get(runs, 0);
            cr_assert(eq(int, st, MODA_OK), "entry %d", first);
            cr_assert(eq(sz, json_array_size(json_object_get(run, "evaluations")), 0));
            cr_assert(strstr(said, "r/deep: cannot be listed") != NULL, "entry %d: '%s'", first,
                      said);
        }
        free(said);
        json_decref(runs);
        runs = NULL;
    }
    cr_assert(eq(int, moda_report_collect(scratch("r"), &runs), MODA_OK));
    const json_t *all = json_object_get(json_array_get(runs, 0), "evaluations");
    cr_assert(eq(sz, json_array_size(all), 2));
    json_decref(runs);
}
