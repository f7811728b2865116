/* tests/capture.c */
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static char folder[256];
static int captured_fd, saved_fd;

const char *test_folder(void)
{
    if (*folder) return folder;
    const char *below = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/moda-test-XXXXXX", below ? below : "/tmp");
    cr_assert(mkdtemp(folder) != NULL);
    return folder;
}

static int remove_entry(const char *path, const struct stat *s, int type, struct FTW *where)
{
    (void)s, (void)type, (void)where;
    return remove(path);
}

void test_folder_remove(void)
{
    if (*folder) nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    if (*folder) nftw(strcat(folder, ".cache"), remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    *folder = 0;
}

const char *test_path(const char *name)
{
    static char paths[8][512];
    static unsigned turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", test_folder(), name);
    return path;
}

const char *test_write(const char *name, const char *text)
{
    const char *path = test_path(name);
    FILE *f = fopen(path, "wb");
    cr_assert(f != NULL);
    fputs(text, f);
    fclose(f);
    return path;
}

const char *test_write_old(const char *name, const char *text)
{
    const struct timespec old = {time(NULL) - 2 * 24 * 60 * 60, 0}, times[] = {old, old};
    const char *path = test_write(name, text);
    cr_assert(utimensat(AT_FDCWD, path, times, 0) == 0);
    return path;
}

char *test_read(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f) return NULL;
    char *text = calloc(1, 1 << 20);
    cr_assert(text != NULL);
    cr_assert(fread(text, 1, (1 << 20) - 1, f) < (1 << 20) - 1, "%s is too long to compare", path);
    fclose(f);
    return text;
}

int test_folder_entries(void)
{
    int n = 0;
    DIR *d = opendir(test_folder());
    cr_assert(d != NULL);
    while (readdir(d)) n++;
    closedir(d);
    return n - 2; /* . and .. */
}

void test_capture(int fd)
{
    fflush(NULL);
    captured_fd = fd;
    saved_fd = dup(fd);
    int file = open(test_path("captured"), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    cr_assert(file >= 0);
    dup2(file, fd);
    close(file);
}

char *test_captured(void)
{
    fflush(NULL);
    dup2(saved_fd, captured_fd);
    close(saved_fd);
    return test_read(test_path("captured"));
}
