/* Whether a network is still the one that a run was trained with: what a change of the file is, and what is none. */
#include "base/file.h"
#include "engine/method.h"
#include "engine/run_network.h"
#include "tests/capture.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(run_network, .init = (void (*)(void))test_folder, .fini = test_folder_remove,
          .timeout = 20);

static const char plain[] = "[net]\nname = x\n[conv]\nname = a\noutputs = 8\nkernel = 3\n[relu]\n"
                            "[linear]\nname = d\noutputs = classes\n";

/* What moda train has put down: the network of this text with data of this input. */
static json_t *config_of(const char *text, const char *method, moda_shape input)
{
    moda_net *net = NULL;
    char *description = NULL;
    test_write("x.net", text);
    cr_assert(eq(int,
                 moda_method_net(moda_method_named(method), test_path("x.net"),
                                 (moda_net_defaults){input, 4}, &net),
                 MODA_OK),
              "%s", moda_last_error());
    cr_assert(eq(int, moda_net_print(net, &description), MODA_OK));
    json_t *config = json_pack("{s:s s:s}", "method", method, "description", description);
    moda_net_destroy(net);
    free(description);
    return config;
}

static moda_status check_after(const json_t *config, const char *text)
{
    test_write("x.net", text);
    return moda_run_check_network(config, "run/config.json", test_path("x.net"));
}

/* Another order of words, blanks, comments, defaults spelled out: the same graph. What the data say is the
 * run's, whatever they were. */
Test(run_network, the_same_graph_passes)
{
    static const char *const same[] = {
        plain,
        "# a comment\n[net]\nname = x\n\n[conv]\n  kernel=3\noutputs = 8\nname = a\nstride = 1\n"
        "[relu]\ntracked = yes\n[linear]\nname = d\noutputs = classes\n",
        "[net]\nname = x\n[conv]\nname = a\noutputs = 8\nkernel = 3\n[relu]\n[linear]\n"
        "name = d\noutputs = 4\n",
    };
    static const char *const methods[] = {"moda", "standard"};
    for (size_t m = 0; m < 2; m++) {
        json_t *config = config_of(plain, methods[m], (moda_shape){m + 1, 9 + m, 9});
        for (size_t i = 0; i < 3; i++)
            cr_assert(eq(int, check_after(config, same[i]), MODA_OK), "%s, %zu: %s", methods[m], i,
                      moda_last_error());
        json_decref(config);
    }
}

/* Masks that the method puts into the network are not in the file. */
Test(run_network, masks_are_the_methods)
{
    static const char text[] =
        "[net]\n[conv]\nname = a\noutputs = 4\nkernel = 3\n[batchnorm]\nname = an\n"
        "[relu]\n[conv]\nname = b\noutputs = 4\nkernel = 3\n[batchnorm]\nname = bn\n"
        "[relu]\n[linear]\nname = d\noutputs = classes\n";
    json_t *config = config_of(text, "mwt", (moda_shape){1, 9, 9});
    const char *description = json_string_value(json_object_get(config, "description"));
    cr_assert(strstr(description, "[mask]") != NULL, "without masks this proves nothing");
    cr_assert(eq(int, check_after(config, text), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(int, check_after(config, plain), MODA_ERR_ARG));
    json_decref(config);
}

Test(run_network, a_change_is_named)
{
    static const char *const changed[][2] = {
        {"[net]\nname = x\n[conv]\nname = a\noutputs = 16\nkernel = 3\n[relu]\n[linear]\nname = d\n"
         "outputs = classes\n",
         "near a it has 'outputs = 16', the network that was trained 'outputs = 8'"},
        {"[net]\nname = x\n[conv]\nname = a\noutputs = 8\nkernel = 3\nbias = no\n[relu]\n[linear]\n"
         "name = d\noutputs = classes\n",
         "near a it has 'bias = no', the network that was trained '[relu]'"},
        {"[net]\nname = x\n[conv]\nname = a\noutputs = 8\nkernel = 3\n[relu]\n[linear]\nname = d\n"
         "outputs = 5\n[relu]\n[linear]\nname = e\noutputs = classes\n",
         "near d it has 'outputs = 5', the network that was trained 'outputs = 4'"},
        {"[net]\nname = x\n[conv]\nname = a\noutputs = 8\nkernel = 3\n[relu]\n[linear]\nname = d\n"
         "outputs = classes\n[linear]\nname = e\noutputs = classes\n",
         "near d it has '[linear]', the network that was trained 'the end'"},
        {"[net]\nname = x\ninput = 1 10 10\n[conv]\nname = a\noutputs = 8\nkernel = 3\n[relu]\n"
         "[linear]\nname = d\noutputs = classes\n",
         "near x it has 'input = 1 10 10', the network that was trained 'input = 1 9 9'"},
    };
    json_t *config = config_of(plain, "moda", (moda_shape){1, 9, 9});
    for (size_t i = 0; i < sizeof changed / sizeof *changed; i++) {
        cr_assert(eq(int, check_after(config, changed[i][0]), MODA_ERR_ARG), "%zu", i);
        cr_assert(strstr(moda_last_error(), changed[i][1]) != NULL, "%s", moda_last_error());
        cr_assert(strstr(moda_last_error(), "run/config.json") != NULL, "%s", moda_last_error());
        cr_assert(strchr(moda_last_error(), '\n') == NULL, "%s", moda_last_error());
    }
    json_decref(config);
}

/* Another network of the same name is one too: built in, or as bare as a word. */
Test(run_network, names_are_compared_by_what_they_stand_for)
{
    json_t *config = config_of(plain, "moda", (moda_shape){1, 32, 32});
    cr_assert(eq(int, moda_run_check_network(config, "c", "lenet5"), MODA_ERR_ARG));
    cr_assert(eq(int, moda_run_check_network(config, "c", "nonsense"), MODA_ERR_ARG));
    cr_assert(strstr(moda_last_error(), "unknown network") != NULL, "%s", moda_last_error());
    json_decref(config);
}

Test(run_network, what_cannot_be_compared)
{
    json_t *config = config_of(plain, "moda", (moda_shape){1, 9, 9}), *bare = json_object();
    cr_assert(eq(int, check_after(bare, plain), MODA_OK)); /* of a program that wrote none */
    cr_assert(eq(int, check_after(config, "[net]\n[nonsense]\n"), MODA_ERR_FORMAT));
    cr_assert(strstr(moda_last_error(), "x.net") != NULL, "%s", moda_last_error());
    cr_assert(eq(int, unlink(test_path("x.net")), 0));
    cr_assert(eq(int, moda_run_check_network(config, "c", test_path("x.net")), MODA_OK));
    json_object_set_new(config, "description", json_string("[nonsense]"));
    cr_assert(eq(int, check_after(config, plain), MODA_ERR_FORMAT));
    cr_assert(strstr(moda_last_error(), "run/config.json") != NULL, "%s", moda_last_error());
    json_decref(config), json_decref(bare);
}
