/* tests/test_topology.c - numa/topology.h on machines that we do not have, and on this one. */
#include "numa/topology.h"
#include "numa/topology_internal.h"
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static moda_topology *t;

static void tear_down(void)
{
    moda_topology_destroy(t);
    t = NULL;
    test_folder_remove();
}

TestSuite(topology, .fini = tear_down, .timeout = 60);

static void synthetic(const char *text, const char *mask)
{
    moda_topology_destroy(t);
    t = NULL;
    cr_assert(eq(int, moda_topology_synthetic(text, mask, &t), MODA_OK), "%s", moda_last_error());
}

/* tests/data/four-nodes.xml (two packages of two nodes of two cores) with some text replaced. */
static void recorded(const char *const (*edits)[2], const char *mask)
{
    char *text = test_read(MODA_TEST_DATA "/data/four-nodes.xml");
    cr_assert(text != NULL);
    for (; *edits[0]; edits++) {
        char *at = strstr(text, edits[0][0]), *new = NULL;
        cr_assert(at != NULL, "'%s' is not in the file", edits[0][0]);
        *at = 0;
        cr_assert(asprintf(&new, "%s%s%s", text, edits[0][1], at + strlen(edits[0][0])) > 0);
        free(text);
        text = new;
    }
    const char *path = test_write("machine.xml", text);
    free(text);
    moda_topology_destroy(t);
    t = NULL;
    cr_assert(eq(int, moda_topology_xml(path, mask, &t), MODA_OK), "%s", moda_last_error());
}

/* "0:0+1,2+3 1:4": each node's number and its cores' units. */
static const char *shape(void)
{
    static char text[1024];
    size_t used = 0;
    for (size_t n = 0; n < moda_topology_nodes(t); n++) {
        const moda_node *node = moda_topology_node(t, n);
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%u:", n ? " " : "",
                                 node->os_index);
        for (size_t c = 0; c < node->cores; c++) {
            const moda_core *core = moda_topology_core(t, node->first_core + c);
            cr_assert(eq(sz, core->node, n));
            for (size_t u = 0; u < core->units; u++)
                used += (size_t)snprintf(text + used, sizeof text - used, "%s%u",
                                         u   ? "+"
                                         : c ? ","
                                             : "",
                                         core->unit[u]);
        }
    }
    return text;
}

#define SHAPE(wanted) cr_assert(eq(str, (char *)shape(), wanted))

Test(topology, two_nodes)
{
    synthetic("node:2 core:2 pu:2", NULL);
    SHAPE("0:0+1,2+3 1:4+5,6+7");
    cr_assert(eq(sz, moda_topology_cores(t), 4));
    cr_assert(eq(sz, moda_topology_units(t), 8));
    cr_assert(eq(u64, moda_topology_node(t, 1)->bytes, 1u << 30));
    cr_assert(moda_topology_node(t, 1)->allowed && !moda_topology_narrowed(t));
    cr_assert(moda_topology_core_of(t, 6) == moda_topology_core(t, 3));
    cr_assert(moda_topology_core_of(t, 8) == NULL && !moda_topology_has_unit(t, 8));
    cr_assert(isinf(moda_topology_quota(t)));
}

Test(topology, eight_nodes)
{
    synthetic("package:2 node:4 core:1 pu:1", NULL);
    SHAPE("0:0 1:1 2:2 3:3 4:4 5:5 6:6 7:7");
}

/* Even CPUs on one socket, odd ones on the other; siblings far away, as Linux often counts. */
Test(topology, interleaved_numbers)
{
    synthetic("node:2 core:3 pu:1(indexes=0,2,4,1,3,5)", NULL);
    SHAPE("0:0,2,4 1:1,3,5");
    synthetic("node:2 core:2 pu:2(indexes=0,4,1,5,2,6,3,7)", NULL);
    SHAPE("0:0+4,1+5 1:2+6,3+7");
}

Test(topology, masks)
{
    synthetic("node:2 core:4 pu:1", "0-1,4-6");
    SHAPE("0:0,1 1:4,5,6");
    cr_assert(moda_topology_narrowed(t) && moda_topology_has_unit(t, 7));
    cr_assert(moda_topology_core_of(t, 7) == NULL);
    synthetic("node:2 core:2 pu:2(indexes=0,4,1,5,2,6,3,7)", "1,2,4,6");
    SHAPE("0:4,1 1:2+6"); /* two cores cut in half */
    synthetic("node:2 core:2 pu:1", "2");
    SHAPE("0: 1:2");
}

Test(topology, no_cores_known)
{
    synthetic("node:2 pu:3", NULL);
    SHAPE("0:0,1,2 1:3,4,5");
    synthetic("pu:2", NULL);
    SHAPE("0:0,1");
}

Test(topology, node_without_memory)
{
    /* The neighbour in the package is nearest. */
    static const char *const none[][2] = {
        {"cpuset=\"0x0c\" nodeset=\"0x02\" complete_nodeset=\"0x02\" local_memory=\"1073741824\"",
         "cpuset=\"0x0c\" nodeset=\"0x02\" complete_nodeset=\"0x02\" local_memory=\"0\""},
        {NULL, NULL}};
    recorded(none + 1, NULL);
    SHAPE("0:0,1 1:2,3 2:4,5 3:6,7");
    recorded(none, NULL);
    SHAPE("0:0,1,2,3 1: 2:4,5 3:6,7");
    cr_assert(eq(u64, moda_topology_node(t, 1)->bytes, 0));
    /* Unless the firmware's table says that node 3 is. */
    static const char *const table[][2] = {
        {"cpuset=\"0x0c\" nodeset=\"0x02\" complete_nodeset=\"0x02\" local_memory=\"1073741824\"",
         "cpuset=\"0x0c\" nodeset=\"0x02\" complete_nodeset=\"0x02\" local_memory=\"0\""},
        {"  <support",
         "  <distances2 type=\"NUMANode\" nbobjs=\"4\" kind=\"5\" indexing=\"os\">"
         "<indexes length=\"8\">0 1 2 3 </indexes>"
         "<u64values length=\"48\">10 30 20 20 30 10 20 12 20 20 10 20 20 12 20 10 </u64values>"
         "</distances2>\n  <support"},
        {NULL, NULL}};
    recorded(table, NULL);
    SHAPE("0:0,1 1: 2:4,5 3:2,3,6,7");
}

/* cpuset.mems of a container: CPUs of two nodes, memory of one. */
Test(topology, memory_that_is_not_allowed)
{
    static const char *const edits[][2] = {{"allowed_nodeset=\"0x0f\"", "allowed_nodeset=\"0x08\""},
                                           {NULL, NULL}};
    recorded(edits, "0-5");
    SHAPE("0: 1: 2: 3:0,1,2,3,4,5");
    cr_assert(moda_topology_node(t, 3)->allowed && !moda_topology_node(t, 0)->allowed);
}

/* Memory behind CXL: a node that no CPU belongs to; and HBM over the same cores as DRAM. */
Test(topology, nodes_without_cpus)
{
    static const char *const edits[][2] = {
        {"nodeset=\"0x0f\" complete_nodeset=\"0x0f\" allowed_nodeset=\"0x0f\"",
         "nodeset=\"0x3f\" complete_nodeset=\"0x3f\" allowed_nodeset=\"0x3f\""},
        {"    <object type=\"Package\" os_index=\"0\"",
         "    <object type=\"NUMANode\" os_index=\"4\" cpuset=\"0x0\" complete_cpuset=\"0x0\" "
         "nodeset=\"0x10\" complete_nodeset=\"0x10\" local_memory=\"4096\"/>\n"
         "    <object type=\"NUMANode\" os_index=\"5\" cpuset=\"0xff\" complete_cpuset=\"0xff\" "
         "nodeset=\"0x20\" complete_nodeset=\"0x20\" local_memory=\"4096\"/>\n"
         "    <object type=\"Package\" os_index=\"0\""},
        {NULL, NULL}};
    recorded(edits, NULL);
    cr_assert(eq(sz, moda_topology_nodes(t), 6));
    cr_assert(eq(sz, moda_topology_cores(t), 8));
    for (size_t i = 0; i < 6; i++)
        cr_assert(
            eq(sz, moda_topology_node(t, i)->cores, moda_topology_node(t, i)->os_index < 4 ? 2 : 0),
            "%s", shape());
}

Test(topology, sub_numa_clusters)
{
    synthetic("package:2 l3:1 node:2 l2:2 core:1 pu:2", NULL);
    SHAPE("0:0+1,2+3 1:4+5,6+7 2:8+9,10+11 3:12+13,14+15");
    cr_assert(eq(sz, moda_topology_caches(t), 2));
    const moda_cache *l3 = moda_topology_cache(t, 0), *l2 = moda_topology_cache(t, 1);
    cr_assert(l3->level == 3 && l3->count == 2 && l3->cores == 4);
    cr_assert(l2->level == 2 && l2->count == 8 && l2->cores == 1);
}

Test(topology, wrong_descriptions)
{
    moda_topology *none = NULL;
    cr_assert(eq(int, moda_topology_synthetic("nonsense", NULL, &none), MODA_ERR_ARG));
    cr_assert(eq(int, moda_topology_synthetic("pu:2", "2-3", &none), MODA_ERR_ARG));
    cr_assert(eq(int, moda_topology_synthetic("pu:2", "0,", &none), MODA_ERR_ARG));
    cr_assert(eq(int, moda_topology_xml("/nonexistent.xml", NULL, &none), MODA_ERR_FORMAT));
    cr_assert(
        eq(int, moda_topology_xml(test_write("x.xml", "<a/>"), NULL, &none), MODA_ERR_FORMAT));
    cr_assert(none == NULL);
}

Test(topology, this_machine)
{
    cpu_set_t mask;
    cr_assert(eq(int, sched_getaffinity(0, sizeof mask, &mask), 0));
    cr_assert(eq(int, moda_topology_load(&t), MODA_OK));
    cr_assert(eq(sz, moda_topology_units(t), (size_t)CPU_COUNT(&mask)));
    size_t units = 0, cores = 0;
    for (size_t i = 0; i < moda_topology_cores(t); i++) {
        const moda_core *core = moda_topology_core(t, i);
        units += core->units;
        for (size_t k = 0; k < core->units; k++)
            cr_assert(ne(int, CPU_ISSET(core->unit[k], &mask), 0));
    }
    for (size_t i = 0; i < moda_topology_nodes(t); i++) cores += moda_topology_node(t, i)->cores;
    cr_assert(eq(sz, units, moda_topology_units(t)));
    cr_assert(eq(sz, cores, moda_topology_cores(t)));
}

/* hwloc without anything to look with. */
Test(topology, hwloc_sees_nothing)
{
    cpu_set_t mask;
    cr_assert(eq(int, sched_getaffinity(0, sizeof mask, &mask), 0));
    setenv("HWLOC_COMPONENTS", "-linux,-x86,stop", 1);
    test_capture(2);
    moda_status st = moda_topology_load(&t);
    char *said = test_captured();
    cr_assert(eq(int, st, MODA_OK));
    cr_assert(t->hwloc == NULL, "hwloc saw something: this proves nothing");
    cr_assert(strstr(said, "hwloc sees none") != NULL, "%s", said);
    free(said);
    cr_assert(eq(sz, moda_topology_cores(t), (size_t)CPU_COUNT(&mask)));
    cr_assert(eq(sz, moda_topology_nodes(t), 1));
    cr_assert(eq(sz, moda_topology_node(t, 0)->cores, moda_topology_cores(t)));
    cr_assert(ne(int, CPU_ISSET(moda_topology_core(t, 0)->unit[0], &mask), 0));
}
