/* base/status.h - how every function of moda reports failure.
 *
 * A function that can fail returns a moda_status and writes its outputs only on MODA_OK. The
 * message behind a failure - what happened, where (path, byte offset, line), what to do - is one
 * line kept per thread. Nothing in the library prints it or exits: moda.c does both.
 *
 *     moda_status st = MODA_OK;
 *     FILE *f = NULL;                      // whatever `out` touches is set before the first check
 *     MODA_CHECK((f = fopen(path, "rb")) != NULL, MODA_ERR_IO, "%s: %s", path, strerror(errno));
 *     MODA_TRY(read_header(f, path));
 * out:
 *     if (f) fclose(f);
 *     return st;
 */
#ifndef MODA_BASE_STATUS_H
#define MODA_BASE_STATUS_H

#include <stddef.h>
#include <stdlib.h> /* calloc of MODA_ALLOC */

typedef enum moda_status {
    MODA_OK = 0,
    MODA_ERR_ARG,         /* the call was wrong: an option, a size, a class list (exit code 2) */
    MODA_ERR_IO,          /* the system refused: missing file, full disk */
    MODA_ERR_FORMAT,      /* a file's bytes are not what its format says */
    MODA_ERR_NOMEM,       /* an allocation failed */
    MODA_ERR_NUMERIC,     /* a loss became NaN or infinite */
    MODA_ERR_UNSUPPORTED, /* correct, but this build or this CPU cannot do it */
    MODA_ERR_INTERNAL,    /* oneDNN or moda itself failed: a defect */
    MODA_STOPPED          /* ended early because it was asked to; it can go on (exit code 75) */
} moda_status;

#define MODA_MUST_USE __attribute__((warn_unused_result))

/* Formats the thread's message and returns code. file and line say which check spoke; they are
 * kept for moda_last_error_place(), not printed to users. */
moda_status moda_fail_at(const char *file, int line, moda_status code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Puts "context: " in front of the thread's message (a path that only the caller knows). Returns
 * code unchanged; does nothing when code is MODA_OK. */
moda_status moda_fail_context(moda_status code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The calling thread's last message, "" before the first failure. Valid until the next failure. */
const char *moda_last_error(void);
/* "file.c:line" of the check that made it. */
const char *moda_last_error_place(void);
/* In place: what a terminal would take for a command becomes '?'. Those are control characters, also the
 * ones that UTF-8 writes in two bytes (U+0080 to U+009F). */
void moda_make_one_line(char *text);
/* "argument", "i/o", ...: a stable word for a code. */
const char *moda_status_name(moda_status code);

/* The code itself, not what moda_fail_at() returns, so that static analysis sees that st is no MODA_OK. */
#define MODA_CHECK(cond, code, ...)                                \
    do {                                                           \
        if (!(cond)) {                                             \
            moda_fail_at(__FILE__, __LINE__, (code), __VA_ARGS__); \
            st = (code);                                           \
            goto out;                                              \
        }                                                          \
    } while (0)
#define MODA_TRY(call)                          \
    do {                                        \
        if ((st = (call)) != MODA_OK) goto out; \
    } while (0)
/* Zeroed memory; 0 bytes give a pointer too. */
#define MODA_ALLOC(pointer, bytes)                                                          \
    MODA_CHECK(((pointer) = calloc((size_t)(bytes) != 0 ? (size_t)(bytes) : 1, 1)) != NULL, \
               MODA_ERR_NOMEM, "out of memory: %zu bytes", (size_t)(bytes))

#endif
