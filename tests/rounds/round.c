/* tests/rounds/round.c - the commands of moda, called as moda.c calls them. */
#include "tests/rounds/round.h"
#include "base/isa.h"
#include "decompose/commands.h"
#include "engine/commands.h"
#include "engine/method.h"
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Residual blocks with and without a convolution on the short way, a depthwise convolution, pools
 * after ReLU, a first layer of three channels, sides that no vector divides. */
static const char net[] =
    "[net]\nname = round\n"
    "[conv]\nname = a\noutputs = 16\nkernel = 3\npadding = 1\nbias = no\n"
    "[batchnorm]\nname = an\n[relu]\nname = ar\n"
    "[conv]\nname = b\noutputs = 16\nkernel = 3\npadding = 1\nbias = no\n"
    "[batchnorm]\nname = bn\n[relu]\n"
    "[conv]\nname = c\noutputs = 16\nkernel = 3\npadding = 1\nbias = no\n"
    "[batchnorm]\nname = cn\n[add]\nfrom = cn, ar\n[relu]\nname = cr\n"
    "[conv]\nname = d\noutputs = 24\nkernel = 3\nstride = 2\npadding = 1\nbias = no\n"
    "[batchnorm]\nname = dn\n[relu]\n"
    "[conv]\nname = e\noutputs = 24\nkernel = 3\npadding = 1\nbias = no\n"
    "[batchnorm]\nname = en\n"
    "[conv]\nname = f\noutputs = 24\nkernel = 1\nstride = 2\nbias = no\nfrom = cr\n"
    "[batchnorm]\nname = fn\n[add]\nfrom = en, fn\n[relu]\n"
    "[conv]\nname = g\noutputs = 24\nkernel = 3\npadding = 1\ngroups = depthwise\nbias = no\n"
    "[batchnorm]\nname = gn\n[relu]\n"
    "[conv]\nname = h\noutputs = 40\nkernel = 1\n[relu]\n[maxpool]\nkernel = 2\n"
    "[avgpool]\nkernel = 2\n"
    "[linear]\nname = i\noutputs = 33\n[relu]\n[linear]\nname = j\noutputs = classes\n";

#define DATA " --data synthetic:classes=5,channels=3,size=17,train=64,test=40 --quiet"

static void say(const char *what, const char *why)
{
    fprintf(stderr, "round: %s: %s\n", what, why);
    exit(EXIT_FAILURE);
}

/* Words of the line are argv; a command may permute, but does not keep them. */
static moda_status call(const moda_command *command, char *line)
{
    char *argv[48] = {(char *)command->name}, *rest = NULL;
    int argc = 1;
    for (char *word = strtok_r(line, " ", &rest); word && argc < 47;
         word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    return command->run(command, argc, argv);
}

static moda_status run(const moda_command *command, const char *format, va_list arguments)
{
    char line[1024];
    vsnprintf(line, sizeof line, format, arguments);
    return call(command, line);
}

__attribute__((format(printf, 3, 4))) static void must_give(moda_status want,
                                                            const moda_command *command,
                                                            const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const moda_status got = run(command, format, arguments);
    va_end(arguments);
    if (got != want) say(command->name, got ? moda_last_error() : "went well, but should not");
}

#define must(command, ...) must_give(MODA_OK, command, __VA_ARGS__)

__attribute__((format(printf, 2, 3))) static void must_fail(const moda_command *command,
                                                            const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    if (run(command, format, arguments) == MODA_OK) say(command->name, "went well, but should not");
    va_end(arguments);
}

static void write_file(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, n, f) != n || fclose(f) != 0) say(path, "cannot be written");
}

/* The first half of a model file, and all of it with one byte of its header changed. */
static void spoil(const char *path)
{
    FILE *f = fopen(path, "rb");
    static char bytes[1 << 20];
    const size_t n = f ? fread(bytes, 1, sizeof bytes, f) : 0;
    if (n < 100) say(path, "is too small");
    fclose(f);
    write_file("cut.safetensors", bytes, n / 2);
    bytes[20] ^= 0x40;
    write_file("damaged.safetensors", bytes, n);
}

static void train(size_t threads, const char *effort, const char *method, const char *precision,
                  const char *folder)
{
    must(&moda_command_train,
         "--model round.net --method %s --precision %s --batch-size 24 --out %s "
         "--log-steps --checkpoint-steps 2 --threads %zu %s" DATA,
         method, precision, folder, threads, effort);
}

/* The limit is over before the first step is. */
static void stop_and_resume(size_t threads, const char *effort)
{
    must_give(MODA_STOPPED, &moda_command_train,
              "--model round.net --out stopped --time-limit 1s --threads %zu %s" DATA, threads,
              effort);
    must(&moda_command_train, "--resume --out stopped --quiet --threads %zu", threads);
}

/* Modules of a model without masks of its own, and all that is done with them. */
static void take_apart(size_t threads)
{
    must(&moda_command_decompose,
         "moda/model.safetensors --tau 0.6 --json d.json --out parts --threads %zu" DATA, threads);
    must(&moda_command_compose, "parts --classes 0,2,3 --out three.safetensors --threads %zu",
         threads);
    must(&moda_command_eval, "three.safetensors --classes 0,3 --threads %zu" DATA, threads);
    must(&moda_command_reuse,
         "parts --standard standard/model.safetensors --json r.json --threads %zu" DATA, threads);
}

/* What else is done with modules. */
static void use_modules(size_t threads, const char *effort)
{
    must(&moda_command_decompose,
         "moda/model.safetensors --tau 0.3 --rates parts/rates.safetensors --out less --quiet");
    must(&moda_command_inspect, "parts --csv i.csv --threads %zu" DATA, threads);
    must(&moda_command_ablate, "parts --by layer --limit 16 --csv a.csv --threads %zu" DATA,
         threads);
    must(&moda_command_sweep, "parts --tau 0.3,0.8 --sample 2 --threads %zu" DATA, threads);
    must(&moda_command_replace,
         "--weak standard/model.safetensors --modules parts --class 2 --epochs 1 "
         "--out replaced.safetensors --threads %zu" DATA,
         threads);
    must(&moda_command_train,
         "--model round.net --method standard --out weak --classes 0,1,3,4 --relabel "
         "--threads %zu %s" DATA,
         threads, effort);
    must(&moda_command_add_class,
         "--weak weak/model.safetensors --modules parts --class 2 --strategy minmax "
         "--classes 0,1,3,4,2 --relabel --out added.safetensors --threads %zu" DATA,
         threads);
}

/* Modules of MwT, whose networks get heads that are trained. */
static void take_apart_mwt(size_t threads)
{
    must(&moda_command_decompose,
         "mwt/model.safetensors --tau 0.6 --out mwt-parts --threads %zu" DATA, threads);
    must(&moda_command_compose,
         "mwt-parts --classes 1,4 --head-epochs 1 --out two.safetensors --threads %zu" DATA,
         threads);
    must(&moda_command_eval, "two.safetensors --classes 1,4 --threads %zu" DATA, threads);
    must(&moda_command_reuse, "mwt-parts --sample 2 --head-epochs 1 --threads %zu" DATA, threads);
}

static void fail(size_t threads)
{
    spoil("moda/model.safetensors");
    must_fail(&moda_command_eval, "missing.safetensors --threads %zu" DATA, threads);
    must_fail(&moda_command_eval, "cut.safetensors --threads %zu" DATA, threads);
    must_fail(&moda_command_decompose, "damaged.safetensors --tau 0.6 --out none" DATA);
    must_fail(&moda_command_train, "--model round.net --no-such-option" DATA);
}

static void round_with(size_t threads, const char *effort, bool whole)
{
    /* What a round before measured is not measured again while these are there. */
    static const char *const known[] = {"parts/reuse.jsonl", "parts/sweep/tau-0.3.jsonl",
                                        "parts/sweep/tau-0.8.jsonl", "mwt-parts/reuse.jsonl"};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) remove(known[i]);
    write_file("round.net", net, sizeof net - 1);
    for (size_t i = 0; moda_method_names[i]; i++)
        train(threads, effort, moda_method_names[i], "f32", moda_method_names[i]);
    if (moda_cpu_has_bf16()) train(threads, effort, "moda", "bf16", "bf16");
    if (whole) stop_and_resume(threads, effort);
    must(&moda_command_eval, "moda/model.safetensors --logits l.safetensors --threads %zu" DATA,
         threads);
    take_apart(threads);
    if (whole) use_modules(threads, effort);
    if (whole) take_apart_mwt(threads);
    fail(threads);
}

void round_run(size_t threads)
{
    round_with(threads, "--epochs 2", true);
}

void round_once(size_t threads)
{
    round_with(threads, "--epochs 2", false);
}

void round_brief(size_t threads)
{
    round_with(threads, "--epochs 1 --tune off", false);
}
