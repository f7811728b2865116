/* tests/test_resume_kills.c - moda train --resume after kill -9 at random moments: while it
 * starts, in steps and tests, in the middle of writing; each run that comes to its end is the
 * one never killed. */
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

Test(resume_kills, fifty)
{
    const moda_rng rng = moda_rng_make(7, MODA_RNG_TEST, 0);
    const double start = moda_seconds();
    size_t kills = 0, attempts = 0, with_checkpoint = 0;
    program_must(RESUME_RUN RESUME_USUAL "--out whole");
    const double whole = moda_seconds() - start;
    for (int run = 0; kills < KILLS; run++) {
        char words[128], folder[16];
        snprintf(folder, sizeof folder, "run%d", run);
        snprintf(words, sizeof words, RESUME_USUAL "--resume --out %s", folder);
        for (int code = -1; code != 0;) {
            /* Half of a whole run at most: most runs take several lives. */
            const double delay = moda_rng_unit(rng, attempts++) * whole / 2;
            const pid_t process = resume_start(words);
            usleep((useconds_t)(delay * 1e6));
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
