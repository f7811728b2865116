/* tests/test_hardening.c - what the compiler and the linker were told for safety is in the program and
 * in the library: their ELF headers and symbols are read as they lie on disk, without binutils. */
#include "base/file.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <elf.h>
#include <string.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

static moda_mapped_file file;

static void open_file(const char *path)
{
    cr_assert(eq(int, moda_file_map(path, &file), MODA_OK), "%s", moda_last_error());
    cr_assert(lt(sz, sizeof(Elf64_Ehdr), file.size));
    cr_assert(zero(int, memcmp(file.data, ELFMAG, SELFMAG)), "%s is no ELF file", path);
    cr_assert(eq(int, file.data[EI_CLASS], ELFCLASS64));
}

static void close_file(void)
{
    moda_file_unmap(&file);
}

static const Elf64_Ehdr *header(void)
{
    return (const Elf64_Ehdr *)(const void *)file.data;
}

/* The i-th program header of that type; NULL: there are no more. */
static const Elf64_Phdr *segment(Elf64_Word type, size_t i)
{
    const Elf64_Phdr *p = (const void *)(file.data + header()->e_phoff);
    for (size_t k = 0; k < header()->e_phnum; k++)
        if (p[k].p_type == type && i-- == 0) return &p[k];
    return NULL;
}

static const Elf64_Shdr *section(Elf64_Word type)
{
    const Elf64_Shdr *s = (const void *)(file.data + header()->e_shoff);
    for (size_t k = 0; k < header()->e_shnum; k++)
        if (s[k].sh_type == type) return &s[k];
    return NULL;
}

/* The value of a dynamic entry, 0 without one. */
static Elf64_Xword dynamic(Elf64_Sxword tag)
{
    const Elf64_Phdr *p = segment(PT_DYNAMIC, 0);
    cr_assert(ne(ptr, (void *)p, NULL), "not linked dynamically");
    const Elf64_Dyn *d = (const void *)(file.data + p->p_offset);
    for (; d->d_tag != DT_NULL; d++)
        if (d->d_tag == tag) return d->d_un.d_val;
    return 0;
}

/* A symbol that the dynamic linker sees, whatever its version. */
static const Elf64_Sym *symbol(const char *name, size_t *wrapped)
{
    const Elf64_Shdr *s = section(SHT_DYNSYM), *all = (const void *)(file.data + header()->e_shoff);
    cr_assert(ne(ptr, (void *)s, NULL), "no symbols");
    const Elf64_Sym *table = (const void *)(file.data + s->sh_offset), *found = NULL;
    const char *names = (const char *)file.data + all[s->sh_link].sh_offset;
    for (size_t i = 0; i < s->sh_size / sizeof *table; i++) {
        const char *n = names + table[i].st_name;
        const size_t length = strlen(n);
        if (strcmp(n, name) == 0) found = &table[i];
        if (length > 4 && strcmp(n + length - 4, "_chk") == 0) ++*wrapped;
    }
    return found;
}

static void check_addresses(void)
{
    cr_assert(eq(int, header()->e_type, ET_DYN), "its addresses are fixed");
    cr_assert(zero(ulong, dynamic(DT_TEXTREL)), "code is written to when it is loaded");
    cr_assert(zero(ulong, dynamic(DT_RPATH) | dynamic(DT_RUNPATH)),
              "it looks for libraries in folders of its own");
}

/* Full RELRO: everything is bound at the start, then the tables are read-only. */
static void check_tables(void)
{
    cr_assert(ne(ptr, (void *)segment(PT_GNU_RELRO, 0), NULL), "no RELRO");
    const bool now = (dynamic(DT_FLAGS) & DF_BIND_NOW) || (dynamic(DT_FLAGS_1) & DF_1_NOW);
    cr_assert(now, "symbols are bound lazily");
}

/* Nothing that can be written can be executed. */
static void check_memory(void)
{
    const Elf64_Phdr *stack = segment(PT_GNU_STACK, 0), *load;
    cr_assert(ne(ptr, (void *)stack, NULL), "no word about the stack: it is executable");
    cr_assert(zero(uint, stack->p_flags & PF_X), "the stack is executable");
    cr_assert(ne(ptr, (void *)segment(PT_LOAD, 1), NULL), "too few segments to prove anything");
    for (size_t i = 0; (load = segment(PT_LOAD, i)) != NULL; i++)
        cr_assert(ne(uint, load->p_flags & (PF_W | PF_X), PF_W | PF_X),
                  "segment %zu can be written and executed", i);
}

static void check_compiler(void)
{
    size_t wrapped = 0;
    const Elf64_Sym *guard = symbol("__stack_chk_fail", &wrapped);
    cr_assert(ne(ptr, (void *)guard, NULL), "no stack protector");
#if defined __OPTIMIZE__ && !SANITIZED /* as Makefile's HARDEN, but not by asking for its flag */
    cr_assert(lt(sz, 5, wrapped), "%zu fortified calls", wrapped);
#endif
}

static void check(const char *path)
{
    open_file(path);
    check_addresses();
    check_tables();
    check_memory();
    check_compiler();
    close_file();
}

Test(hardening, of_the_program)
{
    check(MODA_PROGRAM);
    open_file(MODA_PROGRAM);
    const Elf64_Xword flags = dynamic(DT_FLAGS_1);
    cr_assert(ne(ulong, flags & DF_1_PIE, 0), "a library, not a position-independent program");
    close_file();
}

Test(hardening, of_the_library)
{
    check(MODA_LIBRARY);
}

/* -fcf-protection: functions begin with endbr64, where alone an indirect call may land. */
Test(hardening, calls_land_where_they_may)
{
    static const uint8_t endbr64[] = {0xF3, 0x0F, 0x1E, 0xFA};
    size_t wrapped = 0;
    open_file(MODA_LIBRARY);
    const Elf64_Sym *s = symbol("moda_last_error", &wrapped);
    cr_assert(ne(ptr, (void *)s, NULL), "the library does not export moda_last_error");
    const Elf64_Phdr *load = NULL;
    for (size_t i = 0; (load = segment(PT_LOAD, i)) != NULL; i++)
        if (s->st_value >= load->p_vaddr && s->st_value < load->p_vaddr + load->p_filesz) break;
    cr_assert(ne(ptr, (void *)load, NULL));
    const uint8_t *code = file.data + load->p_offset + (s->st_value - load->p_vaddr);
#if defined __x86_64__ /* every compiler of these days knows it, so a lost flag is seen here */
    cr_assert(zero(int, memcmp(code, endbr64, sizeof endbr64)));
#else
    cr_assert(ne(ptr, (void *)code, (void *)endbr64)); /* this CPU has nothing alike */
#endif
    close_file();
}
