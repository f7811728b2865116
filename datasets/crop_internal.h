/* datasets/crop_internal.h - boxes of pictures that keep their proportions: a random one for
 * training, the middle for evaluation. Private to this room.
 *
 * For inputs of N x N a picture is kept with a shorter side of 8/7 N (256 for 224). Evaluation takes
 * the N x N pixels in its middle. Training takes a box of 8 % to 100 % of the area and of a ratio of
 * 3/4 to 4/3, both drawn anew for every image and epoch, resized to N x N (image_internal.h). */
#ifndef MODA_DATASETS_CROP_INTERNAL_H
#define MODA_DATASETS_CROP_INTERNAL_H

#include "base/rng.h"
#include "datasets/dataset.h"
#include <stddef.h>
#include <stdint.h>

size_t moda_shorter_side(size_t input);
/* Where `wanted` pixels in the middle of `have` begin, half a pixel going to the even side. */
size_t moda_middle(size_t have, size_t wanted);

typedef struct moda_box {
    size_t top, left, height, width;
} moda_box;

enum { MODA_BOX_DRAWS = 32 }; /* numbers from `first` on that a box may take */
/* Ten times a share of the area and a ratio are drawn (log-uniform), until the box fits into the
 * image; if none does, the largest box of an allowed ratio in the middle. */
moda_box moda_box_random(moda_rng rng, uint64_t first, size_t height, size_t width);
/* N x N in the middle, or all of a smaller image. */
moda_box moda_box_middle(size_t height, size_t width, size_t input);

/* Scratch for cutting, one per image that is worked on at a time; floats and size_t alike. */
typedef struct moda_cutter moda_cutter;
/* For boxes of images up to longest pixels a side into height x width. NULL: out of memory. */
moda_cutter *moda_cutters_create(size_t count, size_t longest, size_t height, size_t width);
void moda_cutters_destroy(moda_cutter *cutters);
/* The box of image, resized and rounded to whole grey values, mirrored if flip: out [c,h,w] :=
 * value[c][grey]. slot < count says whose scratch. */
void moda_cut(moda_cutter *cutters, size_t slot, const moda_own_image *image, size_t channels,
              moda_box box, bool flip, const float (*value)[256], float *out);

#endif
