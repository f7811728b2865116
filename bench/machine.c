/* bench/machine.c - MODA_BUILD_... are given by the Makefile to this file alone. */
#include "bench/machine.h"
#include "base/isa.h"
#include "base/table.h"
#include "engine/tuner.h"
#include "numa/cpu.h"
#include <omp.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#if defined(__clang__)
#define COMPILER "clang " __clang_version__
#elif defined(__GNUC__)
#define COMPILER "gcc " __VERSION__
#else
#define COMPILER "unknown"
#endif

void moda_machine_describe(moda_machine *m)
{
    struct utsname system;
    *m = (moda_machine){.threads = (size_t)omp_get_max_threads(),
                        .memory =
                            (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE),
                        .kernels = moda_isa_name(moda_isa_best()),
                        .bf16 = moda_cpu_has_bf16(),
                        .configuration = MODA_BUILD_CONFIGURATION,
                        .flags = MODA_BUILD_FLAGS,
                        .commit = MODA_BUILD_COMMIT,
                        .version = MODA_BUILD_VERSION};
    moda_cpu_name(m->cpu, sizeof m->cpu);
    moda_cpu_count(&m->cores, &m->units, &m->nodes);
    moda_tuner_library(m->library, sizeof m->library);
    snprintf(m->compiler, sizeof m->compiler, "%s", COMPILER);
    if (uname(&system) == 0)
        snprintf(m->system, sizeof m->system, "%s %s", system.sysname, system.release);
}

static const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

char *moda_machine_line(const moda_machine *m, char *buffer, size_t size)
{
    char memory[16], release[sizeof m->system];
    snprintf(release, sizeof release, "%s", m->system);
    char *number = strchr(release, ' ');
    if (number)
        number[1 + strspn(number + 1, "0123456789.")] = 0; /* what a builder added is long */
    snprintf(
        buffer, size,
        "%s, %zu core%s, %zu node%s, %s, %s; %zu thread%s, %s%s, oneDNN %s; moda %s%s%s, %s, %s %s",
        m->cpu, m->cores, plural(m->cores), m->nodes, plural(m->nodes),
        moda_human_bytes((double)m->memory, memory), release, m->threads, plural(m->threads),
        m->kernels, m->bf16 ? " bf16" : "", m->library, m->version, *m->commit ? " commit " : "",
        m->commit, m->compiler, m->configuration, m->flags);
    return buffer;
}

moda_status moda_machine_json(const moda_machine *m, json_t **json)
{
    moda_status st = MODA_OK;
    *json = json_pack("{s:o s:I s:I s:I s:I s:I s:s s:b s:o s:s s:s s:s s:o s:o s:s}", "cpu",
                      moda_json_text(m->cpu), "cores", (json_int_t)m->cores, "units",
                      (json_int_t)m->units, "nodes", (json_int_t)m->nodes, "threads",
                      (json_int_t)m->threads, "memory_bytes", (json_int_t)m->memory, "kernels",
                      m->kernels, "bf16", (int)m->bf16, "system", moda_json_text(m->system),
                      "onednn", m->library, "compiler", m->compiler, "configuration",
                      m->configuration, "flags", moda_json_text(m->flags), "commit",
                      *m->commit ? json_string(m->commit) : json_null(), "version", m->version);
    MODA_CHECK(*json, MODA_ERR_NOMEM, "out of memory");
out:
    return st;
}
