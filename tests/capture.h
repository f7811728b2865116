/* tests/capture.h - what tests share: a temporary folder, and what is written to stdout or stderr. */
#ifndef MODA_TESTS_CAPTURE_H
#define MODA_TESTS_CAPTURE_H

/* A fresh folder below TMPDIR, or else /tmp, removed with all it holds by test_folder_remove(). One at a time. */
const char *test_folder(void);
void test_folder_remove(void);
/* "FOLDER/name"; valid until the eighth call from now. */
const char *test_path(const char *name);
/* Writes text to FOLDER/name and returns its path. */
const char *test_write(const char *name, const char *text);
/* The same, as if it had been written two days ago. */
const char *test_write_old(const char *name, const char *text);
/* The file's content, free() it; NULL when there is no such file. */
char *test_read(const char *path);
/* Entries in the folder. */
int test_folder_entries(void);

/* From now on descriptor fd (1 or 2) goes to a file in the folder. */
void test_capture(int fd);
/* Ends the capture; what was written, free() it. */
char *test_captured(void);

#endif
