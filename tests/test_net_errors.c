/* tests/test_net_errors.c - engine/net.h: which descriptions are refused, at which line, why. */
#include "base/file.h"
#include "engine/net.h"
#include "tests/capture.h"
#include "tests/program.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(net_errors, .timeout = 60);

static const moda_net_defaults usual = {{3, 32, 32}, 10};

#define HEAD "[net]\n"                                     /* line 1 */
#define TAIL "[linear]\nname = last\noutputs = classes\n"  /* three lines */
#define CONV "[conv]\nname = c\noutputs = 8\nkernel = 3\n" /* four lines */

/* Parses what must be right. */
static moda_net *parse(const char *text)
{
    moda_net *net = NULL;
    cr_assert(eq(int, moda_net_parse(text, "t.net", usual, &net), MODA_OK), "%s\n%s",
              moda_last_error(), text);
    return net;
}

static bool says(const char *part)
{
    return strstr(moda_last_error(), part) != NULL;
}

static const struct refused {
    const char *text;
    size_t line;
    const char *says;
} refused[] = {
    {"", 1, "begin with [net]"},
    {"# nothing\n\n", 3, "begin with [net]"},
    {HEAD, 2, "no layer"},
    {"\n" TAIL, 2, "the first section is [linear]"},
    {"name = x\n" HEAD TAIL, 1, "before the first section"},
    {HEAD HEAD TAIL, 2, "[net] twice"},
    {HEAD "[convolution]\n" TAIL, 2, "unknown section [convolution]"},
    {HEAD "[conv\n" TAIL, 2, "does not end in ']'"},
    {HEAD "[\n" TAIL, 2, "does not end in ']'"},
    {HEAD "[input]\n" TAIL, 2, "unknown section [input]"},
    {HEAD "hello\n" TAIL, 2, "neither '[section]' nor 'key = value'"},
    {HEAD "name =\n" TAIL, 2, "has no value"},
    {HEAD "name = # gone\n" TAIL, 2, "has no value"},
    {HEAD "name = a b\n" TAIL, 2, "not a name"},
    {HEAD "name = caf\xC3\xA9\n" TAIL, 2, "not a name"},
    {HEAD "input = 3 32\n" TAIL, 2, "channels, height and width"},
    {HEAD "input = 3 32 32 32\n" TAIL, 2, "channels, height and width"},
    {HEAD "input = 0 32 32\n" TAIL, 2, "channels, height and width"},
    {HEAD "input = 3 -1 32\n" TAIL, 2, "channels, height and width"},
    {HEAD "input = 3 65537 32\n" TAIL, 2, "channels, height and width"},
    {HEAD "\ninput = 65536 65536 65536\n" TAIL, 3, "too large"},
    {HEAD "classes = 0\n" TAIL, 2, "whole number from 1"},
    {HEAD "classes = 99999999999999999999\n" TAIL, 2, "whole number from 1"},
    {HEAD "conv_init = zeros\n" TAIL, 2, "kaiming_fan_out"},
    {HEAD "kernel = 3\n" TAIL, 2, "[net] has no key 'kernel'"},
    {HEAD "[relu]\nkernel = 3\n" TAIL, 3, "[relu] has no key 'kernel'"},
    {HEAD "[linear]\nname = x\nstride = 3\n" TAIL, 4, "[linear] has no key 'stride'"},
    {HEAD "[conv]\nname = c\nkernel = 3\nkernel = 3\n" TAIL, 5, "key 'kernel' twice"},
    {HEAD "\n[conv]\nname = c\nkernel = 3\n\n" TAIL, 3, "lacks the key 'outputs'"},
    {HEAD "[conv]\nname = c\noutputs = 3\n" TAIL, 2, "lacks the key 'kernel'"},
    {HEAD "[conv]\noutputs = 3\nkernel = 3\n" TAIL, 2, "lacks the key 'name'"},
    {HEAD TAIL "[batchnorm]\n", 5, "lacks the key 'name'"},
    {HEAD "[maxpool]\n" TAIL, 2, "lacks the key 'kernel'"},
    {HEAD "[add]\n" TAIL, 2, "lacks the key 'from'"},
    {HEAD "[mask]\n" TAIL, 2, "lacks the key 'from'"},
    {HEAD "[mask]\nfrom = input\n" TAIL, 3, "give two names"},
    {HEAD "[mask]\nfrom = input, input\n" TAIL, 3, "[mask] needs two different layers"},
    {HEAD CONV "[mask]\nfrom = input, c\n" TAIL, 6, "a mask of 3x32x32 by 8x30x30"},
    {HEAD CONV "init = zeros\n" TAIL, 6, "kaiming_fan_in"},
    {HEAD CONV "bias_init = x\n" TAIL, 6, "bias_init = 'x'"},
    {HEAD CONV "[relu]\ntracked = 0\n" TAIL, 7, "use yes or no"},
    {HEAD CONV "tracked = no\n" TAIL, 6, "[conv] has no key 'tracked'"},
    {HEAD "[select]\n" TAIL, 2, "lacks the key 'channels'"},
    {HEAD "[select]\nchannels = 0 1 3\n" TAIL, 2, "channel 3 is selected out of 3"},
    {HEAD "[select]\nchannels = 0-2 1\n" TAIL, 3, "channel 1 twice"},
    {HEAD "[select]\nchannels = 2-0\n" TAIL, 3, "'2-0' is not one"},
    {HEAD "[select]\nchannels = 0 - 2\n" TAIL, 3, "'-' is not one"},
    {HEAD "[select]\nchannels = 0-\n" TAIL, 3, "'0-' is not one"},
    {HEAD "[select]\nchannels = 0*zero\n" TAIL, 3, "'0*zero' is not one"},
    {HEAD "[select]\nchannels = 2*zeros\n" TAIL, 3, "'2*zeros' is not one"},
    {HEAD "[select]\nchannels = 0,1\n" TAIL, 3, "'0,1' is not one"},
    {HEAD "[select]\nchannels = 65536\n" TAIL, 3, "'65536' is not one"},
    {HEAD "[select]\nchannels = 99999999999999999999999\n" TAIL, 3, "is not one"},
    {HEAD "[select]\nchannels = 65536*zero zero\n" TAIL, 3, "more than 65536 channels"},
    {HEAD CONV "stride = 0\n" TAIL, 6, "stride = '0'"},
    {HEAD CONV "stride = +1\n" TAIL, 6, "stride = '+1'"},
    {HEAD CONV "stride = 1.0\n" TAIL, 6, "stride = '1.0'"},
    {HEAD CONV "padding = 1025\n" TAIL, 6, "from 0 to 1024"},
    {HEAD CONV "padding = 3\n" TAIL, 2, "padding 3 is too large for kernel 3"},
    {HEAD CONV "groups = many\n" TAIL, 6, "or the word depthwise"},
    {HEAD CONV "groups = 2\n" TAIL, 2, "2 groups divide 3 inputs and 8 outputs not evenly"},
    {HEAD CONV "groups = depthwise\n" TAIL, 2, "3 groups divide 3 inputs and 8 outputs"},
    {HEAD CONV "bias = true\n" TAIL, 6, "use yes or no"},
    {HEAD "[conv]\nname = c\noutputs = 65537\nkernel = 3\n" TAIL, 4, "from 1 to 65536"},
    {HEAD "[conv]\nname = c\noutputs = 8\nkernel = global\n" TAIL, 5, "kernel = 'global'"},
    {HEAD "[conv]\nname = c\noutputs = 8\nkernel = 33\n" TAIL, 2, "larger than the 32x32 map"},
    {HEAD "[maxpool]\nkernel = 3\npadding = 2\n" TAIL, 2, "padding 2 is too large for kernel 3"},
    {HEAD "[maxpool]\nkernel = 33\n" TAIL, 2, "larger than the 32x32 map"},
    {HEAD "input = 3 4 5\n[avgpool]\nkernel = global\n" TAIL, 3, "must be square"},
    {HEAD "[batchnorm]\nname = b\neps = 0\n" TAIL, 4, "eps = '0'"},
    {HEAD "[batchnorm]\nname = b\nmomentum = nan\n" TAIL, 4, "momentum = 'nan'"},
    {HEAD "[batchnorm]\nname = b\nmomentum = 1.5\n" TAIL, 4, "from 0 to 1"},
    {HEAD "[relu]\n" TAIL, 2, "a relu of the network's input"},
    {HEAD CONV "from = nobody\n" TAIL, 6, "there is no such layer"},
    {HEAD CONV "from = a, b\n" TAIL, 6, "one layer's name"},
    {HEAD CONV "[add]\nfrom = c\n" TAIL, 7, "two names"},
    {HEAD CONV "[add]\nfrom = c, c\n" TAIL, 7, "two different layers"},
    {HEAD CONV "[add]\nfrom = c, input, c\n" TAIL, 7, "two names"},
    {HEAD "[concat]\n" TAIL, 2, "lacks the key 'from'"},
    {HEAD CONV "[concat]\nfrom = c\n" TAIL, 7, "two names"},
    {HEAD CONV "[concat]\nfrom = c, c\n" TAIL, 7, "[concat] needs two different layers"},
    {HEAD CONV "[concat]\nfrom = c, input\n" TAIL, 6, "a concatenation of 8x30x30 and 3x32x32"},
    {HEAD CONV "[softmax]\nfrom = c, input\n" TAIL, 7, "one layer's name"},
    {HEAD CONV "[add]\nfrom = c, input\n" TAIL, 6, "an addition of 8x30x30 and 3x32x32"},
    {HEAD CONV CONV TAIL, 6, "name 'c' twice, first in line 2"},
    {HEAD "[relu]\nname = input\n" TAIL, 2, "'input' means the network's input"},
    {HEAD CONV "from = c\n" TAIL, 6, "a cycle"},
    {HEAD TAIL "[batchnorm]\nname = a\nfrom = b\n\n[batchnorm]\nname = b\n", 7, "a cycle"},
    {HEAD "[conv]\nname=d\nfrom=last\noutputs=8\nkernel=3\n" CONV "[add]\nfrom=c, d\n" TAIL, 4,
     "a cycle"},
    {HEAD CONV "[relu]\nname = dead\n" TAIL "from = c\n", 6, "no layer reads 'dead'"},
    {HEAD TAIL "[relu]\nfrom = input\n", 2, "no layer reads 'last'"},
    {HEAD CONV "[relu]\n", 6, "gives 8x30x30, not one number per class"},
    {HEAD "[linear]\nname = last\noutputs = 12\n", 2, "12 outputs for 10 classes"},
    {HEAD "classes = 7\n[linear]\nname = last\noutputs = 10\n", 3, "10 outputs for 7 classes"},
    {HEAD "input = 65536 4095 4096\n" TAIL, 3, "too many"},
    {HEAD "input = 65536 2 2\n[conv]\nname=c\noutputs=65536\nkernel=1024\npadding=1023\n" TAIL, 3,
     "too many"},
    {HEAD "input = 1 65536 65536\n[conv]\nname=c\noutputs=1\nkernel=3\npadding=2\n" TAIL, 3,
     "too large"},
};

Test(net_errors, errors_name_line_and_reason)
{
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        const struct refused *r = &refused[i];
        char place[64];
        moda_net *net = NULL;
        snprintf(place, sizeof place, "some/path.net:%zu: ", r->line);
        const moda_status st = moda_net_parse(r->text, "some/path.net", usual, &net);
        cr_expect(eq(int, st, MODA_ERR_FORMAT), "status %d of\n%s", st, r->text);
        cr_expect(strncmp(moda_last_error(), place, strlen(place)) == 0 &&
                      strstr(moda_last_error(), r->says),
                  "wanted '%s...%s', got '%s'", place, r->says, moda_last_error());
        cr_expect(net == NULL);
        moda_net_destroy(net);
    }
}

Test(net_errors, too_many_layers_are_refused)
{
    char *text = NULL;
    size_t size = 0;
    moda_net *net = NULL;
    FILE *f = open_memstream(&text, &size);
    fputs(HEAD TAIL, f);
    for (int i = 0; i < 4096; i++) fputs("[relu]\n", f);
    fclose(f);
    cr_assert(eq(int, moda_net_parse(text, "t.net", usual, &net), MODA_ERR_FORMAT));
    cr_assert(says("t.net:4100: more than 4096 layers"), "%s", moda_last_error());
    text[strlen(text) - strlen("[relu]\n")] = 0; /* one fewer is fine */
    net = parse(text);
    cr_assert(eq(sz, net->layer_count, 4097));
    cr_assert(eq(str, net->layers[4096].name, "relu4095"));
    moda_net_destroy(net);
    free(text);
}

Test(net_errors, long_names_are_cut_in_messages)
{
    char text[2000] = HEAD;
    moda_net *net = NULL;
    memset(text + strlen(HEAD), 'x', 1500);
    cr_assert(eq(int, moda_net_parse(text, "t.net", usual, &net), MODA_ERR_FORMAT));
    cr_assert(lt(sz, strlen(moda_last_error()), 200), "%s", moda_last_error());
    cr_assert(says("xxx..."), "%s", moda_last_error());
}

/* ---- files ---- */

Test(net_errors, opening_tells_wrong_names_from_missing_files)
{
    char folder[] = "/tmp/moda-net-XXXXXX";
    moda_net *net = NULL;
    cr_assert(mkdtemp(folder) != NULL);
    cr_assert(eq(int, moda_net_open("vgg17", usual, &net), MODA_ERR_ARG));
    cr_assert(says("lenet5, vgg11"), "%s", moda_last_error());
    cr_assert(eq(int, moda_net_open("/nowhere/x.net", usual, &net), MODA_ERR_IO));
    cr_assert(says("/nowhere/x.net"), "%s", moda_last_error());
    char *path = moda_format("%s/x.net", folder);
    FILE *f = fopen(path, "w");
    fputs(HEAD CONV "stride = x\n" TAIL, f);
    fclose(f);
    cr_assert(eq(int, moda_net_open(path, usual, &net), MODA_ERR_FORMAT));
    cr_assert(strncmp(moda_last_error(), path, strlen(path)) == 0 &&
                  strstr(moda_last_error(), "x.net:6: "),
              "%s", moda_last_error());
    f = fopen(path, "w");
    fputs(HEAD CONV, f);
    fputc(0, f);
    fputs(TAIL, f);
    fclose(f);
    cr_assert(eq(int, moda_net_open(path, usual, &net), MODA_ERR_FORMAT));
    cr_assert(says("zero byte at offset"), "%s", moda_last_error());
    f = fopen(path, "w");
    fputs(HEAD CONV TAIL, f);
    fclose(f);
    cr_assert(eq(int, moda_net_open(path, usual, &net), MODA_OK), "%s", moda_last_error());
    moda_net_destroy(net);
    unlink(path);
    rmdir(folder);
    free(path);
}

/* A name that no network has is a wrong call, whoever is told it, and the line lists the networks. */
Test(net_errors, every_command_lists_the_networks)
{
    static const char *const calls[] = {
        "describe nosuch",
        "train --model nosuch --data synthetic: --out run",
        "experiment tau --model nosuch --data synthetic: --out study",
        "topo --model nosuch",
        "scale --model nosuch",
        "bench step --model nosuch",
        "bench methods --model nosuch",
        "bench infer nosuch",
        "bench tune --model nosuch",
        "bench conv --model nosuch",
        "bench data synthetic: --model nosuch",
        "bench numa --model nosuch",
        "bench turn --model nosuch",
    };
    test_folder();
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        program_must_fail(2, "unknown network 'nosuch'; use lenet5, vgg11, ", "%s --quiet",
                          calls[i]);
    test_folder_remove();
}

/* A file of such a name is one. */
Test(net_errors, a_plain_word_is_a_file_if_there_is_one)
{
    cr_assert(moda_net_is_meant("lenet5") && moda_net_is_meant("nosuch"));
    cr_assert(moda_net_is_meant("a/b.net") && !moda_net_is_meant("a/b"));
    cr_assert(eq(
        int, moda_net_is_meant("m.safetensors") || moda_net_is_meant("lenet5:w.safetensors"), 0));
    test_write("model", "x");
    cr_assert(eq(int, chdir(test_folder()), 0));
    cr_assert(eq(int, moda_net_is_meant("model"), 0));
    cr_assert(eq(int, chdir("/"), 0));
    cr_assert(moda_net_is_meant("model"));
    test_folder_remove();
}
