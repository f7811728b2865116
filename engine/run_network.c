#include "engine/run_network.h"
#include "base/file.h"
#include "engine/method.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The canonical description of the same file with what the run's network knows in place of the data. */
static moda_status describe_now(const char *name_or_path, const json_t *config, const moda_net *net,
                                char **text)
{
    moda_status st = MODA_OK;
    const moda_method method =
        moda_method_named(json_string_value(json_object_get(config, "method")));
    moda_net *now = NULL;
    MODA_TRY(
        moda_method_net(method, name_or_path, (moda_net_defaults){net->input, net->classes}, &now));
    MODA_TRY(moda_net_print(now, text));
out:
    moda_net_destroy(now);
    return st;
}

/* The next line that is not empty, for a message. */
enum { LINE = 80 };
static void copy_line(const char *from, char text[LINE])
{
    from += strspn(from, "\n");
    if (!*from) from = "the end";
    snprintf(text, LINE, "%.*s", (int)strcspn(from, "\n"), from);
}

/* Line by line; the message has the first that differs, and the last name before it. */
static moda_status compare(const char *was, const char *now, const char *path,
                           const char *name_or_path)
{
    moda_status st = MODA_OK;
    char name[LINE] = "net", before[LINE], after[LINE];
    for (size_t a, b; *was || *now; was += a + (was[a] != 0), now += b + (now[b] != 0)) {
        a = strcspn(was, "\n"), b = strcspn(now, "\n");
        if (strncmp(was, "name = ", 7) == 0) copy_line(was + 7, name);
        if (a == b && memcmp(was, now, a) == 0) continue;
        copy_line(was, before), copy_line(now, after);
        MODA_CHECK(false, MODA_ERR_ARG,
                   "%s: changed since %s was written: near %s it has '%s', the network that was "
                   "trained '%s': name another folder with --out, or take the change back",
                   name_or_path, path, name, after, before);
    }
out:
    return st;
}

moda_status moda_run_check_network(const json_t *config, const char *path, const char *name_or_path)
{
    moda_status st = MODA_OK;
    const char *description = json_string_value(json_object_get(config, "description"));
    const bool gone = moda_net_is_path(name_or_path) && !moda_is_file(name_or_path);
    moda_net *net = NULL;
    char *was = NULL, *now = NULL;
    if (!description || gone) goto out;
    MODA_TRY(moda_net_parse(description, path, (moda_net_defaults){0}, &net));
    MODA_TRY(moda_net_print(net, &was)); /* as this program prints it, whichever wrote the file */
    MODA_TRY(describe_now(name_or_path, config, net, &now));
    MODA_TRY(compare(was, now, path, name_or_path));
out:
    moda_net_destroy(net);
    free(was);
    free(now);
    return st;
}
