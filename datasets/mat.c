/* datasets/mat.c - opening MATLAB files and reading their variables, by matio. */
#include "base/file.h"
#include "datasets/mat_elements_internal.h"
#include "datasets/mat_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct moda_mat {
    char *path;
    mat_t *file;
};

static _Thread_local char complaint[256];

static void keep_complaint(int level, char *message)
{
    if (level == MATIO_LOG_LEVEL_DEBUG || complaint[0]) return; /* the first one is the cause */
    snprintf(complaint, sizeof complaint, "%s", message);
    for (char *c = complaint; *c; c++)
        if (*c == '\n') *c = ' ';
}

static void listen(void)
{
    complaint[0] = 0;
    Mat_LogInitFunc("moda", keep_complaint);
}

moda_status moda_mat_open(const char *path, moda_mat **result)
{
    moda_status st = MODA_OK;
    moda_mapped_file bytes = {0};
    moda_mat *mat = NULL;
    MODA_ALLOC(mat, sizeof *mat);
    MODA_CHECK((mat->path = strdup(path)) != NULL, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_file_map(path, &bytes));
    MODA_TRY(moda_mat_check_elements(path, bytes.data, bytes.size));
    listen();
    mat->file = Mat_Open(path, MAT_ACC_RDONLY);
    MODA_CHECK(mat->file, MODA_ERR_FORMAT, "%s: matio cannot read it (%s): fetch it again", path,
               complaint);
    *result = mat, mat = NULL;
out:
    moda_file_unmap(&bytes);
    moda_mat_close(mat);
    return st;
}

void moda_mat_close(moda_mat *mat)
{
    if (!mat) return;
    if (mat->file) Mat_Close(mat->file);
    free(mat->path);
    free(mat);
}

moda_status moda_mat_find(moda_mat *mat, const char *name, const char *wanted, matvar_t **variable)
{
    moda_status st = MODA_OK;
    listen();
    matvar_t *v = Mat_VarReadInfo(mat->file, name);
    MODA_CHECK(v && v->rank > 0 && v->dims, MODA_ERR_FORMAT,
               "%s: no variable '%s' in it: the file should hold %s", mat->path, name, wanted);
    *variable = v, v = NULL;
out:
    if (v) Mat_VarFree(v);
    return st;
}

moda_status moda_mat_load(moda_mat *mat, matvar_t *variable)
{
    moda_status st = MODA_OK;
    size_t elements = 1;
    for (int d = 0; d < variable->rank; d++) elements *= variable->dims[d];
    listen();
    const int failed = Mat_VarReadDataAll(mat->file, variable);
    MODA_CHECK(failed == 0 && !complaint[0] && variable->data, MODA_ERR_FORMAT,
               "%s: matio cannot read '%s' (%s): fetch the file again", mat->path, variable->name,
               complaint[0] ? complaint : "no data");
    MODA_CHECK(variable->nbytes == elements * Mat_SizeOfClass(variable->class_type),
               MODA_ERR_FORMAT, "%s: '%s' has %zu bytes for %zu elements: fetch the file again",
               mat->path, variable->name, variable->nbytes, elements);
out:
    return st;
}
