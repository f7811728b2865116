/* tests/fuzz/fuzz_subtasks.c - lists of sub-tasks, and the journal of moda reuse: lines
 * behind a first one that is right, as the checksums in it are hard to guess. */
#include "decompose/reuse_journal.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/fuzz_subject.h"
#include <stdio.h>
#include <unistd.h>

static void append(const char *path, const uint8_t *data, size_t size)
{
    FILE *f = fopen(path, "ab");
    fuzz_hold(f && fwrite(data, 1, size, f) == size && fclose(f) == 0, path);
}

static void journal(const uint8_t *data, size_t size, const moda_subtasks *subtasks)
{
    static uint8_t pixels[6 * 16];
    static uint32_t labels[6] = {0, 1, 2, 0, 1, 2};
    const moda_model *model = fuzz_small_model();
    moda_masks *masks = NULL;
    moda_reuse_journal *j = NULL;
    const moda_images images = {6, 1, 4, 4, pixels, NULL, labels, NULL};
    moda_reuse_options o = {.model = model, .images = &images, .subtasks = subtasks};
    const moda_reuse_part parts[3] = {{0, 0, 2}, {1, 0, 2}, {2, 0, 2}};
    size_t correct[3 * 64];
    if (subtasks->count > 64) return;
    fuzz_must(moda_masks_create(model->net, &masks));
    o.masks = masks;
    const char *path = fuzz_file("journal.jsonl", NULL, 0);
    unlink(path);
    fuzz_must(moda_reuse_journal_open(path, &o, parts, 3, correct, &j));
    moda_reuse_journal_close(j);
    j = NULL;
    append(path, data, size);
    const moda_status st = moda_reuse_journal_open(path, &o, parts, 3, correct, &j);
    fuzz_judge(st);
    for (size_t i = 0; st == MODA_OK && i < 3 * subtasks->count; i++)
        fuzz_hold(correct[i] == SIZE_MAX || correct[i] <= 2, "no more right answers than images");
    moda_reuse_journal_close(j);
    moda_masks_destroy(masks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *rest;
    size_t rest_bytes;
    moda_subtasks *subtasks = NULL;
    const size_t list_bytes = fuzz_part(data, size, &rest, &rest_bytes);
    const moda_status st =
        moda_subtasks_read(fuzz_file("tasks", data, list_bytes), fuzz_small_model(), &subtasks);
    fuzz_judge(st);
    if (st == MODA_OK) journal(rest, rest_bytes, subtasks);
    moda_subtasks_destroy(subtasks);
    return 0;
}
