/* bench/machine.h - on which machine, and by which build, figures were measured. */
#ifndef MODA_BENCH_MACHINE_H
#define MODA_BENCH_MACHINE_H

#include "base/json.h"
#include "base/status.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct moda_machine {
    char cpu[128];
    size_t cores, units, nodes; /* of the machine; units: hardware threads; nodes: with memory */
    size_t threads;             /* that OpenMP has now, and oneDNN with it */
    uint64_t memory;            /* bytes that the system has */
    const char *kernels;        /* instruction set of our kernels: "avx512" */
    bool bf16;                  /* the CPU multiplies it */
    char system[160];           /* "Linux 6.1.0-18-amd64" */
    char library[64];           /* oneDNN's version and instruction set: "2.6.3 isa 0x1ef" */
    char compiler[64];          /* "gcc 12.2.0" */
    const char *configuration;  /* the Makefile's: "release", "address-undefined" */
    const char *flags;          /* optimisation and what the user added: "-O2" */
    const char *commit;         /* "8ee9783ac012", "-dirty" behind it; "" if not built from one */
    const char *version;        /* of moda */
} moda_machine;

void moda_machine_describe(moda_machine *machine);
/* In one line, cut to the buffer, which is returned. */
char *moda_machine_line(const moda_machine *machine, char *buffer, size_t size);
/* New reference. Fails: MODA_ERR_NOMEM. */
MODA_MUST_USE moda_status moda_machine_json(const moda_machine *machine, json_t **json);

#endif
