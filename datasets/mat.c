/* datasets/mat.c - opening MATLAB files and reading their variables.
 *
 * Version 5: a header of 128 bytes (text, then at byte 124 the version 0x0100 and "MI" in the file's
 * byte order), then elements: type and length, 4 bytes each, and the content. A compressed element
 * (type 15) is a zlib stream that holds one element. */
#include "base/file.h"
#include "datasets/mat_internal.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { HEADER = 128, VERSION_AT = 124, TAG = 8, COMPRESSED = 15, CHUNK = 1 << 16 };

struct moda_mat {
    char *path;
    mat_t *file;
    size_t largest; /* bytes of the largest element, unpacked: no variable has more */
};

/* ---- what matio says ---- */

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

/* ---- the file's elements ---- */

static uint32_t word_at(const uint8_t *data, bool big)
{
    uint32_t w = 0;
    for (int i = 0; i < 4; i++) w |= (uint32_t)data[i] << 8 * (big ? 3 - i : i);
    return w;
}

static moda_status check_header(const char *path, const uint8_t *data, size_t size, bool *big)
{
    moda_status st = MODA_OK;
    static const char hdf5[] = {'\x89', 'H', 'D', 'F'};
    MODA_CHECK(size > 0, MODA_ERR_FORMAT, "%s: empty file: fetch it again", path);
    bool newer = size >= sizeof hdf5 && memcmp(data, hdf5, sizeof hdf5) == 0;
    const uint8_t *v = data + VERSION_AT;
    const bool known = size >= HEADER && memcmp(data, "MATLAB ", 7) == 0;
    *big = known && v[2] == 'M' && v[3] == 'I';
    const bool little = known && v[2] == 'I' && v[3] == 'M';
    const uint8_t version = *big ? v[0] : little ? v[1] : 0;
    newer |= version == 2;
    MODA_CHECK(!newer, MODA_ERR_FORMAT,
               "%s: a MATLAB file of version 7.3 (HDF5): write it with save(..., '-v7')", path);
    MODA_CHECK(version == 1, MODA_ERR_FORMAT,
               "%s: not a MATLAB file of version 5: fetch it again, or write it with "
               "save(..., '-v7')",
               path);
out:
    return st;
}

/* Unpacks to nowhere; that compares the stream's checksum too. */
static moda_status inflate_element(const char *path, const uint8_t *data, size_t at, size_t length,
                                   size_t *unpacked)
{
    moda_status st = MODA_OK;
    uint8_t *out = NULL;
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)data + at, .avail_in = (uInt)length};
    int result = inflateInit(&z);
    MODA_CHECK(result == Z_OK, MODA_ERR_NOMEM, "%s: zlib cannot start (%d)", path, result);
    MODA_ALLOC(out, CHUNK);
    for (*unpacked = 0; result == Z_OK;) {
        z.next_out = out, z.avail_out = CHUNK;
        result = inflate(&z, Z_NO_FLUSH);
        *unpacked += CHUNK - z.avail_out;
    }
    MODA_CHECK(result == Z_STREAM_END, MODA_ERR_FORMAT,
               "%s: corrupt data near byte %zu (%s): fetch the file again", path,
               at + length - z.avail_in, z.msg ? z.msg : "a stream that does not end");
out:
    inflateEnd(&z);
    free(out);
    return st;
}

static moda_status check_elements(const char *path, const uint8_t *data, size_t size, bool big,
                                  size_t *largest)
{
    moda_status st = MODA_OK;
    *largest = 0;
    for (size_t at = HEADER; at < size;) {
        size_t length = size - at >= TAG ? word_at(data + at + 4, big) : 0;
        MODA_CHECK(size - at >= TAG && length <= size - at - TAG, MODA_ERR_FORMAT,
                   "%s: truncated: the element at byte %zu has %zu of %zu bytes: fetch the file "
                   "again",
                   path, at, size - at, TAG + length);
        const size_t next = at + TAG + length;
        if (word_at(data + at, big) == COMPRESSED)
            MODA_TRY(inflate_element(path, data, at + TAG, length, &length));
        if (length > *largest) *largest = length;
        at = next;
    }
    MODA_CHECK(*largest > 0, MODA_ERR_FORMAT, "%s: holds no variable: fetch the file again", path);
out:
    return st;
}

/* ---- the door to matio ---- */

moda_status moda_mat_open(const char *path, moda_mat **result)
{
    moda_status st = MODA_OK;
    moda_mapped_file bytes = {0};
    moda_mat *mat = NULL;
    bool big = false;
    MODA_ALLOC(mat, sizeof *mat);
    MODA_CHECK((mat->path = strdup(path)) != NULL, MODA_ERR_NOMEM, "out of memory");
    MODA_TRY(moda_file_map(path, &bytes));
    MODA_TRY(check_header(path, bytes.data, bytes.size, &big));
    MODA_TRY(check_elements(path, bytes.data, bytes.size, big, &mat->largest));
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
    bool fits = true;
    for (int d = 0; d < variable->rank; d++)
        fits &= !__builtin_mul_overflow(elements, variable->dims[d], &elements);
    MODA_CHECK(fits && elements <= mat->largest, MODA_ERR_FORMAT,
               "%s: '%s' claims more elements than the file's %zu bytes hold: fetch the file again",
               mat->path, variable->name, mat->largest);
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
