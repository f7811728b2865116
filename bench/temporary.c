/* bench/temporary.c */
#include "base/file.h"
#include "bench/temporary_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const int caught[] = {SIGINT, SIGTERM, SIGHUP};
enum { CAUGHT = sizeof caught / sizeof *caught };

struct moda_temporary {
    char *path;
    moda_temporary *next;
};

static moda_temporary *folders; /* changed with the signals blocked, and taken, only */
static struct sigaction before[CAUGHT];

/* A thread that blocks signals has others get them: their handler waits until the list is whole. */
static atomic_flag busy = ATOMIC_FLAG_INIT;

static void take(void)
{
    while (atomic_flag_test_and_set(&busy)) poll(NULL, 0, 1);
}

static void give(void)
{
    atomic_flag_clear(&busy);
}

/* ---- removing: of a handler, hence what signal-safety(7) lists, and getdents64 by its number, since
 * readdir() is not safe there ---- */

/* As the kernel writes it. */
typedef struct entry {
    ino64_t inode;
    off64_t next;
    unsigned short bytes;
    unsigned char type;
    char name[];
} entry;

static void remove_tree(int parent, const char *name);

static void remove_entries(int folder)
{
    _Alignas(entry) char buffer[2048];
    for (long n; (n = syscall(SYS_getdents64, folder, buffer, sizeof buffer)) > 0;) {
        for (long at = 0; at < n;) {
            const entry *e = (const entry *)(buffer + at);
            if (strcmp(e->name, ".") != 0 && strcmp(e->name, "..") != 0)
                remove_tree(folder, e->name);
            at += e->bytes;
        }
    }
}

/* Symbolic links are removed, not followed. More than once: what is removed may hide what is behind it. */
static void remove_tree(int parent, const char *name)
{
    enum { TRIES = 3 };
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) return;
    for (int i = 0; i < TRIES && unlinkat(parent, name, AT_REMOVEDIR) != 0; i++) {
        const int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (folder < 0) return;
        remove_entries(folder);
        close(folder);
    }
}

/* ---- signals ---- */

static void ask_back(void)
{
    for (size_t i = 0; i < CAUGHT; i++) sigaction(caught[i], &before[i], NULL);
}

/* Whether the signal ends the process once it is not caught any more. */
static bool is_the_end(int number)
{
    bool fatal = false;
    for (size_t i = 0; i < CAUGHT; i++)
        fatal |= caught[i] == number && before[i].sa_handler == SIG_DFL;
    return fatal;
}

static void on_signal(int number)
{
    const int error = errno;
    take();
    for (const moda_temporary *f = folders; f; f = f->next) remove_tree(AT_FDCWD, f->path);
    ask_back();
    raise(number);                   /* blocked until the handler is left */
    if (!is_the_end(number)) give(); /* else nobody makes another one before it */
    errno = error;
}

/* A signal that is ignored, as nohup does, stays so. */
static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < CAUGHT; i++) sigaddset(&action.sa_mask, caught[i]);
    for (size_t i = 0; i < CAUGHT; i++) {
        sigaction(caught[i], NULL, &before[i]);
        if (before[i].sa_handler != SIG_IGN) sigaction(caught[i], &action, NULL);
    }
}

static void begin(sigset_t *old)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, old);
    take();
}

static void end(const sigset_t *old)
{
    give();
    pthread_sigmask(SIG_SETMASK, old, NULL);
}

/* ---- folders ---- */

moda_status moda_temporary_make(const char *name, moda_temporary **folder)
{
    moda_status st = MODA_OK;
    moda_temporary *f = NULL;
    sigset_t old;
    const char *base = getenv("TMPDIR");
    if (!base || !*base) base = "/tmp";
    *folder = NULL;
    begin(&old);
    MODA_ALLOC(f, sizeof *f);
    MODA_CHECK((f->path = moda_format("%s/%s-XXXXXX", base, name)) != NULL, MODA_ERR_NOMEM,
               "out of memory");
    if (!folders) catch_signals(); /* before there is one */
    MODA_CHECK(mkdtemp(f->path) != NULL, MODA_ERR_IO,
               "%s: no temporary folder: %s; set TMPDIR to where there is room", base,
               strerror(errno));
    f->next = folders, folders = f;
    *folder = f, f = NULL;
out:
    if (f && f->path && !folders) ask_back();
    if (f) free(f->path);
    free(f);
    end(&old);
    return st;
}

const char *moda_temporary_path(const moda_temporary *folder)
{
    return folder->path;
}

void moda_temporary_remove(moda_temporary *folder)
{
    sigset_t old;
    if (!folder) return;
    begin(&old);
    moda_temporary **link = &folders;
    while (*link != folder) link = &(*link)->next;
    remove_tree(AT_FDCWD, folder->path);
    *link = folder->next;
    if (!folders) ask_back();
    end(&old);
    free(folder->path);
    free(folder);
}
