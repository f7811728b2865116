/* tests/test_step.c - the training loop allocates nothing, creates no primitive and opens no file once
 * it runs: the C library's and oneDNN's entry points are wrapped here and count calls that come from
 * moda's own code while the wrappers are armed. */
#include "base/log.h"
#include "engine/trainer.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dlfcn.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>

/* A sanitizer has wrappers of its own in these places. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

TestSuite(step, .timeout = 300);

static _Atomic int armed, allocations, primitives, files;

/* Not inlined here: the return address tells who called. */
#define WRAPPER __attribute__((noinline))

/* Where the program's own code lies (the linker says): libraries may do as they like. */
extern const char __executable_start, etext;
static bool from_moda(const void *caller)
{
    return (const char *)caller >= &__executable_start && (const char *)caller < &etext;
}
#define COUNT(counter)                                                    \
    do {                                                                  \
        if (armed && from_moda(__builtin_return_address(0))) (counter)++; \
    } while (0)

extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

WRAPPER void *malloc(size_t n)
{
    COUNT(allocations);
    return __libc_malloc(n);
}

WRAPPER void *calloc(size_t n, size_t size)
{
    COUNT(allocations);
    return __libc_calloc(n, size);
}

WRAPPER void *realloc(void *p, size_t n)
{
    COUNT(allocations);
    return __libc_realloc(p, n);
}

WRAPPER void *aligned_alloc(size_t alignment, size_t n)
{
    COUNT(allocations);
    return __libc_memalign(alignment, n);
}

WRAPPER dnnl_status_t dnnl_primitive_create(dnnl_primitive_t *primitive,
                                            const_dnnl_primitive_desc_t desc)
{
    typedef dnnl_status_t create(dnnl_primitive_t *, const_dnnl_primitive_desc_t);
    COUNT(primitives);
    create *real = (create *)dlsym(RTLD_NEXT, "dnnl_primitive_create");
    return real(primitive, desc);
}

WRAPPER FILE *fopen(const char *path, const char *mode)
{
    typedef FILE *open_file(const char *, const char *);
    COUNT(files);
    open_file *real = (open_file *)dlsym(RTLD_NEXT, "fopen");
    return real(path, mode);
}

enum { FIRST = 2, LAST = 11 }; /* steps between which nothing may happen */

static moda_status arm(void *user, const moda_train_record *r)
{
    (void)user;
    if (r->steps == FIRST) armed = 1;
    if (r->steps == LAST) armed = 0;
    return MODA_OK;
}

static void train(const char *network, bool modular)
{
    const moda_train_options options = {.epochs = 2, /* the second begins while armed */
                                        .batch_size = 8,
                                        .sgd = {0.01, 0.9, 0},
                                        .modular = modular,
                                        .weights = {1, 1, 0.3},
                                        .augment = true,
                                        .shuffle = true,
                                        .crop_padding = 4};
    moda_dataset *data = NULL;
    moda_net *net = NULL;
    moda_model *model = NULL;
    moda_trainer *trainer = NULL;
    cr_assert(eq(int, moda_dataset_open("synthetic:train=44,test=0", NULL, &data), MODA_OK), "%s",
              moda_last_error());
    const moda_net_defaults defaults = {{3, 32, 32}, data->classes};
    cr_assert(eq(int, moda_net_open(network, defaults, &net), MODA_OK));
    cr_assert(eq(int, moda_model_create(net, &model), MODA_OK));
    moda_model_init(model, 0);
    cr_assert(eq(int, moda_model_describe_data(model, data), MODA_OK));
    cr_assert(eq(int, moda_trainer_create(model, data, &options, &trainer), MODA_OK));
    cr_assert(eq(int, moda_trainer_run(trainer, (moda_train_events){.step = arm}), MODA_OK), "%s",
              moda_last_error());
    moda_trainer_destroy(trainer);
    moda_model_destroy(model);
    moda_dataset_destroy(data);
    cr_assert(all(zero(int, allocations), zero(int, primitives), zero(int, files)),
              "%s, %s: %d allocations, %d primitives, %d files", network,
              modular ? "moda" : "standard", allocations, primitives, files);
}

Test(step, allocates_and_creates_nothing)
{
    moda_log_set_level(MODA_LOG_WARNING);
    train("lenet5", false);
    train("lenet5", true);
    train("vgg11", true);
}

Test(step, wrappers_do_count)
{
    armed = 1;
    void *volatile p = malloc(1); /* volatile: not optimised away */
    FILE *volatile f = fopen("/dev/null", "r");
    armed = 0;
    free(p);
    (void)f; /* left open: closing what a wrapper opened is a warning */
    cr_assert(all(eq(int, allocations, 1), eq(int, files, 1)), "%d allocations, %d files",
              allocations, files);
}

#endif
