/* tests/test_unlockable.c - a file system that cannot lock, as some network file systems: a warning, and the
 * work is done all the same. */
#include "base/lock.h"
#include "bench/nightly_history.h"
#include "engine/tuning_cache.h"
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

TestSuite(unlockable, .init = (void (*)(void))test_folder, .fini = test_folder_remove,
          .timeout = 60);

static int reason;

/* In place of the C library's. */
int flock(int file, int operation)
{
    (void)file, (void)operation;
    errno = reason;
    return -1;
}

typedef moda_status writer(void);

static void warns_and_writes(writer *write)
{
    static const int reasons[] = {ENOLCK, EOPNOTSUPP};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        reason = reasons[i];
        test_capture(2);
        const moda_status st = write();
        char *said = test_captured();
        cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
        cr_assert(strstr(said, "warning: ") && strstr(said, strerror(reason)), "%s", said);
        free(said);
    }
}

static moda_status lock_folder(void)
{
    moda_lock *lock = NULL;
    const moda_status st = moda_lock_folder(test_path("folder"), &lock);
    moda_lock_release(lock);
    return st;
}

Test(unlockable, a_folder_with_one_writer)
{
    warns_and_writes(lock_folder);
}

static moda_status append(void)
{
    json_t *line = json_pack("{s:i}", "moda_nightly", 1);
    const moda_status st = moda_nightly_history_append(test_path("h.jsonl"), line);
    json_decref(line);
    return st;
}

Test(unlockable, the_history_of_nights)
{
    warns_and_writes(append);
    char *text = test_read(test_path("h.jsonl"));
    cr_assert(eq(str, text, "{\"moda_nightly\": 1}\n{\"moda_nightly\": 1}\n"));
    free(text);
}

static moda_status add(void)
{
    const moda_tuning_machine here = moda_tuning_machine_here(1);
    moda_tuning none = {0};
    return moda_tuning_cache_add(test_path("tuning.json"), &here, &none, false);
}

Test(unlockable, the_tuning_cache)
{
    warns_and_writes(add);
    char *text = test_read(test_path("tuning.json"));
    cr_assert(text && strstr(text, "\"choices\": []"), "%s", text);
    free(text);
}
