/* tests/test_cmd_topo.c - moda topo as a program: this machine, machines that are not here, plans and
 * where pages are. */
#include "tests/capture.h"
#include "tests/program.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <string.h>

TestSuite(cmd_topo, .fini = test_folder_remove, .timeout = 120);

static json_int_t number(const json_t *o, const char *key)
{
    const json_t *value = json_object_get(o, key);
    cr_assert(value && json_is_integer(value), "no whole number %s", key);
    return json_integer_value(value);
}

static json_int_t sum(const json_t *list)
{
    json_int_t all = 0;
    for (size_t i = 0; i < json_array_size(list); i++)
        all += json_integer_value(json_array_get(list, i));
    return all;
}

Test(cmd_topo, this_machine)
{
    const program_result r = program_must("topo --threads 1 --json all.json");
    cr_assert(strstr(r.out, "memory") && strstr(r.out, "cores"), "%s", r.out);
    json_t *all = program_json("all.json");
    const json_t *nodes = json_object_get(all, "nodes");
    json_int_t cores = 0, threads = 0;
    for (size_t i = 0; i < json_array_size(nodes); i++) {
        cores += number(json_array_get(nodes, i), "cores");
        threads += number(json_array_get(nodes, i), "threads");
    }
    cr_assert(cores >= 1 && threads == 1);
    cr_assert(eq(int, (int)number(json_object_get(all, "team"), "threads"), 1));
    cr_assert(json_object_get(all, "plan") == NULL, "no network, no plan");
    json_decref(all);
}

/* Bytes of every row and node, and the same plan on screen. */
Test(cmd_topo, a_machine_that_is_not_here)
{
    const program_result r = program_must("topo --synthetic 'node:2 core:4 pu:1' --model lenet5 "
                                          "--batch-size 96 --json all.json");
    static const char *const words[] = {"node 0: threads 0-3", "node 1: threads 4-7",
                                        "placement sliced",    "conv1",
                                        "gradients",           "workspace"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        cr_assert(strstr(r.out, words[i]) != NULL, "no %s in\n%s", words[i], r.out);
    json_t *all = program_json("all.json"), *row;
    const json_t *plan = json_object_get(all, "plan"), *memory = json_object_get(plan, "memory");
    cr_assert(eq(int, (int)number(plan, "batch_size"), 96));
    cr_assert(number(plan, "workspace_bytes") > number(plan, "workspace_bytes_one_node"));
    size_t i, layers = 0;
    json_array_foreach(memory, i, row)
    {
        const json_t *planned = json_object_get(row, "planned");
        cr_assert(json_array_size(planned) == 2);
        cr_assert(sum(planned) >= number(row, "bytes"));
        layers += json_is_true(json_object_get(row, "layer"));
        cr_assert(json_object_get(row, "found") == NULL, "nobody has asked");
    }
    cr_assert(lt(sz, 5, layers));
    json_decref(all);
}

/* 3 of 8 threads on a machine of 4 + 4 cores are on the first node: nothing to slice. */
Test(cmd_topo, threads_and_placement_of_that_machine)
{
    program_must("topo --synthetic 'node:2 core:4 pu:1' --model lenet5 --threads 3 --bind cores "
                 "--json one.json");
    program_must("topo --synthetic 'node:2 core:4 pu:1' --model lenet5 --placement node:1 "
                 "--json node.json");
    json_t *one = program_json("one.json"), *node = program_json("node.json");
    const json_t *plan = json_object_get(one, "plan");
    cr_assert(eq(sz, json_array_size(json_object_get(plan, "nodes")), 1));
    cr_assert(number(plan, "workspace_bytes") == number(plan, "workspace_bytes_one_node"));
    plan = json_object_get(node, "plan");
    const json_t *planned = json_object_get(plan, "workspace_planned");
    cr_assert(json_integer_value(json_array_get(planned, 0)) == 0);
    cr_assert(json_integer_value(json_array_get(planned, 1)) >= number(plan, "workspace_bytes"));
    json_decref(one), json_decref(node);
}

/* However many nodes there are: every page of a layer has been touched and is where it should be. */
Test(cmd_topo, pages_are_where_they_should_be)
{
    const program_result r =
        program_must("topo --model lenet5 --batch-size 32 --bind cores --verify --json all.json");
    cr_assert(strstr(r.out, "pages on the right node") != NULL, "%s", r.out);
    json_t *all = program_json("all.json"), *row;
    const json_t *verify = json_object_get(all, "verify");
    cr_assert(number(verify, "pages") > 500);
    cr_assert(json_number_value(json_object_get(verify, "worst_share")) >= 0.95);
    size_t i;
    json_array_foreach(json_object_get(json_object_get(all, "plan"), "memory"), i, row)
    {
        cr_assert(number(row, "right") <= number(row, "pages"));
        cr_assert(sum(json_object_get(row, "found")) == number(row, "pages"));
        if (json_is_true(json_object_get(row, "layer")))
            cr_assert(number(row, "pages") * 4096 >= number(row, "bytes"), "%s",
                      json_string_value(json_object_get(row, "name")));
    }
    json_decref(all);
}

Test(cmd_topo, one_node_named_and_own_description)
{
    test_write("small.net", "[net]\nname = small\n[conv]\nname = first\noutputs = 16\nkernel = 3\n"
                            "[relu]\n[linear]\nname = last\noutputs = classes\n");
    const program_result r =
        program_must("topo --model small.net --batch-size 8 --placement node:0 "
                     "--verify");
    cr_assert(strstr(r.out, "placement node:0") && strstr(r.out, "first"), "%s", r.out);
}

Test(cmd_topo, refused)
{
    program_must_fail(2, "--model", "topo --verify");
    program_must_fail(2, "--synthetic",
                      "topo --verify --model lenet5 --synthetic 'node:2 core:1 pu:1'");
    program_must_fail(2, "--verify", "topo --against sliced --model lenet5");
    program_must_fail(2, "auto", "topo --model lenet5 --precision auto");
    program_must_fail(2, "synthetic machine", "topo --synthetic nonsense");
    program_must_fail(2, "node:7", "topo --synthetic 'node:2 core:1 pu:1' --placement node:7");
    program_must_fail(2, "node:4711", "topo --placement node:4711 --quiet");
    program_must_fail(2, "interleaved", "topo --placement everywhere --quiet");
    program_must_fail(2, "nosuch", "topo --model nosuch --quiet");
    program_must_fail(2, "one operand too many", "topo lenet5");
    program_must_fail(1, "missing.net", "topo --model missing.net --quiet");
    test_write("flat.net", "[net]\nname = flat\ninput = 3 8 16\nclasses = 2\n[linear]\nname = l\n"
                           "outputs = classes\n");
    program_must_fail(2, "square", "topo --model flat.net --verify --quiet");
}
