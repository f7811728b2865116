/* tests/test_resume_kills.c - moda train --resume after kill -9 at random moments: while it
 * starts, in steps and tests, in the middle of writing; each run that comes to its end is the one
 * never killed. `make faults` kills at every change of a file, in turn. */
#include "base/progress.h"
#include "base/rng.h"
#include "tests/capture.h"
#include "tests/program.h"
#include "tests/resume.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

TestSuite(resume_kills, .init = resume_prepare, .fini = test_folder_remove, .timeout = 600);

enum { KILLS = 50 };

/* Into a run: a while that is over before most runs are, or until it has logged so many steps more than
 * when it was last looked at, and a little. Both by chance: the first meets the start of a process too,
 * the second gets on however slow the machine has become. */
static void await_moment(moda_rng rng, size_t attempt, double longest, const char *folder,
                         size_t *steps, pid_t process)
{
    enum { STEPS = 20 };
    const double chance = moda_rng_unit(rng, attempt);
    char path[64];
    if (attempt % 2) {
        usleep((useconds_t)(chance * longest * 1e6));
        return;
    }
    snprintf(path, sizeof path, "%s/steps.jsonl", folder);
    *steps += 1 + (size_t)(chance * STEPS);
    if (resume_await_lines(path, *steps, process)) usleep((useconds_t)(attempt % 7 * 300));
}

Test(resume_kills, fifty)
{
    const moda_rng rng = moda_rng_make(7, MODA_RNG_TEST, 0);
    const double start = moda_seconds();
    size_t kills = 0, attempts = 0, with_checkpoint = 0;
    program_must(RESUME_RUN RESUME_USUAL "--out whole");
    const double half = (moda_seconds() - start) / 2, longest = half < 0.2 ? half : 0.2;
    for (int run = 0; kills < KILLS; run++) {
        char words[128], folder[16];
        size_t steps = 0;
        snprintf(folder, sizeof folder, "run%d", run);
        snprintf(words, sizeof words, RESUME_USUAL "--resume --out %s", folder);
        for (int code = -1; code != 0;) {
            const pid_t process = resume_start(words);
            await_moment(rng, attempts++, longest, folder, &steps, process);
            if (kills < KILLS) kill(process, SIGKILL);
            const program_result r = program_end(process);
            code = r.code;
            cr_assert(code == 0 || code == 128 + SIGKILL, "%d: %s", code, r.err);
            if (code == 0) continue;
            kills++;
            with_checkpoint += resume_has_checkpoint(folder);
        }
        resume_same(folder, "whole");
    }
    cr_assert(lt(sz, KILLS / 4, with_checkpoint), "hardly any kill met a checkpoint");
}
