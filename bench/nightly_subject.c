/* bench/nightly_subject.c - the fixed set. */
#include "bench/nightly_subject.h"
#include "base/isa.h"
#include "datasets/dataset.h"
#include "engine/executor.h"
#include <string.h>

#define STEP(network, by, type, n, count, only_long)                                             \
    {                                                                                            \
        .name = "step." network "." by "." type, .job = MODA_NIGHTLY_STEP, .in_long = only_long, \
        .bf16 = type[0] == 'b', .method = by, .what = network, .batch = n, .slices = count       \
    }
#define LAYER(label, shape, which, type, only_long)                              \
    {                                                                            \
        .name = label "." type, .job = MODA_NIGHTLY_LAYER, .in_long = only_long, \
        .bf16 = type[0] == 'b', .what = shape, .slices = 150, .pass = which      \
    }
#define KERNEL(label, of, kernel, only_long, ...)                                        \
    {                                                                                    \
        .name = label, .job = MODA_NIGHTLY_KERNEL, .in_long = only_long, .what = kernel, \
        .slices = 150, .suite = &moda_##of##_suite, .sizes = {                           \
            __VA_ARGS__                                                                  \
        }                                                                                \
    }

#define CONV_MIDDLE "mb32ic128ih16oc128oh16kh3ph1"
#define CONV_POINT  "mb32ic256ih8oc512oh8kh1"
#define GEMM        "128x512:512x1024"

const moda_nightly_subject moda_nightly_subjects[] = {
    STEP("lenet5", "standard", "f32", 128, 80, false),
    STEP("lenet5", "moda", "f32", 128, 80, false),
    STEP("mobilenet", "moda", "f32", 16, 14, false),
    STEP("mobilenet", "mwt", "f32", 16, 14, true),
    STEP("vgg16", "standard", "f32", 8, 14, true),
    STEP("vgg16", "moda", "f32", 8, 14, false),
    STEP("vgg16", "moda", "bf16", 8, 14, false),
    STEP("resnet18", "moda", "f32", 8, 10, true),
    STEP("resnet18", "moda", "bf16", 8, 10, true),
    LAYER("conv.forward", CONV_MIDDLE, MODA_CONV_FORWARD, "f32", false),
    LAYER("conv.backward-data", CONV_MIDDLE, MODA_CONV_BACKWARD_DATA, "f32", true),
    LAYER("conv.backward-weights", CONV_MIDDLE, MODA_CONV_BACKWARD_WEIGHTS, "f32", false),
    LAYER("conv.forward", CONV_MIDDLE, MODA_CONV_FORWARD, "bf16", true),
    LAYER("conv.pointwise", CONV_POINT, MODA_CONV_FORWARD, "f32", true),
    LAYER("gemm.forward", GEMM, MODA_CONV_FORWARD, "f32", false),
    LAYER("gemm.forward", GEMM, MODA_CONV_FORWARD, "bf16", true),
    KERNEL("similarity.closed", similarity, "closed form + gradient", false, 128, 512, 10),
    KERNEL("similarity.pairwise", similarity, "pairwise", true, 256, 512, 10),
    KERNEL("frequency", frequency, "any value; live maps", false, 32, 64, 256, 16),
    KERNEL("optimizer", optimizer, "sgd with momentum", false, 3217226),
    {.name = "infer.lenet5",
     .job = MODA_NIGHTLY_INFER,
     .what = "lenet5",
     .batch = 128,
     .slices = 150},
    {.name = "infer.mobilenet",
     .job = MODA_NIGHTLY_INFER,
     .what = "mobilenet",
     .batch = 8,
     .slices = 100},
    {.name = "data.batch",
     .job = MODA_NIGHTLY_BATCH,
     .what = "synthetic:train=2048,test=0",
     .batch = 128,
     .slices = 150},
    {.name = "learn.synthetic",
     .job = MODA_NIGHTLY_LEARN,
     .what = "synthetic:train=3000,test=1000",
     .slices = 1},
    {.name = "learn.fashion-mnist",
     .job = MODA_NIGHTLY_LEARN,
     .what = "fashion-mnist",
     .slices = 2},
};

size_t moda_nightly_subject_count(void)
{
    return sizeof moda_nightly_subjects / sizeof *moda_nightly_subjects;
}

const moda_nightly_subject *moda_nightly_subject_find(const char *name)
{
    for (size_t i = 0; i < moda_nightly_subject_count(); i++)
        if (strcmp(moda_nightly_subjects[i].name, name) == 0) return &moda_nightly_subjects[i];
    return NULL;
}

const char *moda_nightly_subject_lacks(const moda_nightly_subject *s)
{
    const char *why = NULL;
    moda_dataset *data = NULL;
    if (s->bf16 && !moda_cpu_has_bf16()) why = "this CPU does not multiply bf16";
    if (s->job == MODA_NIGHTLY_LEARN && moda_dataset_open(s->what, NULL, &data) != MODA_OK)
        why = "the data are not installed";
    moda_dataset_destroy(data);
    return why;
}
