/* tests/fuzz/fuzz_checkpoint.c - engine/checkpoint.h: any bytes as the newest checkpoint of a run.
 * They are read as they are, and once more with a checksum that is made true, so that what lies
 * behind that check is reached. Beside them lies an older one that is whole: there always is
 * something to go on with. */
#include "engine/checkpoint.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_subject.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    return fuzz_mutate_tensors(data, size, most, seed);
}

/* A training of the small model that never runs. */
static struct {
    moda_dataset *data;
    moda_model *model;
    moda_trainer *trainer;
} run;

static const char *checkpoints(void)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/checkpoints", fuzz_folder());
    return path;
}

static void begin(void)
{
    const moda_train_options options = {
        .epochs = 2, .batch_size = 4, .sgd = {0.05, 0.9, 0}, .modular = true};
    if (run.trainer) return;
    fuzz_folder();
    fuzz_must(moda_dataset_open("synthetic:classes=3,channels=1,size=4,train=10,test=4", NULL,
                                &run.data));
    run.model = fuzz_new_model();
    fuzz_must(moda_model_describe_data(run.model, run.data));
    fuzz_must(moda_trainer_create(run.model, run.data, &options, &run.trainer));
    const moda_checkpoint_info info = {.position = moda_trainer_position(run.trainer),
                                       .machine = moda_tuning_machine_here(1)};
    fuzz_must(moda_checkpoint_write(checkpoints(), 2, run.trainer, run.model, &info));
}

/* As engine/checkpoint.c sums; here to be wrong on its own. */
static uLong sum_of(const moda_tensor_file *file, const char *text)
{
    uLong sum = crc32_z(0, (const uint8_t *)text, strlen(text) + 1);
    for (size_t i = 0; i < moda_tensor_file_count(file); i++) {
        const moda_tensor *t = moda_tensor_file_at(file, i);
        sum = crc32_z(sum, (const uint8_t *)t->name, strlen(t->name) + 1);
        sum = crc32_z(sum, t->data, t->bytes);
    }
    return sum;
}

/* Writes the eight digits where the file has its checksum. */
static void sign(const char *path, uint8_t *data, size_t size)
{
    static const char key[] = "\"moda.checksum\"";
    const uint8_t *end = data + size;
    moda_tensor_file *file = NULL;
    char digits[32];
    uint8_t *at = memmem(data, size, key, strlen(key));
    if (at) at = memchr(at + strlen(key), '"', (size_t)(end - at) - strlen(key));
    if (!at || end - at < 9 || moda_tensor_file_open(path, &file) != MODA_OK) return;
    const char *text = moda_tensor_file_metadata(file, "moda.checkpoint");
    snprintf(digits, sizeof digits, "%08lx", text ? sum_of(file, text) : 0);
    memcpy(at + 1, digits, 8);
    moda_tensor_file_close(file);
}

static void restore(const char *path)
{
    moda_checkpoint *c = NULL;
    const moda_status st = moda_checkpoint_open(path, &c);
    fuzz_judge(st);
    if (st == MODA_OK) fuzz_judge(moda_checkpoint_restore(c, run.model, run.trainer));
    moda_checkpoint_close(c);
    c = NULL;
    fuzz_must(moda_checkpoint_open_newest(checkpoints(), &c));
    fuzz_hold(c != NULL, "a whole checkpoint is found behind one that may be broken");
    moda_checkpoint_close(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char name[] = "checkpoints/step-000000009.safetensors";
    begin();
    uint8_t *signed_data = malloc(size + 1);
    fuzz_hold(signed_data != NULL, "memory");
    memcpy(signed_data, data, size);
    const char *path = fuzz_file(name, data, size);
    restore(path);
    sign(path, signed_data, size);
    if (memcmp(data, signed_data, size) != 0) restore(fuzz_file(name, signed_data, size));
    free(signed_data);
    return 0;
}
