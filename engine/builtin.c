/* engine/builtin.c - descriptions that come with the program, in the format of docs/networks.md.
 *
 * Layers are named as in the published PyTorch models, so that weights travel both ways. Input and
 * classes are left to the data. */
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

/* Convolutions by their outputs, M a 2x2 max pool. */
static const struct vgg {
    const char *name, *row;
} vggs[] = {
    {"vgg11", "64 M 128 M 256 256 M 512 512 M 512 512 M"},
    {"vgg13", "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M"},
    {"vgg16", "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M"},
    {"vgg19", "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M"},
};
enum { VGG_COUNT = sizeof vggs / sizeof vggs[0] };

static const char *const names[] = {"lenet5", "vgg11", "vgg13", "vgg16", "vgg19", NULL};

const char *const *moda_net_builtin_names(void)
{
    return names;
}

/* features.N counts every layer, pools and ReLUs too; the classifier as well. */
static void print_vgg(FILE *f, const struct vgg *v)
{
    size_t index = 0;
    fprintf(f, "[net]\nname = %s\nconv_init = kaiming_fan_out\nlinear_init = normal\n", v->name);
    for (const char *word = v->row; *word;) {
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

moda_status moda_net_builtin(const char *name, char **text)
{
    moda_status st = MODA_OK;
    char *made = NULL;
    size_t size = 0;
    FILE *f = NULL;
    *text = NULL;
    if (strcmp(name, "lenet5") == 0) {
        MODA_CHECK((*text = strdup(lenet5)) != NULL, MODA_ERR_NOMEM, "out of memory");
        goto out;
    }
    for (size_t i = 0; i < VGG_COUNT; i++) {
        if (strcmp(name, vggs[i].name) != 0) continue;
        MODA_CHECK((f = open_memstream(&made, &size)) != NULL, MODA_ERR_NOMEM, "out of memory: %s",
                   strerror(errno));
        print_vgg(f, &vggs[i]);
        const bool failed = ferror(f) != 0;
        const bool closed = fclose(f) == 0;
        MODA_CHECK(!failed && closed, MODA_ERR_NOMEM, "out of memory: %zu bytes", size);
        *text = made, made = NULL;
    }
out:
    free(made);
    return st;
}
