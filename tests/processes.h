/* tests/processes.h - other processes, as /proc shows them. */
#ifndef MODA_TESTS_PROCESSES_H
#define MODA_TESTS_PROCESSES_H

#include <stdbool.h>
#include <sys/types.h>

/* A process whose parent is that one, 0: none. */
pid_t process_child(pid_t parent);
/* Neither running nor asleep; one that nobody has waited for yet does not count as there. */
bool process_is_gone(pid_t process);
/* Whether it is gone within half a minute. */
bool process_becomes_gone(pid_t process);
/* A signal that was sent to it and that it has not taken yet. */
bool process_owes(pid_t process, int signal);

#endif
