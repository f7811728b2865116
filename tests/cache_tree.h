/* tests/cache_tree.h - a folder of pictures and the cache of what they decode to, for the tests of
 * datasets/image_cache_internal.h. What cannot be done fails the test. */
#ifndef MODA_TESTS_CACHE_TREE_H
#define MODA_TESTS_CACHE_TREE_H

#include "datasets/dataset.h"
#include <stddef.h>
#include <time.h>

enum { CACHE_TREE_TRAIN = 12, CACHE_TREE_TEST = 4 };

/* .init and .fini of a suite: scratch folders, of which "xdg" is to hold the user's cache. */
void cache_tree_begin(void);
void cache_tree_end(void);

/* scratch("d"): two classes of JPEG and PNG files, some standing, some lying, no two the same. */
void write_tree(void);
const char *tree_picture(const char *split, unsigned i);
void write_picture(const char *path, unsigned mark);
/* Another content of the same size and time, that no decoder takes: of one picture, or of all. */
void spoil(const char *path);
void spoil_tree(void);
void set_time(const char *path, time_t seconds, long nanoseconds);

/* The data set at 32 x 32. */
moda_dataset *open_with(const char *cache, moda_crop crop);
void check_same(const moda_dataset *a, const moda_dataset *b);
/* Opens it and expects what is in wanted, and so many warnings, each with word in it. */
void check_warnings(const char *cache, const moda_dataset *wanted, size_t count, const char *word);

/* Files in a folder; -1: there is no such folder. */
int cache_entries(const char *folder);
/* The largest file in it: the training split's. Valid until the next call. */
const char *largest_entry(const char *folder);

#endif
