/* engine/run_finish.c - what moda_run_save() could not do any more, of a run that was killed in it. */
#include "base/file.h"
#include "base/lock.h"
#include "engine/checkpoint.h"
#include "engine/run.h"
#include "engine/train_record.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The record in the last line of a metrics.jsonl. */
static moda_status read_last(const char *path, moda_train_record *last)
{
    moda_status st = MODA_OK;
    moda_mapped_file file = {0};
    json_t *json = NULL;
    MODA_TRY(moda_file_map(path, &file));
    const char *text = (const char *)file.data;
    size_t end = file.size;
    while (end && text[end - 1] == '\n') end--;
    size_t begin = end;
    while (begin && text[begin - 1] != '\n') begin--;
    MODA_TRY(moda_json_parse(text + begin, end - begin, &json, NULL));
    MODA_CHECK(moda_train_record_parse(json, last), MODA_ERR_FORMAT, "%s: not a record", path);
out:
    json_decref(json);
    moda_file_unmap(&file);
    return st;
}

/* Whether the run came to its last epoch or step. Else its model was put there by somebody, who may want
 * to go on with the run one day. */
static bool has_ended(const char *config_path, const char *metrics_path)
{
    json_t *config = NULL;
    moda_train_record last;
    bool ended = false;
    if (moda_json_read(config_path, &config) == MODA_OK &&
        read_last(metrics_path, &last) == MODA_OK) {
        const json_int_t epochs = json_integer_value(json_object_get(config, "epochs"));
        const json_int_t steps = json_integer_value(json_object_get(config, "max_steps"));
        ended = (epochs > 0 && (json_int_t)last.epoch >= epochs) ||
                (steps > 0 && (json_int_t)last.steps >= steps);
    }
    json_decref(config);
    return ended;
}

void moda_run_finish(const char *directory)
{
    char *config = moda_format("%s/config.json", directory);
    char *metrics = moda_format("%s/metrics.jsonl", directory);
    char *previous = moda_format("%s/previous.safetensors", directory);
    char *checkpoints = moda_run_checkpoints(directory);
    moda_lock *lock = NULL; /* who has it clears up */
    if (config && metrics && previous && checkpoints && has_ended(config, metrics) &&
        moda_lock_folder(directory, &lock) == MODA_OK) {
        (void)unlink(previous);
        (void)!moda_checkpoint_remove(checkpoints);
        moda_remove_leftovers(directory);
    }
    moda_lock_release(lock);
    free(config);
    free(metrics);
    free(previous);
    free(checkpoints);
}
