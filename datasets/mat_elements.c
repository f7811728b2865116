/* datasets/mat_elements.c - what a MATLAB file of version 5 is made of.
 *
 * A header of 128 bytes (text, then at byte 124 the version 0x0100 and "MI" in the file's byte
 * order), then elements: type and length, 4 bytes each, and the content. An element of type 15 is a
 * zlib stream that holds one element of type 14: a variable. That begins with elements of its own:
 * flags (class in the lowest byte of the first word), dimensions (one word each), name; of up to 4
 * bytes, type and length share a word, and the content is the other one. */
#include "datasets/mat_elements_internal.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { HEADER = 128, VERSION_AT = 124, TAG = 8, CHUNK = 1 << 16 };
enum {
    TYPE_TEXT = 1,
    TYPE_DIMENSIONS = 5,
    TYPE_FLAGS = 6,
    TYPE_VARIABLE = 14,
    TYPE_COMPRESSED = 15
};
enum { CLASS_DOUBLE = 6, CLASS_UINT64 = 15 }; /* and all between: arrays of numbers */
enum { CLASS_AT = 2 * TAG, DIMENSIONS_AT = 3 * TAG, MOST_DIMENSIONS = 8, LONGEST_NAME = 63 };

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

/* The beginning of a variable, from its tag on: size bytes of it are at hand. matio allocates what
 * these few words claim, and cells and structures are made of such claims: only arrays of numbers
 * pass, of no more elements than the length of their own element allows. */
static bool is_array(const uint8_t *head, size_t size, size_t length, bool big)
{
    const uint8_t *dimensions = head + DIMENSIONS_AT;
    if (size < DIMENSIONS_AT + TAG || word_at(head, big) != TYPE_VARIABLE) return false;
    if (word_at(head + TAG, big) != TYPE_FLAGS || word_at(head + TAG + 4, big) != 8) return false;
    const uint32_t class = word_at(head + CLASS_AT, big) & 0xff;
    const size_t bytes = word_at(dimensions + 4, big), rank = bytes / 4;
    if (class < CLASS_DOUBLE || class > CLASS_UINT64) return false;
    if (word_at(dimensions, big) != TYPE_DIMENSIONS || rank < 2 || rank > MOST_DIMENSIONS)
        return false;
    const size_t name = DIMENSIONS_AT + TAG + (rank + 1) / 2 * TAG;
    if (bytes % 4 != 0 || size < name + TAG) return false;
    size_t elements = 1;
    bool fits = true;
    for (size_t d = 0; d < rank; d++)
        fits &=
            !__builtin_mul_overflow(elements, word_at(dimensions + TAG + 4 * d, big), &elements);
    const uint32_t type = word_at(head + name, big);
    const bool named = type >> 16
                           ? (type & 0xffff) == TYPE_TEXT && type >> 16 <= 4
                           : type == TYPE_TEXT && word_at(head + name + 4, big) <= LONGEST_NAME;
    return fits && elements <= length && named;
}

/* Unpacks to nowhere, but for the first bytes, which stay in out [CHUNK]; that compares the stream's
 * checksum, too. */
static moda_status inflate_element(const char *path, const uint8_t *data, size_t at, size_t length,
                                   uint8_t *out, size_t *unpacked)
{
    moda_status st = MODA_OK;
    uint8_t *rest = out;
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)data + at, .avail_in = (uInt)length};
    int result = inflateInit(&z);
    MODA_CHECK(result == Z_OK, MODA_ERR_NOMEM, "%s: zlib cannot start (%d)", path, result);
    for (*unpacked = 0; result == Z_OK; rest = out + CHUNK) {
        z.next_out = rest, z.avail_out = CHUNK;
        result = inflate(&z, Z_NO_FLUSH);
        *unpacked += CHUNK - z.avail_out;
    }
    MODA_CHECK(result == Z_STREAM_END, MODA_ERR_FORMAT,
               "%s: corrupt data near byte %zu (%s): fetch the file again", path,
               at + length - z.avail_in, z.msg ? z.msg : "a stream that does not end");
out:
    inflateEnd(&z);
    return st;
}

moda_status moda_mat_check_elements(const char *path, const uint8_t *data, size_t size)
{
    moda_status st = MODA_OK;
    uint8_t *unpacked = NULL; /* [2*CHUNK]: the first bytes, and room for the others */
    bool big = false;
    MODA_TRY(check_header(path, data, size, &big));
    MODA_ALLOC(unpacked, 2 * CHUNK);
    for (size_t at = HEADER; at < size;) {
        size_t length = size - at >= TAG ? word_at(data + at + 4, big) : 0;
        MODA_CHECK(size - at >= TAG && length <= size - at - TAG, MODA_ERR_FORMAT,
                   "%s: truncated: the element at byte %zu has %zu of %zu bytes: fetch the file "
                   "again",
                   path, at, size - at, TAG + length);
        const size_t next = at + TAG + length;
        const uint8_t *head = data + at;
        size_t head_size = TAG + length;
        if (word_at(head, big) == TYPE_COMPRESSED) {
            MODA_TRY(inflate_element(path, data, at + TAG, length, unpacked, &length));
            head = unpacked, head_size = length < CHUNK ? length : CHUNK;
        }
        MODA_CHECK(
            is_array(head, head_size, length, big), MODA_ERR_FORMAT,
            "%s: the variable at byte %zu is no array of numbers that fits into its %zu bytes: "
            "write a file of arrays alone, or fetch it again",
            path, at, length);
        at = next;
    }
    MODA_CHECK(size > HEADER, MODA_ERR_FORMAT, "%s: holds no variable: fetch the file again", path);
out:
    free(unpacked);
    return st;
}
