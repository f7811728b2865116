/* tests/processes.c */
#include "tests/processes.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A file of a process as text; empty if it is gone. */
static void read_about(const char *process, const char *name, char *text, size_t size)
{
    char path[300];
    snprintf(path, sizeof path, "/proc/%s/%s", process, name);
    FILE *f = fopen(path, "r");
    const size_t n = f ? fread(text, 1, size - 1, f) : 0;
    text[n] = 0;
    if (f) fclose(f);
}

pid_t process_child(pid_t parent)
{
    pid_t found = 0;
    DIR *all = opendir("/proc");
    cr_assert(ne(ptr, all, NULL));
    for (struct dirent *e; !found && (e = readdir(all));) {
        char text[512];
        int of = 0;
        if (*e->d_name < '1' || *e->d_name > '9') continue;
        read_about(e->d_name, "stat", text, sizeof text);
        const char *name_end = strrchr(text, ')');
        if (name_end && sscanf(name_end + 2, "%*c %d", &of) == 1 && of == parent)
            found = (pid_t)atoi(e->d_name);
    }
    closedir(all);
    return found;
}

bool process_is_gone(pid_t process)
{
    char number[24], text[512];
    snprintf(number, sizeof number, "%d", (int)process);
    read_about(number, "stat", text, sizeof text);
    const char *state = strrchr(text, ')');
    return !state || state[2] == 'Z' || state[2] == 'X';
}

bool process_becomes_gone(pid_t process)
{
    for (int tries = 0; tries < 3000 && !process_is_gone(process); tries++) usleep(10000);
    return process_is_gone(process);
}

bool process_owes(pid_t process, int signal)
{
    static const char *const sets[] = {"\nSigPnd:", "\nShdPnd:"}; /* of the thread, of all */
    char number[24], text[4096];
    bool owes = false;
    snprintf(number, sizeof number, "%d", (int)process);
    read_about(number, "status", text, sizeof text);
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        const char *set = strstr(text, sets[i]);
        if (set) owes |= strtoull(set + strlen(sets[i]), NULL, 16) >> (signal - 1) & 1;
    }
    return owes;
}
