/* numa/memory.c - blocks from mmap. */
#include "numa/memory.h"
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

size_t moda_page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* Whole huge pages for large blocks, whole pages for others. */
static size_t mapped_size(size_t bytes)
{
    const size_t unit = bytes >= 2 * (size_t)MODA_HUGE_PAGE ? MODA_HUGE_PAGE : moda_page_bytes();
    return bytes ? (bytes + unit - 1) / unit * unit : unit;
}

moda_status moda_memory_create(size_t bytes, const char *what, void **block)
{
    moda_status st = MODA_OK;
    const size_t size = mapped_size(bytes);
    const size_t slack =
        size % MODA_HUGE_PAGE ? 0 : MODA_HUGE_PAGE; /* to cut an aligned piece out of */
    *block = NULL;
    MODA_CHECK(size >= bytes && size + slack >= size, MODA_ERR_NOMEM,
               "out of memory: %zu bytes of %s", bytes, what);
    char *p = mmap(NULL, size + slack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    MODA_CHECK(p != MAP_FAILED, MODA_ERR_NOMEM, "out of memory: %zu bytes of %s", bytes, what);
    if (slack) {
        const size_t before = (MODA_HUGE_PAGE - (uintptr_t)p % MODA_HUGE_PAGE) % MODA_HUGE_PAGE;
        if (before) munmap(p, before);
        if (slack - before) munmap(p + before + size, slack - before);
        p += before;
        (void)madvise(p, size, MADV_HUGEPAGE); /* advice: a kernel without them changes nothing */
    }
    *block = p;
out:
    return st;
}

moda_status moda_memory_create_placed(size_t bytes, moda_policy policy, const char *what,
                                      void **block)
{
    moda_status st = MODA_OK;
    const moda_placement placement = moda_placement_current();
    size_t *home = NULL;
    *block = NULL;
    MODA_ALLOC(home, (placement.team->nodes + 1) * sizeof *home);
    MODA_TRY(moda_memory_create(bytes, what, block));
    moda_placement_spread(&placement, policy, bytes, home);
    moda_placement_room(&placement, home, what);
    moda_place(&placement, *block, bytes, policy);
out:
    free(home);
    return st;
}

void moda_memory_destroy(void *block, size_t bytes)
{
    if (block) munmap(block, mapped_size(bytes));
}
