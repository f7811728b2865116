/* numa/team_restart.c - has the OpenMP runtime bind the team: it reads its places when the process
 * starts, so the program starts itself over with them. The second life gets in MODA_TEAM what it can
 * no longer see: the mask, and what asked for a binding before ("0-63:OMP_PLACES"). */
#include "base/file.h"
#include "base/log.h"
#include "numa/affinity_internal.h"
#include "numa/team_internal.h"
#include "numa/topology_internal.h"
#include <errno.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

static const char handover[] = "MODA_TEAM";
static char **program_arguments;        /* of a program that may be started over */
static char *handed_mask, *handed_bind; /* NULL: this is the first life */

void moda_team_may_restart(char **argv)
{
    size_t n = 0;
    while (argv[n]) n++;
    free(program_arguments);
    program_arguments = calloc(n + 1, sizeof *program_arguments); /* getopt permutes the caller's */
    if (program_arguments) memcpy(program_arguments, argv, n * sizeof *argv);
}

/* Takes it out of the environment: programs that are started from here have their own first life. */
static void take_over(void)
{
    const char *text = getenv(handover);
    const char *colon = text ? strchr(text, ':') : NULL;
    if (!colon || handed_mask) return;
    handed_mask = strndup(text, (size_t)(colon - text));
    handed_bind = strdup(colon + 1);
    unsetenv(handover);
    unsetenv(
        "OMP_PLACES"); /* read by now, and no business of programs that are started from here */
    unsetenv("OMP_PROC_BIND");
}

bool moda_team_handed_mask(hwloc_bitmap_t mask)
{
    unsigned *cpus = NULL;
    size_t n = 0;
    take_over();
    if (!handed_mask || moda_cpu_list_parse(handover, handed_mask, &cpus, &n) != MODA_OK)
        return false;
    hwloc_bitmap_zero(mask);
    for (size_t i = 0; i < n; i++) hwloc_bitmap_set(mask, cpus[i]);
    free(cpus);
    return true;
}

const char *moda_team_handed_bind(void)
{
    take_over();
    return handed_bind;
}

static hwloc_bitmap_t lent_from; /* the mask of before; NULL: nothing was lent */

void moda_team_lend_cpus(void)
{
    hwloc_bitmap_t own = hwloc_bitmap_alloc(), whole = hwloc_bitmap_alloc();
    if (own && whole && moda_affinity_get(own) && moda_team_handed_mask(whole) &&
        moda_affinity_set(whole))
        lent_from = own, own = NULL;
    hwloc_bitmap_free(own);
    hwloc_bitmap_free(whole);
}

void moda_team_return_cpus(void)
{
    if (lent_from) moda_affinity_set(lent_from);
    hwloc_bitmap_free(lent_from);
    lent_from = NULL;
}

/* ---- places ---- */

char *moda_team_places(const moda_team *team)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f) return NULL;
    for (size_t i = 0; i < team->threads; i++) {
        fprintf(f, "%s{", i ? "," : "");
        for (size_t k = team->first[i]; k < team->first[i + 1]; k++)
            fprintf(f, "%s%u", k > team->first[i] ? "," : "", team->unit[k]);
        fprintf(f, "}");
    }
    moda_text_close(f, &text);
    return text;
}

static bool same_place(const moda_team *team, size_t i)
{
    const size_t units = team->first[i + 1] - team->first[i];
    const unsigned *unit = team->unit + team->first[i];
    bool same = (size_t)omp_get_place_num_procs((int)i) == units;
    int *ids = same ? calloc(units, sizeof *ids) : NULL;
    if (!ids) return false;
    omp_get_place_proc_ids((int)i, ids);
    for (size_t k = 0; k < units && same; k++) {
        same = false;
        for (size_t m = 0; m < units; m++) same |= ids[m] == (int)unit[k];
    }
    free(ids);
    return same;
}

bool moda_team_places_in_force(const moda_team *team)
{
    const omp_proc_bind_t bind = omp_get_proc_bind();
    const size_t places = bind == omp_proc_bind_false ? 0 : (size_t)omp_get_num_places();
    if (team->cpu[0] == MODA_UNBOUND) return places == 0;
    /* Both put thread i of any smaller team at place i. */
    bool same =
        (bind == omp_proc_bind_true || bind == omp_proc_bind_close) && places == team->threads;
    for (size_t i = 0; i < team->threads && same; i++) same = same_place(team, i);
    return same;
}

/* ---- starting over ---- */

static bool set_environment(const moda_topology *t, const moda_team *team)
{
    moda_team_rules rules;
    char *places = NULL, *mask = NULL, *text = NULL;
    bool good = false, bind = team->cpu[0] != MODA_UNBOUND;
    moda_team_rules_read(&rules);
    if (hwloc_bitmap_list_asprintf(&mask, t->usable) < 0) mask = NULL;
    if (mask && asprintf(&text, "%s:%s", mask,
                         rules.no_bind ? "no"
                         : rules.bind  ? rules.bind
                                       : "") < 0)
        text = NULL;
    if (bind) places = moda_team_places(team);
    if (!text || (bind && !places)) goto out;
    unsetenv("GOMP_CPU_AFFINITY"); /* a second voice */
    unsetenv("OMP_PLACES");
    good = setenv("OMP_PROC_BIND", bind ? "close" : "false", 1) == 0 &&
           (!bind || setenv("OMP_PLACES", places, 1) == 0) && setenv(handover, text, 1) == 0;
out:
    free(places);
    free(mask);
    free(text);
    return good;
}

void moda_team_restart(const moda_topology *t, const moda_team *team)
{
    char program[4096];
    ssize_t length;
    take_over();
    if (!program_arguments || handed_mask) return;
    if (getauxval(AT_BASE) == 0) return; /* /proc/self/exe is ld.so, which was given the program */
    /* Its name, not the link: the process is listed under what it was started from. */
    length = readlink("/proc/self/exe", program, sizeof program - 1);
    if (length <= 0) return;
    program[length] = 0;
    if (access(program, X_OK) != 0) return;
    if (!moda_affinity_set(t->usable) || !set_environment(t, team)) return;
    fflush(NULL);
    execv(program, program_arguments);
    unsetenv(handover);
    moda_log(MODA_LOG_WARNING, "%s cannot start itself over to bind threads: %s", program,
             strerror(errno));
}
