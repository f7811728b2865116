/* base/options_help.c - the text behind --help. */
#include "base/options_internal.h"
#include <stdio.h>
#include <string.h>

enum { HELP_COLUMN = 26 };

static void print_option(const char *name, const char *value, const char *help)
{
    int width = printf("  --%s%s%s", name, value ? " " : "", value ? value : "");
    if (width + 2 > HELP_COLUMN) {
        printf("\n");
        width = 0;
    }
    printf("%*s%s\n", HELP_COLUMN - width, "", help ? help : "");
}

/* A CHOICE without a placeholder shows its words. */
static const char *placeholder(const moda_option *option, char *text, size_t size)
{
    if (option->value || option->kind != MODA_OPTION_CHOICE) return option->value;
    size_t used = 0;
    for (size_t i = 0; option->choices[i] && used < size; i++)
        used +=
            (size_t)snprintf(text + used, size - used, "%s%s", i ? "|" : "", option->choices[i]);
    return text;
}

void moda_options_help(const moda_command *command, const moda_option **all, size_t n)
{
    bool operands = command->operands && *command->operands;
    printf("usage: moda %s [OPTION...]%s%s\n", command->name, operands ? " " : "",
           operands ? command->operands : "");
    printf("%s\n\noptions\n", command->summary);
    for (size_t i = 0; i < n; i++) {
        char text[256];
        print_option(all[i]->name, placeholder(all[i], text, sizeof text), all[i]->help);
    }
    print_option("help", NULL, "this text");
    if (command->example) printf("\nexample\n  %s\n", command->example);
}
