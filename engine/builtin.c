/* engine/builtin.c - descriptions that come with the program, in the format of docs/networks.md.
 *
 * Layers are named as in the published PyTorch models, so that weights travel both ways. Input and
 * classes are left to the data. */
#include "base/file.h"
#include "engine/net_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char lenet5[] = "[net]\n"
                             "name = lenet5\n"
                             "conv_init = uniform_fan_in\n"
                             "linear_init = uniform_fan_in\n"
                             "[conv]\n"
                             "name = conv1\n"
                             "outputs = 6\n"
                             "kernel = 5\n"
                             "[relu]\n"
                             "[maxpool]\n"
                             "kernel = 2\n"
                             "[conv]\n"
                             "name = conv2\n"
                             "outputs = 16\n"
                             "kernel = 5\n"
                             "[relu]\n"
                             "[maxpool]\n"
                             "kernel = 2\n"
                             "[linear]\n"
                             "name = fc1\n"
                             "outputs = 120\n"
                             "[relu]\n"
                             "[linear]\n"
                             "name = fc2\n"
                             "outputs = 84\n"
                             "[relu]\n"
                             "[linear]\n"
                             "name = fc3\n"
                             "outputs = classes\n";

static void print_text(FILE *f, const char *name, const char *text)
{
    (void)name;
    fputs(text, f);
}

/* row: convolutions by their outputs, M a 2x2 max pool. features.N counts every layer, pools and
 * ReLUs too; the classifier as well. */
static void print_vgg(FILE *f, const char *name, const char *row)
{
    size_t index = 0;
    fprintf(f, "[net]\nname = %s\nconv_init = kaiming_fan_out\nlinear_init = normal\n", name);
    for (const char *word = row; *word;) {
        const size_t length = strcspn(word, " ");
        if (*word == 'M') {
            fprintf(f, "[maxpool]\nname = features.%zu\nkernel = 2\n", index++);
        } else {
            fprintf(f, "[conv]\nname = features.%zu\noutputs = %.*s\nkernel = 3\npadding = 1\n",
                    index++, (int)length, word);
            fprintf(f, "[batchnorm]\nname = features.%zu\n", index++);
            fprintf(f, "[relu]\nname = features.%zu\n", index++);
        }
        word += length;
        word += strspn(word, " ");
    }
    fprintf(f, "[linear]\nname = classifier.0\noutputs = 4096\n[relu]\nname = classifier.1\n"
               "[linear]\nname = classifier.2\noutputs = 4096\n[relu]\nname = classifier.3\n"
               "[linear]\nname = classifier.4\noutputs = classes\n");
}

/* PREFIXconvN without bias and its batch norm PREFIXbnN; more: keys of the convolution. */
static void print_conv(FILE *f, const char *prefix, int number, size_t outputs, size_t kernel,
                       size_t stride, const char *more)
{
    fprintf(f,
            "[conv]\nname = %sconv%d\noutputs = %zu\nkernel = %zu\nstride = %zu\npadding = %zu\n"
            "bias = no\n%s[batchnorm]\nname = %sbn%d\n",
            prefix, number, outputs, kernel, stride, kernel / 2, more, prefix, number);
}

/* Two convolutions beside the identity, or beside a 1x1 convolution where the shape changes. input
 * is the name of the layer before, and afterwards that of the block's last one. */
static void print_basic_block(FILE *f, const char *prefix, size_t outputs, size_t stride,
                              bool downsample, char input[NET_MAX_NAME])
{
    print_conv(f, prefix, 1, outputs, 3, stride, "");
    fprintf(f, "[relu]\nname = %srelu1\n", prefix);
    print_conv(f, prefix, 2, outputs, 3, 1, "");
    if (downsample) {
        fprintf(
            f,
            "[conv]\nname = %sdownsample.0\noutputs = %zu\nkernel = 1\nstride = %zu\nbias = no\n"
            "from = %s\n[batchnorm]\nname = %sdownsample.1\n",
            prefix, outputs, stride, input, prefix);
        snprintf(input, NET_MAX_NAME, "%sdownsample.1", prefix);
    }
    fprintf(f, "[add]\nname = %sadd\nfrom = %sbn2, %s\n[relu]\nname = %srelu2\n", prefix, prefix,
            input, prefix);
    snprintf(input, NET_MAX_NAME, "%srelu2", prefix);
}

/* row: blocks of each of the four stages. The form for small images: no pool, and no stride, before
 * the first stage. */
static void print_resnet(FILE *f, const char *name, const char *row)
{
    char input[NET_MAX_NAME] = "relu", prefix[32];
    fprintf(f, "[net]\nname = %s\nconv_init = kaiming_fan_out\nlinear_init = uniform_fan_in\n",
            name);
    print_conv(f, "", 1, 64, 3, 1, "");
    fprintf(f, "[relu]\nname = relu\n");
    for (size_t stage = 0; stage < 4; stage++) {
        const size_t blocks = (size_t)(row[2 * stage] - '0');
        for (size_t i = 0; i < blocks; i++) {
            const bool first = stage > 0 && i == 0;
            snprintf(prefix, sizeof prefix, "layer%zu.%zu.", stage + 1, i);
            print_basic_block(f, prefix, (size_t)64 << stage, first ? 2 : 1, first, input);
        }
    }
    fprintf(f, "[avgpool]\nname = avgpool\nkernel = global\n"
               "[linear]\nname = fc\noutputs = classes\n");
}

/* row: outputs of the blocks behind the first convolution. A block halves the map where it doubles
 * the channels, but for the first one. */
static void print_mobilenet(FILE *f, const char *name, const char *row)
{
    size_t inputs = 32, outputs, block = 0;
    char prefix[32], *end;
    fprintf(f, "[net]\nname = %s\nconv_init = kaiming_fan_out\nlinear_init = normal\n", name);
    print_conv(f, "", 1, inputs, 3, 1, "");
    fprintf(f, "[relu]\nname = relu\n");
    for (; *row; row = end, inputs = outputs, block++) {
        outputs = strtoul(row, &end, 10);
        snprintf(prefix, sizeof prefix, "layers.%zu.", block);
        print_conv(f, prefix, 1, inputs, 3, block > 0 && outputs > inputs ? 2 : 1,
                   "groups = depthwise\n");
        fprintf(f, "[relu]\nname = %srelu1\n", prefix);
        print_conv(f, prefix, 2, outputs, 1, 1, "");
        fprintf(f, "[relu]\nname = %srelu2\n", prefix);
    }
    fprintf(f, "[avgpool]\nname = avgpool\nkernel = global\n"
               "[linear]\nname = linear\noutputs = classes\n");
}

static const struct builtin {
    const char *name;
    void (*print)(FILE *f, const char *name, const char *row);
    const char *row;
} builtins[] = {
    {"lenet5", print_text, lenet5},
    {"vgg11", print_vgg, "64 M 128 M 256 256 M 512 512 M 512 512 M"},
    {"vgg13", print_vgg, "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M"},
    {"vgg16", print_vgg, "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M"},
    {"vgg19", print_vgg, "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M"},
    {"resnet18", print_resnet, "2 2 2 2"},
    {"resnet34", print_resnet, "3 4 6 3"},
    {"mobilenet", print_mobilenet, "64 128 128 256 256 512 512 512 512 512 512 1024 1024"},
};
enum { BUILTIN_COUNT = sizeof builtins / sizeof builtins[0] };

const char *const *moda_net_builtin_names(void)
{
    static const char *const names[] = {"lenet5",   "vgg11",    "vgg13",     "vgg16", "vgg19",
                                        "resnet18", "resnet34", "mobilenet", NULL};
    _Static_assert(sizeof names / sizeof names[0] == BUILTIN_COUNT + 1, "a name is missing");
    return names;
}

moda_status moda_net_builtin(const char *name, char **text)
{
    moda_status st = MODA_OK;
    char *made = NULL;
    size_t size = 0, i = 0;
    *text = NULL;
    while (i < BUILTIN_COUNT && strcmp(name, builtins[i].name) != 0) i++;
    if (i == BUILTIN_COUNT) goto out;
    FILE *f = open_memstream(&made, &size);
    MODA_CHECK(f, MODA_ERR_NOMEM, "out of memory: %s", strerror(errno));
    builtins[i].print(f, name, builtins[i].row);
    MODA_CHECK(moda_text_close(f, &made), MODA_ERR_NOMEM, "out of memory: %zu bytes", size);
    *text = made;
out:
    return st;
}
