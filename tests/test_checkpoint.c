/* tests/test_checkpoint.c - engine/checkpoint.h: a training that stops anywhere and goes on from
 * its file ends in the same bits; what is damaged is seen; the folder keeps what it should. */
#include "base/file.h"
#include "base/isa.h"
#include "base/log.h"
#include "engine/checkpoint.h"
#include "tests/capture.h"
#include "tests/small_net.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <fcntl.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void quiet(void)
{
    moda_log_set_level(MODA_LOG_WARNING);
    omp_set_num_threads(1); /* threads have nothing to do with files */
}

TestSuite(checkpoint, .init = quiet, .fini = test_folder_remove, .timeout = 60);

/* Batch norm and branches: statistics count, too. */
static const char body[] =
    "[conv];name=a;outputs=16;kernel=3;padding=1;bias=no;[batchnorm];name=an;"
    "[relu];name=ar;[conv];name=b;outputs=16;kernel=3;padding=1;[add];"
    "from=b,ar;[relu];[avgpool];kernel=global;[linear];name=c;outputs=4";
/* Epochs of 4 + 4 + 2 samples, tests of 4 + 3. */
static const moda_train_options usual = {.epochs = 2,
                                         .batch_size = 4,
                                         .sgd = {0.05, 0.9, 1e-3},
                                         .modular = true,
                                         .weights = {1, 1, 0.3},
                                         .augment = true,
                                         .shuffle = true,
                                         .crop_padding = 1,
                                         .seed = 1};
enum { STEPS = 6, QUESTIONS = STEPS + 2 * 2 };

static void must(moda_status st)
{
    cr_assert(eq(int, st, MODA_OK), "%s", moda_last_error());
}

/* A training, and what it said. */
typedef struct subject {
    moda_dataset *data;
    moda_model *model;
    moda_trainer *trainer;
    size_t questions, stop_at; /* the question that is answered with yes, from 1; 0: none */
    moda_train_record epochs[2];
    size_t count;
} subject;

static bool stop(void *user)
{
    subject *s = user;
    return ++s->questions == s->stop_at;
}

static moda_status on_epoch(void *user, const moda_train_record *r)
{
    subject *s = user;
    cr_assert(le(sz, r->epoch, 2));
    s->epochs[r->epoch - 1] = *r;
    s->count++;
    return MODA_OK;
}

static subject create(moda_train_options o, uint64_t values)
{
    subject s = {0};
    must(moda_dataset_open("synthetic:classes=4,channels=3,size=8,train=10,test=7", NULL, &s.data));
    s.model = small_model("3 8 8", body, values);
    must(moda_model_describe_data(s.model, s.data));
    must(moda_trainer_create(s.model, s.data, &o, &s.trainer));
    return s;
}

static void destroy(subject *s)
{
    moda_trainer_destroy(s->trainer);
    moda_model_destroy(s->model);
    moda_dataset_destroy(s->data);
}

static moda_status run(subject *s)
{
    return moda_trainer_run(s->trainer,
                            (moda_train_events){.user = s, .epoch = on_epoch, .stop = stop});
}

static const char *folder(void)
{
    return test_path("checkpoints");
}

static bool newest(size_t *step)
{
    bool found;
    must(moda_checkpoint_newest(folder(), step, &found));
    return found;
}

/* "There is none" would have a run begin anew over the one that lies there. */
Test(checkpoint, a_folder_that_cannot_be_listed_is_not_an_empty_one)
{
    size_t step;
    bool found;
    char name[300];
    memset(name, 'a', sizeof name - 1), name[sizeof name - 1] = 0; /* longer than a name may be */
    cr_assert(eq(int, moda_checkpoint_newest(test_path(name), &step, &found), MODA_ERR_IO));
    cr_assert(eq(int, found, false));
}

static moda_checkpoint_info info_of(const subject *s)
{
    return (moda_checkpoint_info){.position = moda_trainer_position(s->trainer),
                                  .metrics_bytes = 17,
                                  .steps_bytes = 23,
                                  .data = moda_checkpoint_data(s->data),
                                  .machine = moda_tuning_machine_here(2)};
}

static void write_one(const subject *s, size_t keep)
{
    const moda_checkpoint_info info = info_of(s);
    must(moda_checkpoint_write(folder(), keep, s->trainer, s->model, &info));
}

static void write_and_destroy(subject *s)
{
    write_one(s, 2);
    destroy(s);
}

static float *momentum_of(const subject *s)
{
    float *m = malloc(s->model->parameters.elements * sizeof *m);
    must(moda_trainer_momentum(s->trainer, m));
    return m;
}

/* ---- the same bits ---- */

static void check_same(const subject *got, const subject *want, size_t at)
{
    const size_t bytes = want->model->parameters.elements * sizeof(float);
    float *a = momentum_of(got), *b = momentum_of(want), zero = 0;
    for (size_t i = 0; i < want->model->parameters.elements; i++) zero += b[i] != 0;
    cr_assert(lt(flt, 100, zero), "no momentum: this proves nothing");
    cr_assert(eq(int, memcmp(a, b, bytes), 0), "momentum differs, stopped at %zu", at);
    cr_assert(eq(int, memcmp(got->model->values, want->model->values, bytes), 0),
              "values differ, stopped at %zu", at);
    cr_assert(lt(sz, 0, got->count));
    for (size_t i = 2 - got->count; i < 2; i++) {
        const moda_train_record *x = &got->epochs[i], *y = &want->epochs[i];
        cr_assert(eq(sz, x->steps, y->steps));
        cr_assert(eq(dbl, x->loss, y->loss), "epoch %zu, stopped at %zu", i, at);
        cr_assert(eq(dbl, x->train_accuracy, y->train_accuracy));
        cr_assert(eq(dbl, x->test_accuracy, y->test_accuracy));
        cr_assert(eq(sz, x->batches_without_same, y->batches_without_same));
        cr_assert(eq(int, memcmp(&x->compactness, &y->compactness, sizeof(double)), 0));
    }
    free(a), free(b);
}

/* Stopped at every question: each step, each batch of the tests. */
static void stop_everywhere(moda_train_options o)
{
    subject whole = create(o, 4);
    must(run(&whole));
    cr_assert(eq(sz, whole.questions, QUESTIONS));
    cr_assert(eq(sz, whole.count, 2));
    for (size_t at = 1; at <= QUESTIONS; at++) {
        subject first = create(o, 4);
        moda_checkpoint *c;
        first.stop_at = at;
        cr_assert(eq(int, run(&first), MODA_STOPPED), "question %zu", at);
        write_and_destroy(&first);
        subject second = create(o, 5); /* other values: all of them must come from the file */
        must(moda_checkpoint_open_newest(folder(), &c));
        cr_assert(eq(sz, moda_checkpoint_get(c)->metrics_bytes, 17));
        cr_assert(eq(sz, moda_checkpoint_get(c)->steps_bytes, 23));
        cr_assert(eq(int, moda_checkpoint_get(c)->data, moda_checkpoint_data(second.data)));
        must(moda_checkpoint_restore(c, second.model, second.trainer));
        moda_checkpoint_close(c);
        must(run(&second));
        check_same(&second, &whole, at);
        destroy(&second);
        must(moda_checkpoint_remove(folder()));
    }
    destroy(&whole);
}

Test(checkpoint, same_bits_with_modular_losses)
{
    stop_everywhere(usual);
}

Test(checkpoint, same_bits_in_standard_training)
{
    moda_train_options o = usual;
    o.modular = false;
    stop_everywhere(o);
}

Test(checkpoint, same_bits_in_bf16)
{
    moda_train_options o = usual;
    o.precision = MODA_PRECISION_BF16;
    if (moda_cpu_has_bf16()) stop_everywhere(o);
}

/* ---- damage ---- */

typedef struct bytes {
    unsigned char *data;
    size_t n;
} bytes;

static bytes read_all(const char *path)
{
    moda_mapped_file f = {0};
    must(moda_file_map(path, &f));
    const bytes b = {malloc(f.size), f.size};
    memcpy(b.data, f.data, f.size);
    moda_file_unmap(&f);
    return b;
}

static void write_all(const char *path, const unsigned char *data, size_t n)
{
    FILE *f = fopen(path, "wb");
    cr_assert(f != NULL);
    cr_assert(eq(sz, fwrite(data, 1, n, f), n));
    cr_assert(eq(int, fclose(f), 0));
}

static void must_be_refused(const char *path, size_t byte)
{
    moda_checkpoint *c = NULL;
    const moda_status st = moda_checkpoint_open(path, &c);
    cr_assert(eq(int, st, MODA_ERR_FORMAT), "byte %zu: %s", byte, moda_last_error());
    cr_assert(eq(ptr, c, NULL));
    cr_assert(strstr(moda_last_error(), "damaged.safetensors") != NULL, "%s", moda_last_error());
}

/* A bit of every byte of the header and of every 13th behind it; lengths 97 bytes apart. */
Test(checkpoint, damage_is_seen)
{
    subject s = create(usual, 4);
    s.stop_at = 3;
    cr_assert(eq(int, run(&s), MODA_STOPPED));
    write_and_destroy(&s);
    const bytes b = read_all(test_path("checkpoints/step-000000002.safetensors"));
    char path[512];
    snprintf(path, sizeof path, "%s", test_path("damaged.safetensors"));
    size_t header = 0;
    memcpy(&header, b.data, 8);
    cr_assert(lt(sz, header, b.n));
    write_all(path, b.data, b.n);
    const int fd = open(path, O_WRONLY);
    for (size_t i = 0; i < b.n; i += i < header + 8 ? 1 : 13) {
        const unsigned char bad = b.data[i] ^ (unsigned char)(1 << i % 8);
        cr_assert(eq(int, (int)pwrite(fd, &bad, 1, (off_t)i), 1));
        must_be_refused(path, i);
        cr_assert(eq(int, (int)pwrite(fd, &b.data[i], 1, (off_t)i), 1));
    }
    for (size_t n = b.n; n > 97; n -= 97) {
        cr_assert(eq(int, ftruncate(fd, (off_t)n - 1), 0));
        must_be_refused(path, n - 1);
    }
    close(fd);
    write_all(path, b.data, b.n); /* and whole again it is fine */
    moda_checkpoint *c;
    must(moda_checkpoint_open(path, &c));
    moda_checkpoint_close(c);
    free(b.data);
}

/* ---- the folder ---- */

static void flip_in(const char *path)
{
    const bytes b = read_all(path);
    b.data[b.n - 5] ^= 16;
    write_all(path, b.data, b.n);
    free(b.data);
}

static size_t newest_whole(void)
{
    moda_checkpoint *c;
    must(moda_checkpoint_open_newest(folder(), &c));
    const size_t steps = c ? moda_checkpoint_get(c)->position.steps : 0;
    moda_checkpoint_close(c);
    return steps;
}

/* Checkpoints of the steps that stop_at allows. */
static void write_steps(subject *s, size_t keep)
{
    for (size_t i = 0; i < 3; i++) {
        s->questions = 0, s->stop_at = 2; /* a step each */
        cr_assert(eq(int, run(s), MODA_STOPPED));
        write_one(s, keep);
    }
}

Test(checkpoint, the_one_before_a_damaged_one)
{
    subject s = create(usual, 4);
    moda_checkpoint *c;
    size_t step;
    cr_assert(eq(sz, newest_whole(), 0), "no folder");
    cr_assert(not(newest(&step)), "no folder");
    write_steps(&s, 3);
    cr_assert(eq(sz, newest_whole(), 3));
    moda_log_set_level(MODA_LOG_ERROR);
    flip_in(test_path("checkpoints/step-000000003.safetensors"));
    cr_assert(eq(sz, newest_whole(), 2));
    write_all(test_path("checkpoints/step-000000002.safetensors"), (const unsigned char *)"", 0);
    cr_assert(eq(sz, newest_whole(), 1));
    flip_in(test_path("checkpoints/step-000000001.safetensors"));
    cr_assert(eq(int, moda_checkpoint_open_newest(folder(), &c), MODA_ERR_FORMAT));
    cr_assert(eq(ptr, c, NULL));
    cr_assert(strstr(moda_last_error(), "no checkpoint is whole") != NULL, "%s", moda_last_error());
    destroy(&s);
}

#define HALF "checkpoints/step-000000009.safetensors.moda-1234abcd-77-1.tmp"

Test(checkpoint, the_last_few_are_kept)
{
    subject s = create(usual, 4);
    write_steps(&s, 2);
    cr_assert(not(moda_is_file(test_path("checkpoints/step-000000001.safetensors"))), "3 of 2");
    cr_assert(eq(sz, newest_whole(), 3));
    /* what claims to be of later steps is of a run that this one does not go on with */
    write_all(test_path("checkpoints/step-000000099.safetensors"), (const unsigned char *)"x", 1);
    test_write_old(HALF, "x");
    write_all(test_path("checkpoints/notes.txt"), (const unsigned char *)"x", 1);
    size_t step = 0;
    cr_assert(newest(&step));
    cr_assert(eq(sz, step, 99));
    write_one(&s, 1);
    cr_assert(newest(&step));
    cr_assert(eq(sz, step, 3));
    cr_assert(not(moda_is_file(test_path("checkpoints/step-000000002.safetensors"))), "2 of 1");
    cr_assert(not(moda_is_file(test_path(HALF))), "a half");
    must(moda_checkpoint_remove(folder()));
    cr_assert(moda_is_file(test_path("checkpoints/notes.txt")), "another's file is gone");
    cr_assert(not(newest(&step)), "not removed");
    destroy(&s);
}

/* A folder that cannot be made is an error, and harms nothing. */
Test(checkpoint, a_folder_that_is_a_file)
{
    subject s = create(usual, 4);
    const moda_checkpoint_info info = info_of(&s);
    test_write("checkpoints", "x");
    cr_assert(eq(int, moda_checkpoint_write(folder(), 2, s.trainer, s.model, &info), MODA_ERR_IO));
    must(run(&s));
    destroy(&s);
}

/* Tensors of another network, and positions that a training cannot be at. */
Test(checkpoint, of_another_training)
{
    subject s = create(usual, 4);
    moda_train_options o = usual;
    moda_checkpoint *c;
    write_steps(&s, 1);
    must(moda_checkpoint_open_newest(folder(), &c));
    o.batch_size = 5; /* two steps per epoch */
    subject other = create(o, 4);
    cr_assert(eq(int, moda_checkpoint_restore(c, other.model, other.trainer), MODA_ERR_FORMAT));
    cr_assert(strstr(moda_last_error(), "step-000000003") != NULL, "%s", moda_last_error());
    destroy(&other);
    moda_checkpoint_close(c);
    destroy(&s);
}
