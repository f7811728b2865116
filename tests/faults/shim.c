/* tests/faults/shim.c - an allocator that fails once, for LD_PRELOAD.
 *
 * MODA_FAULT_AT=N makes the N-th allocation (counted from 1) fail, in whichever thread it is; 0 or unset: none.
 * MODA_STOP_AT=N raises SIGTERM at that one, as a batch system would. MODA_FAULT_COUNT=FILE gets the
 * number of allocations at exit. Only those count that moda, the libraries which
 * it uses for files, or the C library on their behalf ask for: the dynamic loader, libgomp and oneDNN end the
 * process on their own when memory is short, or do what moda cannot see. */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

enum { RANGES = 64 };
static struct {
    uintptr_t low, high;
} counted[RANGES];
static size_t ranges;
static bool ready;
static atomic_ulong calls;
static unsigned long fail_at, stop_at;

static int note_object(struct dl_phdr_info *info, size_t size, void *user)
{
    static const char *const left_out[] = {"libgomp",   "libdnnl",      "ld-linux",
                                           "libstdc++", "shim",         "libtbb",
                                           "libhwloc",  "libpciaccess", "libudev"};
    (void)size, (void)user;
    for (size_t i = 0; i < sizeof left_out / sizeof *left_out; i++)
        if (strstr(info->dlpi_name, left_out[i])) return 0;
    for (size_t i = 0; i < info->dlpi_phnum && ranges < RANGES; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        if (p->p_type != PT_LOAD || !(p->p_flags & PF_X)) continue;
        counted[ranges].low = info->dlpi_addr + p->p_vaddr;
        counted[ranges++].high = info->dlpi_addr + p->p_vaddr + p->p_memsz;
    }
    return 0;
}

__attribute__((constructor)) static void begin(void)
{
    const char *at = getenv("MODA_FAULT_AT"), *stop = getenv("MODA_STOP_AT");
    dl_iterate_phdr(note_object, NULL);
    fail_at = at ? strtoul(at, NULL, 10) : 0;
    stop_at = stop ? strtoul(stop, NULL, 10) : 0;
    ready = true;
}

__attribute__((destructor)) static void end(void)
{
    const char *path = getenv("MODA_FAULT_COUNT");
    char text[32];
    const int n = snprintf(text, sizeof text, "%lu\n", atomic_load(&calls));
    const int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600) : -1;
    if (fd < 0) return;
    if (write(fd, text, (size_t)n) != n) abort();
    close(fd);
}

static bool fails(const void *caller)
{
    if (!ready) return false;
    for (size_t i = 0; i < ranges; i++)
        if ((uintptr_t)caller >= counted[i].low && (uintptr_t)caller < counted[i].high) {
            const unsigned long n = atomic_fetch_add(&calls, 1) + 1;
            if (n == stop_at) raise(SIGTERM);
            if (n == fail_at) errno = ENOMEM;
            return n == fail_at;
        }
    return false;
}

void *malloc(size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size);
}

void *realloc(void *p, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(p, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails(__builtin_return_address(0)) ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **p, size_t alignment, size_t size)
{
    if (fails(__builtin_return_address(0))) return ENOMEM;
    void *memory = __libc_memalign(alignment, size);
    if (!memory) return ENOMEM;
    *p = memory;
    return 0;
}
