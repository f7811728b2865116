/* base/options_output.c - files that a command will write after hours of work, looked at before it
 * begins: each can be written, no two of them are one, and none is what the command reads. */
#include "base/file.h"
#include "base/options_internal.h"
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The absolute path without links. What is not there yet, folders too, stays as it is written.
 * Fresh memory, NULL when out of it. */
static char *real_path(const char *path)
{
    char *real = realpath(path, NULL);
    if (real || strcmp(path, ".") == 0 || strcmp(path, "/") == 0)
        return real ? real : moda_format("%s", path);
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    char *folder = slash == path ? moda_format("/")
                   : slash       ? moda_format("%.*s", (int)(slash - path), path)
                                 : moda_format(".");
    char *parent = folder ? real_path(folder) : NULL;
    const char *between = parent && strcmp(parent, "/") == 0 ? "" : "/";
    bool same = *name == 0 || strcmp(name, ".") == 0; /* "a/" and "a/." are "a" */
    if (parent) real = moda_format("%s%s%s", parent, same ? "" : between, same ? "" : name);
    free(folder);
    free(parent);
    return real;
}

/* Devices and pipes take what several writers have to say. */
static bool takes_many(const char *path)
{
    struct stat s;
    return stat(path, &s) == 0 && !S_ISREG(s.st_mode);
}

/* The rest of file below folder, both as real_path() gives them; NULL if it is elsewhere. */
static const char *below(const char *file, const char *folder)
{
    const size_t length = strcmp(folder, "/") == 0 ? 0 : strlen(folder);
    return strncmp(file, folder, length) == 0 && file[length] == '/' ? file + length + 1 : NULL;
}

/* Two outputs in one file: the later one would replace the earlier one. */
static moda_status check_pairs(const moda_option **all, size_t n, const char **values, char **real)
{
    moda_status st = MODA_OK;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            MODA_CHECK(!real[i] || !real[j] || takes_many(real[i]) || strcmp(real[i], real[j]) != 0,
                       MODA_ERR_ARG, "--%s %s: the same file as --%s: give each its own",
                       all[i]->name, values[i], all[j]->name);
out:
    return st;
}

/* The file of an operand or text that names one: "FILE", or "NAME:FILE". Device and inode, so that links are seen
 * through. */
static bool names_file(const char *text, const struct stat *file)
{
    struct stat s;
    const char *colon = strchr(text, ':');
    return (stat(text, &s) == 0 && s.st_dev == file->st_dev && s.st_ino == file->st_ino) ||
           (colon && names_file(colon + 1, file));
}

/* An output in the place of what is read: that would be lost. */
static moda_status check_sources(const moda_option **all, size_t n, const char **values,
                                 char *const *operands, size_t operand_count)
{
    moda_status st = MODA_OK;
    struct stat s;
    for (size_t i = 0; i < n; i++) {
        if (!values[i] || all[i]->kind != MODA_OPTION_OUTPUT || stat(values[i], &s) != 0 ||
            !S_ISREG(s.st_mode))
            continue;
        for (size_t j = 0; j < operand_count; j++)
            MODA_CHECK(!names_file(operands[j], &s), MODA_ERR_ARG,
                       "--%s %s: the file that is read: name another one", all[i]->name, values[i]);
        for (size_t j = 0; j < n; j++)
            MODA_CHECK(!values[j] || all[j]->kind != MODA_OPTION_TEXT || !names_file(values[j], &s),
                       MODA_ERR_ARG, "--%s %s: the file of --%s, which is read: name another one",
                       all[i]->name, values[i], all[j]->name);
    }
out:
    return st;
}

moda_status moda_options_check_outputs(const moda_option **all, size_t n, const char **values,
                                       char *const *operands, size_t operand_count)
{
    moda_status st = MODA_OK;
    char *made = NULL; /* the folder given with --out, if the command is going to make it */
    char **real = NULL;
    MODA_ALLOC(real, n * sizeof *real);
    for (size_t i = 0; i < n; i++) {
        if (!values[i] || strcmp(all[i]->name, "out") != 0 || moda_is_directory(values[i]))
            continue;
        MODA_CHECK((made = real_path(values[i])) != NULL, MODA_ERR_NOMEM, "out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        if (!values[i] || all[i]->kind != MODA_OPTION_OUTPUT) continue;
        MODA_CHECK((real[i] = real_path(values[i])) != NULL, MODA_ERR_NOMEM, "out of memory");
        if (made && below(real[i], made)) continue;
        st = moda_check_writable(values[i]);
        if (st != MODA_OK) MODA_TRY(moda_fail_context(st, "--%s", all[i]->name));
    }
    MODA_TRY(check_pairs(all, n, values, real));
    MODA_TRY(check_sources(all, n, values, operands, operand_count));
out:
    for (size_t i = 0; real && i < n; i++) free(real[i]);
    free(real);
    free(made);
    return st;
}

moda_status moda_check_distinct(const char *option, const char *path, const char *directory,
                                const char *const *names)
{
    moda_status st = MODA_OK;
    char *file = NULL, *folder = NULL;
    if (!path || takes_many(path)) goto out;
    MODA_CHECK((file = real_path(path)) != NULL, MODA_ERR_NOMEM, "out of memory");
    MODA_CHECK((folder = real_path(directory)) != NULL, MODA_ERR_NOMEM, "out of memory");
    const char *rest = below(file, folder);
    for (size_t i = 0; rest && names[i]; i++)
        MODA_CHECK(fnmatch(names[i], rest, FNM_PATHNAME) != 0, MODA_ERR_ARG,
                   "--%s %s: a file of that name belongs to the results in %s: give another name",
                   option, path, directory);
out:
    free(file);
    free(folder);
    return st;
}

moda_status moda_check_apart(const char *option, const char *path, const char *own)
{
    moda_status st = MODA_OK;
    char *file = NULL, *other = NULL;
    if (!path || takes_many(path)) goto out;
    MODA_CHECK((file = real_path(path)) != NULL, MODA_ERR_NOMEM, "out of memory");
    MODA_CHECK((other = real_path(own)) != NULL, MODA_ERR_NOMEM, "out of memory");
    MODA_CHECK(strcmp(file, other) != 0, MODA_ERR_ARG,
               "--%s %s: other results are written there: give another name", option, path);
out:
    free(file);
    free(other);
    return st;
}
