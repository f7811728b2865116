/* tests/fuzz/fuzz_tuning.c - the cache of measured choices. What was read is added to the file, which then
 * reads the same again. */
#include "engine/tuning_cache.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const moda_tuning_machine machine = {"CPU", "avx512", "2.6.3 isa 0x1ef", 2};
    moda_tuning tuning = {0}, again = {0};
    const char *path = fuzz_file("tuning.json", data, size);
    const moda_status st = moda_tuning_cache_read(path, &machine, &tuning);
    fuzz_judge(st);
    if (st == MODA_OK && tuning.count > 0) {
        fuzz_must(moda_tuning_cache_add(path, &machine, &tuning, true));
        fuzz_must(moda_tuning_cache_read(path, &machine, &again));
        fuzz_hold(again.count == tuning.count, "choices that were added are read again");
    }
    moda_tuning_free(&again);
    moda_tuning_free(&tuning);
    return 0;
}
