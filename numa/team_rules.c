/* numa/team_rules.c - what the environment says about threads: OpenMP's variables, libgomp's, and
 * those of batch systems. */
#include "numa/team_internal.h"
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* "4", or the first of "4,2" (nested teams); 0: nothing, or nonsense. */
static size_t count(const char *name)
{
    const char *text = getenv(name);
    long n = text ? strtol(text, NULL, 10) : 0;
    return n > 0 ? (size_t)n : 0;
}

static bool given(const char *name)
{
    const char *text = getenv(name);
    return text && *text;
}

void moda_team_rules_read(moda_team_rules *rules)
{
    const char *bind = getenv("OMP_PROC_BIND"), *handed = moda_team_handed_bind();
    *rules = (moda_team_rules){.threads = count("OMP_NUM_THREADS"),
                               .limit = count("OMP_THREAD_LIMIT"),
                               .share = count("SLURM_CPUS_PER_TASK"),
                               .foreign = given("KMP_AFFINITY")};
    if (handed) { /* OpenMP's variables are moda's own by now */
        rules->no_bind = strcmp(handed, "no") == 0;
        rules->bind = *handed && !rules->no_bind ? handed : NULL;
        return;
    }
    rules->no_bind = bind && strncasecmp(bind, "false", 5) == 0;
    if (rules->no_bind) return;
    rules->bind = given("OMP_PLACES")          ? "OMP_PLACES"
                  : given("GOMP_CPU_AFFINITY") ? "GOMP_CPU_AFFINITY"
                  : given("OMP_PROC_BIND")     ? "OMP_PROC_BIND"
                                               : NULL;
}
