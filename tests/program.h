/* tests/program.h - running the program itself, in the test's folder (tests/capture.h). */
#ifndef MODA_TESTS_PROGRAM_H
#define MODA_TESTS_PROGRAM_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Programs find XDG_CACHE_HOME beside the test's folder, empty at first and removed with it. */

/* Two, or one where there is one core: "--threads $THREADS" in what a shell reads. */
size_t program_threads(void);

/* What `moda ARGUMENTS` did. The texts belong to program.c, until the next run. */
typedef struct program_result {
    int code;
    const char *out, *err;
} program_result;

/* Arguments as a shell reads them; before is put in front of the command ("ulimit -f 1;"). A
 * program that dies of a signal fails the test. */
program_result program_run_after(const char *before, const char *arguments);
program_result program_run(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Must end with exit code 0. */
program_result program_must(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Must end with this code and say one line on stderr that holds word. */
void program_must_fail(int code, const char *word, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The program in the background, without a shell between: its words, up to NULL, and its process number.
 * Its output goes to files beside the test's folder. */
pid_t program_start(const char *const *words);
/* Waits for it: its exit code, or 128 and the signal that it died of; what it wrote until the next run. */
program_result program_end(pid_t process);

/* Files in the test's folder: whether name is there, or is not; whether both hold the same bytes (and at least
 * one); a JSON file's value, json_decref() it; a file of JSON lines as an array. */
bool program_has(const char *name);
bool program_lacks(const char *name);
bool program_same(const char *name, const char *other);
json_t *program_json(const char *name);
json_t *program_json_lines(const char *name);

#endif
