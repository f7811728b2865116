/* tests/test_log.c - base/log.h: levels, form of a line, whole lines from many threads. */
#include "base/log.h"
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void setup(void)
{
    unsetenv("MODA_LOG");
    moda_log_set_level(MODA_LOG_INFO);
}

TestSuite(log, .init = setup, .fini = test_folder_remove, .timeout = 60);

static char *all_levels(void)
{
    test_capture(STDERR_FILENO);
    moda_log(MODA_LOG_ERROR, "e %d", 1);
    moda_log(MODA_LOG_WARNING, "w %d", 2);
    moda_log(MODA_LOG_INFO, "i %d", 3);
    moda_log(MODA_LOG_DEBUG, "d %d", 4);
    return test_captured();
}

Test(log, levels_and_their_lines)
{
    char *text = all_levels();
    cr_assert(eq(str, text, "moda: e 1\nmoda: warning: w 2\nmoda: i 3\n"));
    free(text);
    moda_log_set_level(MODA_LOG_WARNING);
    text = all_levels();
    cr_assert(eq(str, text, "moda: e 1\nmoda: warning: w 2\n"));
    free(text);
}

Test(log, environment_wins)
{
    moda_log_set_level(MODA_LOG_WARNING);
    setenv("MODA_LOG", "debug", 1);
    char *text = all_levels();
    cr_assert(eq(str, text, "moda: e 1\nmoda: warning: w 2\nmoda: i 3\nmoda: debug: d 4\n"));
    free(text);
    setenv("MODA_LOG", "error", 1);
    cr_assert(eq(int, moda_log_get_level(), MODA_LOG_ERROR));
    setenv("MODA_LOG", "nonsense", 1);
    cr_assert(eq(int, moda_log_get_level(), MODA_LOG_WARNING));
}

Test(log, long_message_keeps_its_newline)
{
    static char huge[5000];
    memset(huge, 'x', sizeof huge - 1);
    test_capture(STDERR_FILENO);
    moda_log(MODA_LOG_INFO, "%s", huge);
    char *text = test_captured();
    cr_assert(lt(sz, 1000, strlen(text)));
    cr_assert(eq(chr, text[strlen(text) - 1], '\n'));
    free(text);
}

enum { THREADS = 4, LINES = 500 };

static void *write_lines(void *letter)
{
    char word[61] = {0};
    memset(word, *(const char *)letter, sizeof word - 1);
    for (int i = 0; i < LINES; i++) moda_log(MODA_LOG_INFO, "%s", word);
    return NULL;
}

Test(log, lines_of_threads_do_not_mix)
{
    pthread_t threads[THREADS];
    test_capture(STDERR_FILENO);
    for (int t = 0; t < THREADS; t++) pthread_create(&threads[t], NULL, write_lines, &"abcd"[t]);
    for (int t = 0; t < THREADS; t++) pthread_join(threads[t], NULL);
    char *text = test_captured();
    int lines = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), lines++) {
        cr_assert(eq(sz, strlen(line), 66));
        cr_assert(eq(sz, strspn(line + 6, (char[]){line[6], 0}), 60), "mixed line: %s", line);
    }
    cr_assert(eq(int, lines, THREADS *LINES));
    free(text);
}
