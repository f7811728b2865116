/* base/file.h - reading whole files, and writing so that a final name never holds half a file. */
#ifndef MODA_BASE_FILE_H
#define MODA_BASE_FILE_H

#include "base/status.h"
#include <dirent.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A file's bytes, mapped read-only (size 0: data is NULL). Close with moda_file_unmap(). */
typedef struct moda_mapped_file {
    const uint8_t *data;
    size_t size;
} moda_mapped_file;

/* Fails: MODA_ERR_IO (names the path; a directory is refused). */
MODA_MUST_USE moda_status moda_file_map(const char *path, moda_mapped_file *file);
void moda_file_unmap(moda_mapped_file *file); /* zeroed struct is fine */

/* Atomic write: the bytes go to a temporary file beside path, commit flushes, fsyncs, renames and
 * fsyncs the directory. Whatever fails before the rename, and whatever happens without a commit, the
 * old file stays as it was and the temporary file is removed; behind it the new one is there, whole.
 * Usage:
 * A symbolic link keeps pointing: its target is replaced. What cannot be replaced (a pipe, a device,
 * /dev/stdout) is written directly.
 *     MODA_TRY(moda_writer_open(&w, path));
 *     fwrite(..., w.stream);                        // errors are sticky: commit reports them
 *     MODA_TRY(moda_writer_commit(&w));
 * out: moda_writer_abort(&w);                        // nothing after a commit or a failed open */
typedef struct moda_writer {
    FILE *stream; /* NULL when closed */
    char *path, *temporary;
} moda_writer;

MODA_MUST_USE moda_status moda_writer_open(moda_writer *w, const char *path);
MODA_MUST_USE moda_status moda_writer_commit(moda_writer *w);
void moda_writer_abort(moda_writer *w); /* zeroed struct is fine */

/* Whether moda_writer_open(path) would succeed: to be asked before hours of work. Leaves nothing
 * behind. */
MODA_MUST_USE moda_status moda_check_writable(const char *path);

/* Makes a directory and its parents; one that exists is fine. */
MODA_MUST_USE moda_status moda_make_directory(const char *path);
/* The next entry of an open directory, "." and ".." too; NULL behind the last. readdir() alone does not
 * tell the end from a failure, after which a half-read directory would pass for a whole one. path is for
 * the message. *entry is good until the next call. Fails: MODA_ERR_IO. */
MODA_MUST_USE moda_status moda_directory_next(DIR *directory, const char *path,
                                              const struct dirent **entry);
/* Removes the files of a directory whose names match a pattern, as in "*.tmp". One that is not there has
 * none. Fails: MODA_ERR_IO, MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_remove_matching(const char *directory, const char *pattern);
/* Removes what killed processes left half-written in a directory (moda_writer_open() does so, too); what
 * is being written stays. What cannot be removed now may be next time. */
void moda_remove_leftovers(const char *directory);
bool moda_is_directory(const char *path);
bool moda_is_file(const char *path);
/* Whether a folder can be made, with its parents, or written to at path: to be asked before hours of
 * work. Leaves nothing behind. Fails: MODA_ERR_IO (a file stands there or on the way, the folder or
 * the one to make it in is not writable). */
MODA_MUST_USE moda_status moda_check_folder(const char *path);

/* Closes a stream of open_memstream(text, ..). True: *text is whole. False: memory was too short; *text is
 * freed and NULL. fclose() alone does not tell: a text that it cannot bring to its size is lost
 * without an error. */
bool moda_text_close(FILE *stream, char **text);

/* "a/b" in fresh memory (free() it); NULL when out of memory. format as in printf. */
char *moda_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
