/* tests/test_bench_turn.c - moda bench turn, and what those who start it make of how it ends:
 * its words, and the signals that one of the two gets. */
#include "bench/step.h"
#include "bench/turn_internal.h"
#include "tests/capture.h"
#include "tests/processes.h"
#include "tests/program.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

TestSuite(bench_turn, .fini = test_folder_remove, .timeout = 300);

static const char *script(const char *body)
{
    char text[1024];
    snprintf(text, sizeof text, "#!/bin/sh\n%s\n", body);
    const char *path = test_write("program", text);
    chmod(path, 0700);
    return path;
}

static moda_status turn(const char *program)
{
    const moda_turn_call call = {.program = program, .model = "lenet5", .batch = 32, .steps = 2};
    json_t *figures = NULL;
    const moda_status st = moda_turn(&call, &figures);
    json_decref(figures);
    return st;
}

static size_t folders_left(void)
{
    size_t n = 0;
    DIR *folder = opendir(test_folder());
    cr_assert(ne(ptr, folder, NULL));
    for (struct dirent *e; (e = readdir(folder));) n += strncmp(e->d_name, "moda-", 5) == 0;
    closedir(folder);
    return n;
}

Test(bench_turn, what_it_says_is_passed_on)
{
    const char *program =
        script("echo 'moda: warning: first' >&2; echo 'moda: bench: --threads 9: no' >&2; exit 2");
    test_capture(2);
    cr_assert(eq(int, turn(program), MODA_ERR_ARG));
    char *err = test_captured();
    cr_assert(eq(str, (char *)moda_last_error(), "--threads 9: no"));
    cr_assert(eq(str, err, "moda: warning: first\n"));
    free(err);
    cr_assert(eq(int, turn(script("kill -9 $$")), MODA_ERR_INTERNAL));
    cr_assert(ne(ptr, (void *)strstr(moda_last_error(), "Killed"), NULL), "%s", moda_last_error());
    cr_assert(eq(int, turn(script("exit 0")), MODA_ERR_IO), "no figures");
    cr_assert(eq(int, turn("/nowhere/moda"), MODA_ERR_IO));
    cr_assert(ne(ptr, (void *)strstr(moda_last_error(), "/nowhere/moda"), NULL), "%s",
              moda_last_error());
}

/* As one does that is stopped while it writes. */
Test(bench_turn, what_it_left_half_written_is_removed)
{
    const char *program = script("while test $# != 0; do test $1 = --json && json=$2; shift; done\n"
                                 "echo half >\"$json.XXX\"; echo '{}' >\"$json\"");
    setenv("TMPDIR", test_folder(), 1);
    cr_assert(eq(int, turn(program), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(sz, folders_left(), 0));
}

Test(bench_turn, as_many_steps_as_there_is_time_for)
{
    double seconds[] = {0.5, 1.5};
    const moda_timings none = {0}, two = {seconds, 2, 2};
    cr_assert(eq(sz, moda_turn_steps(&none, 100), 5));
    cr_assert(eq(sz, moda_turn_steps(&two, 20), 20));
    cr_assert(eq(sz, moda_turn_steps(&two, 1), 3), "three at least");
    cr_assert(eq(sz, moda_turn_steps(&two, 1e9), 100000));
}

/* ---- signals ---- */

static pid_t pid_in(const char *name)
{
    for (int tries = 0; tries < 3000; tries++) {
        char *text = test_read(test_path(name));
        const bool whole = text && strchr(text, '\n');
        const pid_t pid = whole ? (pid_t)atoi(text) : 0;
        free(text);
        if (whole) return pid;
        usleep(10000);
    }
    return 0;
}

/* The one that starts turns is sent a signal while one runs, which alone would run for long. */
static void signal_ends_both(int number)
{
    const char *program = script("echo $$ >\"$HOME/new\"; mv \"$HOME/new\" \"$HOME/pid\"; "
                                 "exec sleep 300");
    setenv("HOME", test_folder(), 1);
    setenv("TMPDIR", test_folder(), 1);
    const pid_t starter = fork();
    cr_assert(ge(int, starter, 0));
    if (starter == 0) _exit(turn(program) == MODA_OK);
    const pid_t child = pid_in("pid");
    cr_assert(lt(int, 0, child), "it did not start");
    cr_assert(eq(sz, folders_left(), 1));
    int how;
    kill(starter, number);
    cr_assert(eq(int, waitpid(starter, &how, 0), starter));
    cr_assert(eq(int, WIFSIGNALED(how) ? WTERMSIG(how) : 0, number));
    const bool gone = process_becomes_gone(child);
    if (!gone) kill(child, SIGKILL);
    cr_assert(eq(int, gone, true), "it runs on after %s", strsignal(number));
    /* Nobody can tidy up after SIGKILL. */
    if (number != SIGKILL) cr_assert(eq(sz, folders_left(), 0));
}

Test(bench_turn, sigterm_ends_both)
{
    signal_ends_both(SIGTERM);
}

Test(bench_turn, sigint_ends_both)
{
    signal_ends_both(SIGINT);
}

Test(bench_turn, sigkill_ends_both)
{
    signal_ends_both(SIGKILL);
}

static void command_ends_its_turn(const char *arguments)
{
    char command[1024];
    snprintf(command, sizeof command, "exec '%s' %s --quiet >/dev/null 2>&1 </dev/null",
             MODA_PROGRAM, arguments);
    setenv("TMPDIR", test_folder(), 1);
    const pid_t starter = fork();
    cr_assert(ge(int, starter, 0));
    if (starter == 0) {
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    pid_t child = 0;
    for (int tries = 0; tries < 3000 && !child; tries++) {
        child = process_child(starter);
        usleep(10000);
    }
    cr_assert(lt(int, 0, child), "no turn of %s", arguments);
    int how;
    kill(starter, SIGTERM);
    cr_assert(eq(int, waitpid(starter, &how, 0), starter));
    cr_assert(eq(int, WIFSIGNALED(how) ? WTERMSIG(how) : 0, SIGTERM), "%s", arguments);
    cr_assert(eq(int, process_becomes_gone(child), true), "the turn of %s runs on", arguments);
    cr_assert(eq(sz, folders_left(), 0), "%s", arguments);
}

Test(bench_turn, every_command_ends_its_turn)
{
    command_ends_its_turn("bench step --model lenet5 --batch-size 16 --seconds 1000 --rounds 2");
    command_ends_its_turn("bench numa --model lenet5 --batch-size 16 --seconds 1000 --rounds 2");
    command_ends_its_turn("scale --model lenet5 --batch-size 16 --steps 5000 --threads 1");
    /* Which has a folder of its own around those of its turns. One thread: on a busy machine the probe of
     * several takes long. */
    command_ends_its_turn("nightly --only learn.synthetic --threads 1 --bind none --history "
                          "\"$TMPDIR/h.jsonl\"");
}

/* ---- the program ---- */

#define TINY "--model lenet5 --quiet --threads 1 "

Test(bench_turn, steps_are_counted)
{
    const char *out = program_must("bench turn " TINY "--batch-size 4 --steps 3 --json s.json").out;
    json_t *json = program_json("s.json");
    char median[32];
    const double seconds = json_number_value(json_object_get(json, "median_seconds"));
    cr_assert(eq(sz, json_array_size(json_object_get(json, "seconds")), 3));
    cr_assert(lt(dbl, 0, seconds));
    snprintf(median, sizeof median, "%.3f", 1e3 * seconds);
    cr_assert(strstr(out, median) && strstr(out, "lenet5"), "%s: %s", median, out);
    cr_assert(ne(int, json_is_null(json_object_get(json, "events")),
                 json_is_null(json_object_get(json, "not_counted"))));
    cr_assert(eq(ptr, json_object_get(json, "profile"), NULL));
    json_decref(json);
    /* More steps than different images. */
    program_must("bench turn " TINY "--batch-size 4 --method standard --steps 20 --json s.json");
    json = program_json("s.json");
    cr_assert(eq(sz, json_array_size(json_object_get(json, "seconds")), 20));
    json_decref(json);
}

/* Work is counted the same way whether parts are timed or not. */
Test(bench_turn, a_profile_changes_no_work)
{
    program_must("bench turn " TINY "--batch-size 4 --steps 3 --json a.json");
    program_must("bench turn " TINY "--batch-size 4 --steps 3 --profile --json b.json");
    json_t *a = program_json("a.json"), *b = program_json("b.json"), *part;
    double flops = 0;
    size_t i;
    json_array_foreach(json_object_get(json_object_get(b, "profile"), "parts"), i, part) flops +=
        json_number_value(json_object_get(part, "flops"));
    cr_assert(lt(dbl, 1e6, flops));
    cr_assert(epsilon_eq(dbl, moda_turn_number(a, "flops"), flops, 1e-9 * flops));
    cr_assert(eq(dbl, moda_turn_number(a, "flops"), moda_turn_number(b, "flops")));
    cr_assert(eq(dbl, moda_turn_number(a, "bytes"), moda_turn_number(b, "bytes")));
    cr_assert(eq(dbl, moda_turn_number(a, "memory_bytes"), moda_turn_number(b, "memory_bytes")));
    cr_assert(lt(dbl, moda_turn_number(a, "memory_bytes"), moda_turn_number(a, "resident_bytes")));
    json_decref(a);
    json_decref(b);
}

/* Entries as text, in the order of the file. */
static char *choices(const char *name)
{
    json_t *json = program_json(name);
    char *text = json_dumps(json_object_get(json, "tuning"), JSON_INDENT(1));
    cr_assert(ne(ptr, text, NULL), "%s", name);
    json_decref(json);
    return text;
}

Test(bench_turn, choices_of_a_turn_are_another_ones)
{
    program_must("bench turn " TINY "--batch-size 4 --steps 2 --precision auto --json a.json");
    char *first = choices("a.json");
    cr_assert(lt(sz, 100, strlen(first)), "%s", first);
    /* Seconds that no machine measures: they were taken over and not measured. */
    char *place = strstr(first, "\"seconds\": ");
    cr_assert(ne(ptr, place, NULL), "%s", first);
    json_error_t error;
    json_t *spoiled = json_loads(first, 0, &error);
    json_object_set_new(json_array_get(spoiled, 0), "seconds", json_real(4711));
    cr_assert(eq(int, json_dump_file(spoiled, test_path("t.json"), JSON_INDENT(1)), 0));
    program_must("bench turn " TINY
                 "--steps 2 --precision auto --batch-size 8 --tuning t.json --json b.json");
    char *second = choices("b.json"), *want = json_dumps(spoiled, JSON_INDENT(1));
    cr_assert(eq(str, second, want));
    free(first);
    free(second);
    free(want);
    json_decref(spoiled);
    test_write("t.json", "[{\"algorithm\": \"magic\"}]");
    program_must_fail(1, "no choice of a tuning",
                      "bench turn " TINY "--precision auto --tuning t.json");
}

/* Nothing that is no list counts as a list without entries. */
Test(bench_turn, what_is_no_list_of_choices_is_refused)
{
    program_must("bench turn " TINY "--batch-size 4 --steps 2 --json whole.json");
    program_must_fail(1, "whole.json: no list of choices",
                      "bench turn " TINY "--tuning whole.json");
    test_write("empty.json", "[]");
    program_must_fail(2, "empty.json has no choices",
                      "bench turn " TINY "--precision auto --tuning empty.json");
    program_must("bench turn " TINY "--batch-size 4 --steps 2 --tuning empty.json");
}

/* Where there is nothing to choose later turns do as the first did. */
Test(bench_turn, a_network_without_choices_is_measured_in_auto)
{
    test_write("flat.net", "[net]\ninput=3 8 8\n[linear]\nname=a\noutputs=classes\n");
    program_must("bench step --model flat.net --method standard --precision auto --threads 1 "
                 "--batch-size 4 --seconds 0.02 --rounds 2 --quiet --json s.json");
    json_t *json = program_json("s.json");
    const json_t *row = json_array_get(json_object_get(json, "rows"), 0);
    cr_assert(eq(sz, json_array_size(json_object_get(row, "tuning")), 0));
    cr_assert(lt(int, 5, (int)json_integer_value(json_object_get(row, "calls"))), "one turn only");
    json_decref(json);
}

/* Images of 24x24, 3 classes: the network is made for them; a batch is never cut. */
Test(bench_turn, named_images_are_taken)
{
    test_write("open.net", "[net]\n[conv]\nname=c\noutputs=4\nkernel=3\n[relu]\n"
                           "[linear]\nname=fc\noutputs=classes\n");
    program_must("bench turn --model open.net --quiet --threads 1 --batch-size 8 --steps 6 --json "
                 "a.json --data synthetic:classes=3,channels=1,size=24,train=20,test=4");
    program_must("bench turn --model open.net --quiet --threads 1 --batch-size 8 --steps 6 --json "
                 "b.json");
    json_t *a = program_json("a.json"), *b = program_json("b.json");
    cr_assert(eq(sz, json_array_size(json_object_get(a, "seconds")), 6));
    cr_assert(lt(dbl, moda_turn_number(a, "flops"), moda_turn_number(b, "flops") / 2));
    json_decref(a);
    json_decref(b);
    program_must_fail(2, "fewer than a batch of 21",
                      "bench turn --model open.net --quiet --threads 1 --batch-size 21 "
                      "--data synthetic:classes=3,channels=1,size=24,train=20,test=4");
}

Test(bench_turn, every_method_is_trained)
{
    double bytes[3];
    test_write("two.net", "[net]\ninput=3 8 8\n[conv]\nname=c\noutputs=4\nkernel=3\npadding=1\n"
                          "[batchnorm]\nname=cn\n[relu]\n[conv]\nname=d\noutputs=8\nkernel=3\n"
                          "[batchnorm]\nname=dn\n[relu]\n[linear]\nname=fc\noutputs=classes\n");
    for (int m = MODA_METHOD_STANDARD; m <= MODA_METHOD_MWT; m++) {
        program_must("bench turn --model two.net --quiet --threads 1 --batch-size 8 --steps 3 "
                     "--tune off --method %s --profile --json s.json",
                     moda_method_names[m]);
        json_t *json = program_json("s.json");
        cr_assert(eq(str, (char *)json_string_value(json_object_get(json, "method")),
                     (char *)moda_method_names[m]));
        bytes[m] = moda_turn_number(json, "bytes");
        json_decref(json);
    }
    cr_assert(bytes[0] < bytes[1] && bytes[1] < bytes[2], "%g %g %g", bytes[0], bytes[1], bytes[2]);
}

Test(bench_turn, wrong_calls_say_what_to_do)
{
    program_must_fail(2, "--model is missing", "bench turn");
    program_must_fail(2, "'nosuch'", "bench turn --model nosuch --quiet");
    program_must_fail(2, "--tune off switches off",
                      "bench turn " TINY "--precision auto --tune off");
    program_must_fail(2, "nothing to mask", "bench turn " TINY "--method mwt");
    program_must_fail(2, "--steps", "bench turn " TINY "--batch-size 4 --steps 1");
    test_write("flat.net", "[net]\ninput=3 8 16\n[linear]\nname=a\noutputs=classes\n");
    program_must_fail(2, "square", "bench turn --model flat.net --quiet");
}
