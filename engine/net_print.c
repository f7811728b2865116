/* engine/net_print.c - the canonical description: every name written out, every size a number,
 * defaults left out. */
#include "base/file.h"
#include "engine/net_internal.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The fewest digits that read back as the same value. */
static void print_real(FILE *f, const char *key, double value)
{
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    fprintf(f, "%s = %s\n", key, text);
}

static void print_window(FILE *f, const moda_layer *l, size_t usual_stride)
{
    fprintf(f, "kernel = %zu\n", l->kernel);
    if (l->stride != usual_stride) fprintf(f, "stride = %zu\n", l->stride);
    if (l->padding) fprintf(f, "padding = %zu\n", l->padding);
}

/* The bias, and how both start. */
static void print_start(FILE *f, const moda_layer *l, moda_init usual)
{
    if (!l->bias) fprintf(f, "bias = no\n");
    if (l->init != usual) fprintf(f, "init = %s\n", moda_init_names[l->init]);
    if (l->bias && !isnan(l->bias_init)) print_real(f, "bias_init", l->bias_init);
}

static void print_layer(FILE *f, const moda_net *net, size_t i)
{
    const moda_layer *l = &net->layers[i];
    fprintf(f, "\n[%s]\nname = %s\n", moda_layer_kind_name(l->kind), l->name);
    if (moda_layer_inputs(l) == 2)
        fprintf(f, "from = %s, %s\n", net->layers[l->input[0]].name, net->layers[l->input[1]].name);
    else if (l->input[0] != i - 1)
        fprintf(f, "from = %s\n", net->layers[l->input[0]].name);
    switch (l->kind) {
    case MODA_LAYER_CONV:
        fprintf(f, "outputs = %zu\n", l->shape.c);
        print_window(f, l, 1);
        if (l->groups != 1) fprintf(f, "groups = %zu\n", l->groups);
        print_start(f, l, net->conv_init);
        break;
    case MODA_LAYER_LINEAR:
        fprintf(f, "outputs = %zu\n", l->shape.c);
        print_start(f, l, net->linear_init);
        break;
    case MODA_LAYER_RELU:
        if (!l->tracked) fprintf(f, "tracked = no\n");
        break;
    case MODA_LAYER_MAXPOOL:
    case MODA_LAYER_AVGPOOL: print_window(f, l, l->kernel); break;
    case MODA_LAYER_BATCHNORM:
        if (l->eps != 1e-5) print_real(f, "eps", l->eps);
        if (l->momentum != 0.1) print_real(f, "momentum", l->momentum);
        break;
    case MODA_LAYER_SELECT: moda_net_print_channels(f, l->channels, l->shape.c); break;
    default: break;
    }
}

moda_status moda_net_print(const moda_net *net, char **text)
{
    moda_status st = MODA_OK;
    char *printed = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&printed, &size);
    MODA_CHECK(f, MODA_ERR_NOMEM, "out of memory: %s", strerror(errno));
    fprintf(f, "[net]\nname = %s\ninput = %zu %zu %zu\nclasses = %zu\n", net->name, net->input.c,
            net->input.h, net->input.w, net->classes);
    fprintf(f, "conv_init = %s\nlinear_init = %s\n", moda_init_names[net->conv_init],
            moda_init_names[net->linear_init]);
    for (size_t i = 1; i < net->layer_count; i++) print_layer(f, net, i);
    MODA_CHECK(moda_text_close(f, &printed), MODA_ERR_NOMEM,
               "out of memory: a description of %zu bytes", size);
    *text = printed;
out:
    return st;
}
