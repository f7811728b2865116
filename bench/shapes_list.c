/* bench/shapes_list.c - lists of shapes, out of files and networks, and networks out of shapes. */
#include "base/file.h"
#include "bench/shapes.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

moda_problem moda_problem_of(const moda_net *net, size_t layer, size_t n)
{
    const moda_layer *l = &net->layers[layer];
    const moda_shape in = net->layers[l->input[0]].shape;
    const bool conv = l->kind == MODA_LAYER_CONV;
    moda_problem p = {.kind = l->kind,
                      .n = n,
                      .groups = conv ? l->groups : 1,
                      .ic = in.c,
                      .ih = in.h,
                      .iw = in.w,
                      .oc = l->shape.c,
                      .oh = l->shape.h,
                      .ow = l->shape.w,
                      .kernel = conv ? l->kernel : 1,
                      .stride = conv ? l->stride : 1,
                      .padding = conv ? l->padding : 0};
    snprintf(p.name, sizeof p.name, "%s", l->name);
    return p;
}

moda_status moda_problems_add(moda_problems *list, const moda_problem *problem)
{
    moda_status st = MODA_OK;
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity ? 2 * list->capacity : 16;
        moda_problem *grown = realloc(list->items, capacity * sizeof *grown);
        MODA_CHECK(grown, MODA_ERR_NOMEM, "out of memory: %zu shapes", capacity);
        list->items = grown, list->capacity = capacity;
    }
    list->items[list->count++] = *problem;
out:
    return st;
}

void moda_problems_free(moda_problems *list)
{
    if (!list) return;
    free(list->items);
    *list = (moda_problems){0};
}

/* Without comment and blanks at both ends, in place. */
static char *bare(char *line)
{
    static const char blanks[] = " \t\r\n";
    line[strcspn(line, "#")] = 0;
    line += strspn(line, blanks);
    size_t n = strlen(line);
    while (n > 0 && strchr(blanks, line[n - 1])) line[--n] = 0;
    return line;
}

static moda_status read_line(moda_layer_kind kind, char *line, moda_problems *list)
{
    moda_status st = MODA_OK;
    moda_problem p;
    if (!*line) goto out;
    MODA_CHECK(line[0] != '-', MODA_ERR_ARG,
               "'%.16s': benchdnn's options are not read here, only shapes", line);
    MODA_TRY(moda_problem_parse(kind, line, &p));
    MODA_TRY(moda_problems_add(list, &p));
out:
    return st;
}

moda_status moda_problems_read(moda_layer_kind kind, const char *path, moda_problems *list)
{
    moda_status st = MODA_OK;
    moda_mapped_file file = {0};
    const size_t before = list->count;
    char line[1024];
    MODA_TRY(moda_file_map(path, &file));
    for (size_t start = 0, number = 1; start < file.size; number++) {
        const char *text = (const char *)file.data + start;
        const char *newline = memchr(text, '\n', file.size - start);
        const size_t length = newline ? (size_t)(newline - text) : file.size - start;
        MODA_CHECK(length < sizeof line && !memchr(text, 0, length), MODA_ERR_FORMAT,
                   "%s:%zu: no line of text with a shape", path, number);
        memcpy(line, text, length);
        line[length] = 0;
        st = read_line(kind, bare(line), list);
        if (st == MODA_ERR_ARG) st = MODA_ERR_FORMAT; /* the file is wrong, not the call */
        MODA_TRY(moda_fail_context(st, "%s:%zu", path, number));
        start += length + 1;
    }
    MODA_CHECK(list->count > before, MODA_ERR_FORMAT, "%s: no shape in it; write one a line", path);
out:
    moda_file_unmap(&file);
    return st;
}

moda_status moda_problem_net(const moda_problem *p, bool bias, moda_net **net)
{
    moda_status st = MODA_OK;
    char text[512], shape[MODA_PROBLEM_TEXT];
    const char *yes = bias ? "yes" : "no";
    size_t n =
        (size_t)snprintf(text, sizeof text, "[net]\ninput = %zu %zu %zu\n", p->ic, p->ih, p->iw);
    if (p->kind == MODA_LAYER_CONV)
        n += (size_t)snprintf(text + n, sizeof text - n,
                              "[conv]\nname = layer\noutputs = %zu\nkernel = %zu\nstride = %zu\n"
                              "padding = %zu\ngroups = %zu\nbias = %s\n",
                              p->oc, p->kernel, p->stride, p->padding, p->groups, yes);
    else
        n += (size_t)snprintf(text + n, sizeof text - n,
                              "[linear]\nname = layer\noutputs = %zu\nbias = %s\n", p->oc, yes);
    snprintf(text + n, sizeof text - n, "[linear]\nname = last\noutputs = 1\n");
    st = moda_net_parse(text, moda_problem_text(p, shape), (moda_net_defaults){{0, 0, 0}, 0}, net);
    MODA_CHECK(st == MODA_OK || st == MODA_ERR_NOMEM, MODA_ERR_ARG,
               "%s: the layer is too large to be computed: make it smaller", shape);
out:
    return st;
}
