/* tests/test_short_memory.c - JSON and headers when memory is short: each piece of memory that Jansson asks for is
 * refused in turn. What comes out is whole, or a failure that says so; `make faults` does the like with the program. */
#include "base/file.h"
#include "base/json.h"
#include "engine/safetensors.h"
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>

static size_t asked, refused; /* refused: the number of the one that is; 0: none */

static void *give(size_t size)
{
    return ++asked == refused ? NULL : malloc(size);
}

static void watch(void)
{
    json_set_alloc_funcs(give, free);
}

TestSuite(short_memory, .init = watch, .fini = test_folder_remove, .timeout = 60);

static json_t *something(void)
{
    return json_pack("{s:s s:[i,n,s] s:{s:f}}", "a \"quoted\" name", "text", "array", 1, "x",
                     "inner", "key", 0.5);
}

Test(short_memory, a_line_of_json_is_whole_or_none)
{
    refused = 0;
    json_t *value = something();
    char *whole = moda_json_line(value);
    size_t none = 0, last = 1;
    cr_assert(whole != NULL);
    for (size_t n = 1; last; n++) {
        asked = 0, refused = n;
        char *line = moda_json_line(value);
        last = asked >= n;
        none += line == NULL;
        if (line) cr_assert(eq(str, line, whole));
        free(line);
    }
    refused = 0;
    cr_assert(lt(sz, 2, none), "only %zu refusals mattered", none);
    free(whole);
    json_decref(value);
}

Test(short_memory, a_json_file_is_whole_or_the_old_one)
{
    const char *path = test_write("figures.json", "{}\n");
    json_t *value = something(), *read = NULL;
    size_t failures = 0, last = 1;
    for (size_t n = 1; last; n++) {
        asked = 0, refused = n;
        const moda_status st = moda_json_write(path, value);
        last = asked >= n;
        refused = 0;
        failures += st != MODA_OK;
        cr_assert(eq(int, moda_json_read(path, &read), MODA_OK), "%s", moda_last_error());
        if (st == MODA_OK)
            cr_assert(json_equal(read, value) == 1);
        else
            cr_assert(eq(int, st, MODA_ERR_NOMEM), "%s", moda_last_error());
        json_decref(read);
    }
    cr_assert(lt(sz, 2, failures), "only %zu refusals mattered", failures);
    json_decref(value);
}

Test(short_memory, a_header_is_whole_or_refused)
{
    const float values[6] = {1, 2, 3, 4, 5, 6};
    const moda_tensor tensors[2] = {moda_tensor_f32("first", values, 2, 2, 3, 0, 0),
                                    moda_tensor_f32("second", values, 1, 4, 0, 0, 0)};
    const moda_metadata metadata = {"key", "value"};
    const char *path = test_path("t.safetensors");
    size_t failures = 0, last = 1;
    for (size_t n = 1; last; n++) {
        moda_tensor_file *file = NULL;
        asked = 0, refused = n;
        const moda_status st = moda_tensor_file_write(path, tensors, 2, &metadata, 1);
        last = asked >= n;
        refused = 0;
        failures += st != MODA_OK;
        if (st != MODA_OK) continue;
        cr_assert(eq(int, moda_tensor_file_open(path, &file), MODA_OK), "refusal %zu: %s", n,
                  moda_last_error());
        cr_assert(eq(sz, moda_tensor_file_count(file), 2));
        moda_tensor_file_close(file);
    }
    cr_assert(lt(sz, 5, failures), "only %zu refusals mattered", failures);
}

#ifndef __SANITIZE_ADDRESS__ /* which ends a program that asks for too much */
/* As it is without this suite's own functions: the program watches for itself. */
TestSuite(watched_memory, .fini = test_folder_remove, .timeout = 60);

Test(watched_memory, memory_that_was_short_is_told_once)
{
    json_malloc_t give_memory;
    json_free_t take_back;
    json_get_alloc_funcs(&give_memory, &take_back);
    cr_assert(not(moda_json_was_short()));
    cr_assert(eq(ptr, give_memory(SIZE_MAX / 2), NULL));
    cr_assert(moda_json_was_short());
    cr_assert(not(moda_json_was_short()));
}
#endif
