/* tests/teams.h - teams made by hand, for the tests of who gets which pages. */
#ifndef MODA_TESTS_TEAMS_H
#define MODA_TESTS_TEAMS_H

#include "numa/team.h"

extern const moda_team test_team_uneven; /* 3 + 0 + 5 + 1 threads on nodes 0, 4, 2 and 7 */
extern const moda_team test_team_even;   /* 2 + 2 on nodes 0 and 1 */
extern const moda_team test_team_alone;  /* 4 on node 0 */

/* Test pages of memory, of which none is there yet. Where huge pages are always used, touching
 * one page would bring others: not here. moda_memory_destroy() it. */
enum { TEST_PAGES = 1000 };
char *test_pages_create(void);

#endif
