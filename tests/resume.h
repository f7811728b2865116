/* tests/resume.h - runs of moda train that are stopped, and compared with one that never was. */
#ifndef MODA_TESTS_RESUME_H
#define MODA_TESTS_RESUME_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A small network with batch norms (small.net), epochs of 3 steps, the last one smaller;
 * checkpoints every 2 steps. RESUME_USUAL completes it: 30 epochs on a thread. */
#define RESUME_DATA "synthetic:classes=4,channels=1,size=8,train=40,test=12"
#define RESUME_RUN                                                                           \
    "train --model small.net --data " RESUME_DATA " --tune off --batch-size 16 --log-steps " \
    "--keep-epochs 1,29 --checkpoint-steps 2 --quiet "
#define RESUME_USUAL "--threads 1 --epochs 30 "
/* Writes small.net. The test's folder is in memory where there is /dev/shm: so many checkpoints
 * would wait for a busy disk for minutes. */
void resume_prepare(void);

/* RESUME_RUN and further words (separated by blanks) in the background. */
pid_t resume_start(const char *words);
/* Waits until a file of the test's folder has this many lines; false if the process ended first. */
bool resume_await_lines(const char *name, size_t lines, pid_t process);
/* RESUME_RUN and words, in `part`, in the background, some steps after this one. One that is done
 * before it can be disturbed is started again. */
pid_t resume_start_one(const char *words, size_t step);
/* That run, stopped by a signal of this name. */
enum { RESUME_STOPPED = 75 }; /* its exit code */
void resume_stop_one(const char *words, int signal, const char *name);
/* Fails the test unless both folders hold the same run: models of the end and of chosen epochs
 * byte for byte, metrics and steps but for times; and nothing else than files of a run that is
 * done. */
void resume_same(const char *got, const char *want);
/* Whether a step is recorded under the folder's checkpoints. */
bool resume_has_checkpoint(const char *folder);

#endif
