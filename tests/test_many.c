/* tests/test_many.c - four trainings at the same time, which begin with one empty cache of tuning and of
 * decoded pictures: each gives the bytes that it gives alone. */
#include "base/file.h"
#include "tests/capture.h"
#include "tests/pictures.h"
#include "tests/program.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

TestSuite(many, .fini = test_folder_remove, .timeout = 300);

enum { JOBS = 4, CLASSES = 4, PER_CLASS = 8, SIDE = 40 };
#define TRAIN "train --model lenet5 --epochs 2 --batch-size 8 --quiet "
/* Two that read the same pictures through one file of the cache, two that need the same measurements;
 * two use every core, as four people on a small machine would. */
static const char *const jobs[JOBS] = {
    TRAIN "--data folder:pictures --image-size 32 --threads $THREADS --seed 3 --method moda",
    TRAIN "--data folder:pictures --image-size 32 --threads 1 --seed 4 --method standard",
    TRAIN
    "--data synthetic:classes=4,train=32,test=8 --threads $THREADS --seed 3 --method standard",
    TRAIN "--data synthetic:classes=4,train=32,test=8 --threads 1 --seed 5 --method moda",
};

static void draw_pictures(void)
{
    static const char *const folders[] = {"pictures", "pictures/train", "pictures/test"};
    uint8_t pixels[SIDE * SIDE * 3];
    char name[64];
    for (int f = 0; f < 3; f++) mkdir(test_path(folders[f]), 0777);
    for (int split = 1; split < 3; split++)
        for (int i = 0; i < CLASSES * PER_CLASS; i++) {
            const int k = i % CLASSES;
            snprintf(name, sizeof name, "%s/%d", folders[split], k);
            mkdir(test_path(name), 0777);
            for (int p = 0; p < SIDE * SIDE * 3; p++)
                pixels[p] = (uint8_t)(50 * k + 7 * i + split + p / 3 % SIDE * (k + 1) / 2);
            snprintf(name, sizeof name, "%s/%d/%d.png", folders[split], k, i);
            write_rgb_png(test_path(name), SIDE, SIDE, pixels);
        }
}

/* All in the background of one shell, each into its own folder; then --version ends with exit code 0 only if every one
 * of them did. */
static void run_together(void)
{
    char *line = strdup("");
    for (int i = 0; i < JOBS; i++) {
        char *longer = moda_format("%s '" MODA_PROGRAM "' %s --out together%d 2>>said & p%d=$!; ",
                                   line, jobs[i], i, i);
        cr_assert(ne(ptr, longer, NULL));
        free(line);
        line = longer;
    }
    char *all = moda_format("%s for p in $p0 $p1 $p2 $p3; do wait $p || exit 9; done;", line);
    cr_assert(ne(ptr, all, NULL));
    const program_result r = program_run_after(all, "--version");
    char *said = test_read(test_path("said"));
    cr_assert(eq(int, r.code, 0), "a training failed: %s", said ? said : "");
    cr_assert(eq(str, said ? said : "", ""), "they had something to say: %s", said);
    free(said), free(line), free(all);
}

/* Names below a folder that hold the word. */
static size_t count_names(const char *folder, const char *word)
{
    size_t n = 0;
    DIR *d = opendir(folder);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.' && (!e->d_name[1] || e->d_name[1] == '.')) continue;
        char *path = moda_format("%s/%s", folder, e->d_name);
        cr_assert(ne(ptr, path, NULL));
        n += strstr(e->d_name, word) != NULL;
        if (moda_is_directory(path)) n += count_names(path, word);
        free(path);
    }
    if (d) closedir(d);
    return n;
}

Test(many, trainings_at_once_do_as_each_alone)
{
    draw_pictures();
    run_together();
    const char *cache = getenv("XDG_CACHE_HOME");
    cr_assert(cache != NULL);
    cr_assert(eq(sz, count_names(cache, "tuning.json.lock"), 1));
    cr_assert(eq(sz, count_names(cache, ".tmp"), 0), "temporary files are left");
    for (int i = 0; i < JOBS; i++) {
        char together[64], alone[64];
        snprintf(together, sizeof together, "together%d/model.safetensors", i);
        snprintf(alone, sizeof alone, "alone%d/model.safetensors", i);
        program_must("%s --out alone%d", jobs[i], i);
        cr_assert(program_same(together, alone), "job %d: other bytes than alone", i);
        cr_assert(i == 0 || !program_same(together, "together0/model.safetensors"),
                  "job %d is job 0: this proves nothing", i);
    }
}
