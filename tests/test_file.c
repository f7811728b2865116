/* tests/test_file.c - base/file.h: a final name holds the old content or the new, nothing else. */
#include "base/file.h"
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

TestSuite(file, .fini = test_folder_remove, .timeout = 60);

static void expect_content(const char *path, const char *want)
{
    char *text = test_read(path);
    cr_assert(text != NULL, "%s is missing", path);
    cr_assert(eq(str, text, (char *)want));
    free(text);
}

static void expect_error(moda_status got, moda_status want, const char *word)
{
    cr_assert(eq(int, got, want), "%s", moda_last_error());
    cr_assert(strstr(moda_last_error(), word) != NULL, "'%s' lacks '%s'", moda_last_error(), word);
}

static moda_status write_file(const char *path, const char *text)
{
    moda_status st = MODA_OK;
    moda_writer w = {0};
    MODA_TRY(moda_writer_open(&w, path));
    fputs(text, w.stream);
    MODA_TRY(moda_writer_commit(&w));
out:
    moda_writer_abort(&w);
    return st;
}

Test(file, map_reads_the_bytes)
{
    moda_mapped_file f;
    cr_assert(eq(int, moda_file_map(test_write("a", "hello"), &f), MODA_OK));
    cr_assert(eq(sz, f.size, 5));
    cr_assert(eq(int, memcmp(f.data, "hello", 5), 0));
    moda_file_unmap(&f);
    cr_assert(f.data == NULL);
    moda_file_unmap(&f);
}

Test(file, map_of_an_empty_file)
{
    moda_mapped_file f;
    cr_assert(eq(int, moda_file_map(test_write("a", ""), &f), MODA_OK));
    cr_assert(f.data == NULL && f.size == 0);
    moda_file_unmap(&f);
}

Test(file, map_refuses_what_is_no_file)
{
    moda_mapped_file f;
    const char *fifo = test_path("fifo");
    cr_assert(eq(int, mkfifo(fifo, 0600), 0));
    expect_error(moda_file_map(test_path("missing"), &f), MODA_ERR_IO, "missing: No such file");
    expect_error(moda_file_map(test_folder(), &f), MODA_ERR_IO, "directory");
    expect_error(moda_file_map(fifo, &f), MODA_ERR_IO, "regular");
    cr_assert(f.data == NULL && f.size == 0);
}

Test(file, commit_replaces_and_leaves_nothing_else)
{
    const char *path = test_write("a", "old");
    moda_writer w;
    cr_assert(eq(int, moda_writer_open(&w, path), MODA_OK));
    fputs("new", w.stream);
    fflush(w.stream);
    expect_content(path, "old"); /* until the commit */
    cr_assert(eq(int, moda_writer_commit(&w), MODA_OK));
    cr_assert(w.stream == NULL);
    moda_writer_abort(&w);
    expect_content(path, "new");
    cr_assert(eq(int, test_folder_entries(), 1));
}

Test(file, abort_leaves_nothing)
{
    moda_writer w;
    const char *path = test_path("a");
    cr_assert(eq(int, moda_writer_open(&w, path), MODA_OK));
    fputs("half", w.stream);
    moda_writer_abort(&w);
    cr_assert(eq(int, test_folder_entries(), 0));
    test_write("a", "old");
    cr_assert(eq(int, moda_writer_open(&w, path), MODA_OK));
    fputs("half", w.stream);
    moda_writer_abort(&w);
    moda_writer_abort(&w);
    expect_content(path, "old");
    cr_assert(eq(int, test_folder_entries(), 1));
}

/* Lets files grow to 64 KiB: what a full disk does, without one. */
static void fill_disk(void)
{
    struct rlimit limit = {65536, 65536};
    signal(SIGXFSZ, SIG_IGN);
    cr_assert(eq(int, setrlimit(RLIMIT_FSIZE, &limit), 0));
}

Test(file, failed_write_keeps_the_old_file)
{
    const char *path = test_write("a", "old");
    static char block[4096];
    moda_writer w;
    memset(block, 'x', sizeof block);
    fill_disk();
    cr_assert(eq(int, moda_writer_open(&w, path), MODA_OK));
    size_t written = 0; /* an early fwrite fails; later ones, and the last flush, may not */
    for (int i = 0; i < 64; i++) written += fwrite(block, 1, sizeof block, w.stream);
    cr_assert(lt(sz, written, 64 * sizeof block), "the limit did not work: this proves nothing");
    expect_error(moda_writer_commit(&w), MODA_ERR_IO, path);
    moda_writer_abort(&w);
    expect_content(path, "old");
    cr_assert(eq(int, test_folder_entries(), 1));
}

/* The whole content fits stdio's buffer: the failure comes with the flush in commit. */
Test(file, failed_flush_keeps_the_old_file)
{
    const char *path = test_write("a", "old");
    struct rlimit limit = {1, 1};
    signal(SIGXFSZ, SIG_IGN);
    cr_assert(eq(int, setrlimit(RLIMIT_FSIZE, &limit), 0));
    expect_error(write_file(path, "more than a byte"), MODA_ERR_IO, "File too large");
    expect_content(path, "old");
    cr_assert(eq(int, test_folder_entries(), 1));
}

Test(file, failed_rename_removes_the_temporary)
{
    const char *path = test_path("a");
    moda_writer w;
    cr_assert(eq(int, moda_writer_open(&w, path), MODA_OK));
    cr_assert(eq(int, mkdir(path, 0700), 0));
    expect_error(moda_writer_commit(&w), MODA_ERR_IO, path);
    cr_assert(moda_is_directory(path));
    cr_assert(eq(int, test_folder_entries(), 1));
}

Test(file, commit_of_a_closed_writer)
{
    moda_writer w = {0};
    cr_assert(eq(int, moda_writer_commit(&w), MODA_ERR_INTERNAL));
}

Test(file, open_failures_name_the_path)
{
    expect_error(write_file(test_path("no/such/file"), "x"), MODA_ERR_IO, "no/such/file");
    expect_error(write_file(test_folder(), "x"), MODA_ERR_IO, "is a directory");
    expect_error(write_file("", "x"), MODA_ERR_IO, "empty name");
    cr_assert(eq(int, test_folder_entries(), 0));
}

Test(file, symbolic_link_stays_a_link)
{
    const char *target = test_write("target", "old"), *link = test_path("link");
    struct stat s;
    cr_assert(eq(int, symlink("target", link), 0));
    cr_assert(eq(int, write_file(link, "new"), MODA_OK));
    cr_assert(lstat(link, &s) == 0 && S_ISLNK(s.st_mode));
    expect_content(target, "new");
}

Test(file, mode_follows_umask_and_the_old_file)
{
    struct stat s;
    const char *path = test_path("a");
    umask(027);
    cr_assert(eq(int, write_file(path, "1"), MODA_OK));
    stat(path, &s);
    cr_assert(eq(int, s.st_mode & 0777, 0640));
    chmod(path, 0604);
    cr_assert(eq(int, write_file(path, "2"), MODA_OK));
    stat(path, &s);
    cr_assert(eq(int, s.st_mode & 0777, 0604));
}

Test(file, devices_are_written_not_replaced)
{
    struct stat before, after;
    cr_assert(eq(int, stat("/dev/null", &before), 0));
    cr_assert(eq(int, write_file("/dev/null", "x"), MODA_OK));
    cr_assert(eq(int, stat("/dev/null", &after), 0));
    cr_assert(eq(int, after.st_mode &S_IFMT, S_IFCHR));
    cr_assert(eq(u64, after.st_ino, before.st_ino));
    expect_error(write_file("/dev/full", "x"), MODA_ERR_IO,
                 "/dev/full: cannot be written: No space");
}

Test(file, standard_output_by_name)
{
    test_capture(STDOUT_FILENO); /* a regular file behind /dev/stdout */
    moda_status st = write_file("/dev/stdout", "figures");
    char *text = test_captured();
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
    cr_assert(eq(str, text, "figures"));
    free(text);
}

Test(file, two_writers_of_one_name)
{
    moda_writer a, b;
    const char *path = test_path("a");
    cr_assert(eq(int, moda_writer_open(&a, path), MODA_OK));
    cr_assert(eq(int, moda_writer_open(&b, path), MODA_OK));
    fputs("first", a.stream);
    fputs("second", b.stream);
    cr_assert(eq(int, moda_writer_commit(&a), MODA_OK));
    cr_assert(eq(int, moda_writer_commit(&b), MODA_OK));
    expect_content(path, "second");
    cr_assert(eq(int, test_folder_entries(), 1));
}

Test(file, check_writable_asks_without_a_trace)
{
    const char *path = test_write("a", "old");
    cr_assert(eq(int, moda_check_writable(path), MODA_OK));
    expect_content(path, "old");
    cr_assert(eq(int, moda_check_writable(test_path("new")), MODA_OK));
    cr_assert(eq(int, test_folder_entries(), 1));
    cr_assert(eq(int, moda_check_writable("/dev/null"), MODA_OK));
    expect_error(moda_check_writable(test_path("no/file")), MODA_ERR_IO, "no/file");
    expect_error(moda_check_writable(test_folder()), MODA_ERR_IO, "directory");
    expect_error(moda_check_writable(test_path("a/b")), MODA_ERR_IO, "a/b");
}

Test(file, make_directory_with_parents)
{
    const char *path = test_path("x/y/z");
    cr_assert(eq(int, moda_make_directory(path), MODA_OK));
    cr_assert(moda_is_directory(path));
    cr_assert(eq(int, moda_make_directory(path), MODA_OK));
    cr_assert(eq(int, moda_make_directory(test_path("x/y/w/")), MODA_OK));
    cr_assert(moda_is_directory(test_path("x/y/w")));
    cr_assert(eq(int, moda_make_directory("/"), MODA_OK));
    test_write("file", "");
    expect_error(moda_make_directory(test_path("file")), MODA_ERR_IO, "not a directory");
    expect_error(moda_make_directory(test_path("file/below")), MODA_ERR_IO, "file");
    expect_error(moda_make_directory(""), MODA_ERR_IO, "empty");
}

/* Root may write everywhere: so the user is another one for a while. */
Test(file, check_folder_asks_what_is_there_of_the_way)
{
    cr_assert(eq(int, chmod(test_folder(), 0777), 0));
    test_write("file", "x");
    cr_assert(eq(int, moda_make_directory(test_path("closed")), MODA_OK));
    cr_assert(eq(int, chmod(test_path("closed"), 0555), 0));
    const char *const good[] = {test_path(""), test_path("new"), test_path("new/er//deep/")};
    for (size_t i = 0; i < 3; i++)
        cr_assert(eq(int, moda_check_folder(good[i]), MODA_OK), "%s", moda_last_error());
    expect_error(moda_check_folder(test_path("file")), MODA_ERR_IO, "file: is a file");
    expect_error(moda_check_folder(test_path("file/a/b")), MODA_ERR_IO, "file is not a directory");
    expect_error(moda_check_folder(""), MODA_ERR_IO, "an empty name");
    const bool is_root = geteuid() == 0;
    if (is_root) cr_assert(eq(int, seteuid(65534), 0));
    const moda_status closed = moda_check_folder(test_path("closed")),
                      below = moda_check_folder(test_path("closed/new/er"));
    if (is_root) cr_assert(eq(int, seteuid(0), 0));
    cr_assert(closed == MODA_ERR_IO && below == MODA_ERR_IO, "%d %d", closed, below);
    cr_assert(ne(ptr, strstr(moda_last_error(), "closed/new/er: cannot be made in "), NULL), "%s",
              moda_last_error());
    cr_assert(eq(int, test_folder_entries(), 2), "something is left");
}

Test(file, kinds)
{
    const char *path = test_write("a", "");
    cr_assert(moda_is_file(path) && !moda_is_directory(path));
    cr_assert(moda_is_directory(test_folder()) && !moda_is_file(test_folder()));
    cr_assert(moda_is_file(test_path("no")) == false);
    cr_assert(moda_is_directory(test_path("no")) == false);
}

Test(file, format)
{
    char *text = moda_format("%s/%d", "a", 3);
    cr_assert(eq(str, text, "a/3"));
    free(text);
}
