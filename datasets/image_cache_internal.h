/* datasets/image_cache_internal.h - the decoded pictures of a split of a folder, kept in one file
 * for the next run. Private to this room.
 *
 * An entry's name stands for where the pictures are and how they were resized; what they were
 * (names, sizes and times of all files) stands inside, whole, and is compared. So pictures that
 * changed are decoded anew and replace what was kept of the same folder. A cache never makes a run
 * fail: whatever goes wrong with it is one warning, after which pictures are simply decoded.
 *
 * File, all numbers as the machine has them:
 *     "MODAIMG\n", u32 version, u32 CRC-32 of what follows up to the pixels,
 *     u64 bytes of the key, u64 images, u64 bytes of all pixels,
 *     the key,
 *     per image u32 height, u32 width, u32 CRC-32 of its pixels, u32 0,
 *     pixels [3,height,width] of every image. */
#ifndef MODA_DATASETS_IMAGE_CACHE_INTERNAL_H
#define MODA_DATASETS_IMAGE_CACHE_INTERNAL_H

#include "datasets/dataset.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct moda_image_cache {
    char *folder; /* NULL: nothing is read or kept */
    size_t limit; /* bytes of all entries together, the least recently used ones go; 0: no limit */
} moda_image_cache;

/* choice as moda_dataset_options.image_cache has it. */
void moda_image_cache_open(moda_image_cache *cache, const char *choice);
void moda_image_cache_close(moda_image_cache *cache);

/* What an entry is of. */
typedef struct moda_image_key {
    char *path; /* of the entry; NULL: these pictures cannot be kept */
    char *text; /* [bytes] */
    size_t bytes;
} moda_image_key;

/* paths[images->n]: the split's pictures, in the order of images; each begins with "split/". images
 * has its shape, not yet its pixels. shorter: moda_picture.shorter, by which they are decoded. */
void moda_image_key_make(moda_image_cache *cache, const char *split, char *const *paths,
                         const moda_images *images, size_t shorter, moda_image_key *key);
void moda_image_key_free(moda_image_key *key);

/* Fills the images' pixels, if there is an entry of this key. Else all have to be decoded. */
bool moda_image_cache_read(const moda_image_cache *cache, const moda_image_key *key,
                           moda_images *images);
/* Keeps them. */
void moda_image_cache_write(moda_image_cache *cache, const moda_image_key *key,
                            const moda_images *images);

#endif
