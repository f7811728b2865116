/* tests/fuzz/fuzz_subject.h - a small model for readers whose files belong to one. */
#ifndef MODA_TESTS_FUZZ_SUBJECT_H
#define MODA_TESTS_FUZZ_SUBJECT_H

#include "engine/model.h"

/* 1x4x4 inputs, 4 and 6 tracked channels, 3 classes. Made once; the process's. */
const moda_model *fuzz_small_model(void);
/* One like it; the caller's. */
moda_model *fuzz_new_model(void);

#endif
