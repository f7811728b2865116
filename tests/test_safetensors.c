/* tests/test_safetensors.c - engine/safetensors.h: every lie that a header can tell, and that what
 * is written reads back. */
#include "base/file.h"
#include "base/rng.h"
#include "engine/safetensors.h"

#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/moda-safetensors-XXXXXX";
static char *path;

static void make_folder(void)
{
    cr_assert(mkdtemp(folder) != NULL);
    path = moda_format("%s/x.safetensors", folder);
}

static void remove_folder(void)
{
    unlink(path);
    cr_assert(eq(int, rmdir(folder), 0), "something is left in %s", folder);
    free(path);
}

TestSuite(safetensors, .init = make_folder, .fini = remove_folder, .timeout = 60);

static void write_bytes(const void *bytes, size_t n)
{
    unlink(path); /* some file systems write a truncated file out at once, which takes long */
    FILE *f = fopen(path, "wb");
    cr_assert(f && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
}

/* A file with this header, whose length is claimed to be length, and data_size bytes of data. */
static void write_file(const char *header, uint64_t length, size_t data_size)
{
    unsigned char bytes[4096];
    const size_t n = strlen(header);
    cr_assert(lt(sz, 8 + n + data_size, sizeof bytes));
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(length >> (8 * i));
    memcpy(bytes + 8, header, n);
    for (size_t i = 0; i < data_size; i++) bytes[8 + n + i] = (unsigned char)(i * 37 + 1);
    write_bytes(bytes, 8 + n + data_size);
}

static void must_refuse(const char *says, const char *what)
{
    moda_tensor_file *file = NULL;
    const moda_status st = moda_tensor_file_open(path, &file);
    cr_expect(eq(int, st, MODA_ERR_FORMAT), "status %d: %s", st, what);
    cr_expect(strncmp(moda_last_error(), path, strlen(path)) == 0 &&
                  strstr(moda_last_error(), says),
              "wanted 'PATH: ...%s', got '%s' for %s", says, moda_last_error(), what);
    cr_expect(file == NULL);
    moda_tensor_file_close(file);
}

#define T(shape, from, to) \
    "{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" from "," to "]}"

/* ---- lies; all have 16 bytes of data ---- */

static const struct lie {
    const char *header, *says;
} lies[] = {
    {"", "the header is not JSON"},
    {"{", "the header is not JSON"},
    {"{}x", "the header is not JSON"},
    {"[]", "no JSON object"},
    {" {\"a\":" T("[4]", "0", "16") "}", "no JSON object"},
    {"{\"a\":\xFF}", "the header is not JSON"},
    {"{\"a\":" T("[4]", "0", "16") ",\"a\":" T("[4]", "0", "16") "}", "duplicate"},
    {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}",
     "duplicate"},
    {"{\"a\":4}", "expected exactly dtype, shape and data_offsets"},
    {"{\"a\":{\"shape\":[4],\"data_offsets\":[0,16]}}", "expected exactly dtype"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16],\"x\":1}}",
     "expected exactly"},
    {"{\"a\":{\"dtype\":4,\"shape\":[4],\"data_offsets\":[0,16]}}", "dtype is missing"},
    {"{\"a\":{\"dtype\":\"F128\",\"shape\":[1],\"data_offsets\":[0,16]}}", "unknown dtype 'F128'"},
    {"{\"a\":{\"dtype\":\"f32\",\"shape\":[4],\"data_offsets\":[0,16]}}", "unknown dtype 'f32'"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":4,\"data_offsets\":[0,16]}}",
     "shape is missing or no list"},
    {"{\"a\":{\"dtype\":\"F32\",\"shapes\":[4],\"data_offsets\":[0,16]}}", "shape is missing"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":16}}", "data_offsets is missing"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0]}}", "data_offsets is missing"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16,16]}}",
     "data_offsets is missing"},
    {"{\"a\":" T("[4]", "-0.0", "16") "}", "two whole numbers"},
    {"{\"a\":" T("[4]", "0", "16.0") "}", "two whole numbers"},
    {"{\"a\":" T("[4]", "0", "\"16\"") "}", "two whole numbers"},
    {"{\"a\":" T("[4]", "-16", "0") "}", "two whole numbers"},
    {"{\"a\":" T("[4]", "16", "0") "}", "outside the file's 16 data bytes"},
    {"{\"a\":" T("[4]", "0", "17") "}", "outside the file's 16 data bytes"},
    {"{\"a\":" T("[4]", "9223372036854775800", "9223372036854775807") "}", "outside the file's"},
    {"{\"a\":" T("[4]", "0", "99999999999999999999") "}", "the header is not JSON"},
    {"{\"a\":" T("[-4]", "0", "16") "}", "entry 0 of its shape"},
    {"{\"a\":" T("[2,2.0]", "0", "16") "}", "entry 1 of its shape"},
    {"{\"a\":" T("[null]", "0", "16") "}", "entry 0 of its shape"},
    {"{\"a\":" T("[1,1,1,1,1,1,1,1,4]", "0", "16") "}", "9 dimensions; at most 8"},
    {"{\"a\":" T("[5]", "0", "16") "}", "does not take the 16 bytes"},
    {"{\"a\":" T("[3]", "0", "16") "}", "does not take the 16 bytes"},
    {"{\"a\":" T("[]", "0", "16") "}", "does not take the 16 bytes"},
    /* 4 bytes * 2^31 * 2^31 * 4 = 2^66, which is 0 modulo 2^64 */
    {"{\"a\":" T("[2147483648,2147483648,4]", "0", "0") "}", "does not take the 0 bytes"},
    {"{\"a\":" T("[4611686018427387908]", "0", "16") "}", "does not take the 16 bytes"},
    {"{\"a\":" T("[3]", "0", "12") ",\"b\":" T("[2]", "8", "16") "}",
     "'b' overlaps the bytes of 'a'"},
    {"{\"a\":" T("[4]", "0", "16") ",\"b\":" T("[4]", "0", "16") "}", "overlaps the bytes of"},
    {"{\"a\":" T("[4]", "0", "16") ",\"b\":" T("[0]", "4", "4") "}", "overlaps the bytes of"},
    {"{\"a\":" T("[1]", "0", "4") ",\"b\":" T("[2]", "8", "16") "}",
     "4 bytes in front of tensor 'b'"},
    {"{\"a\":" T("[3]", "4", "16") "}", "4 bytes in front of tensor 'a'"},
    {"{\"a\":" T("[3]", "0", "12") "}", "the last 4 bytes belong to no tensor"},
    {"{}", "the last 16 bytes belong to no tensor"},
    {"{\"__metadata__\":[],\"a\":" T("[4]", "0", "16") "}", "__metadata__ is no JSON object"},
    {"{\"__metadata__\":{\"k\":1},\"a\":" T("[4]", "0", "16") "}", "'k' is no string"},
    {"{\"__metadata__\":{\"k\":null},\"a\":" T("[4]", "0", "16") "}", "'k' is no string"},
    {"{\"__metadata__\":{\"k\":\"\",\"k\":\"\"},\"a\":" T("[4]", "0", "16") "}", "duplicate"},
};

Test(safetensors, headers_that_lie_are_refused)
{
    for (size_t i = 0; i < sizeof lies / sizeof lies[0]; i++) {
        write_file(lies[i].header, strlen(lies[i].header), 16);
        must_refuse(lies[i].says, lies[i].header);
    }
}

/* The same header without a lie: the table above is refused for what it says, not for its form. */
Test(safetensors, the_honest_header_is_accepted)
{
    moda_tensor_file *file = NULL;
    const char *header = "{\"__metadata__\":{\"k\":\"v\"},\"b\":" T("[2]", "8", "16") ",\"a\":" T(
        "[1,2]", "0", "8") ",\"none\":" T("[3,0]", "8", "8") "}   ";
    write_file(header, strlen(header), 16);
    cr_assert(eq(int, moda_tensor_file_open(path, &file), MODA_OK), "%s", moda_last_error());
    cr_assert(eq(sz, moda_tensor_file_count(file), 3));
    cr_assert(eq(str, (char *)moda_tensor_file_at(file, 0)->name, "a")); /* order of the bytes */
    cr_assert(eq(str, (char *)moda_tensor_file_at(file, 1)->name, "none"));
    cr_assert(eq(str, (char *)moda_tensor_file_at(file, 2)->name, "b"));
    cr_assert(moda_tensor_file_at(file, 3) == NULL);
    const moda_tensor *b = moda_tensor_file_find(file, "b");
    cr_assert(b && b->bytes == 8 && b->rank == 1 && b->shape[0] == 2);
    cr_assert(eq(int, *(const unsigned char *)b->data, 8 * 37 + 1 - 256));
    cr_assert(moda_tensor_file_find(file, "c") == NULL);
    cr_assert(moda_tensor_file_find(file, "__metadata__") == NULL);
    cr_assert(eq(str, (char *)moda_tensor_file_metadata(file, "k"), "v"));
    cr_assert(moda_tensor_file_metadata(file, "w") == NULL);
    cr_assert(eq(str, (char *)moda_tensor_file_path(file), path));
    moda_tensor_file_close(file);
}

Test(safetensors, lengths_that_lie_are_refused)
{
    const char *header = "{\"a\":" T("[4]", "0", "16") "}";
    const size_t n = strlen(header);
    write_bytes("", 0);
    must_refuse("0 bytes are too few", "an empty file");
    write_bytes("\2\0\0\0\0\0\0", 7);
    must_refuse("7 bytes are too few", "seven bytes");
    write_bytes("\0\0\0\0\0\0\0\0", 8);
    must_refuse("the header is not JSON", "an empty header");
    write_file(header, n + 17, 16);
    must_refuse("it is cut short", "one byte beyond the file");
    write_file(header, 100000001, 16);
    must_refuse("more than the 100000000", "a huge header");
    write_file(header, UINT64_MAX, 16);
    must_refuse("more than the 100000000", "the largest length");
    write_file(header, UINT64_MAX - 7, 16);
    must_refuse("more than the 100000000", "a length that wraps around");
    write_file(header, n - 1, 16);
    must_refuse("the header is not JSON", "one byte too few");
    write_file(header, n, 15);
    must_refuse("outside the file's 15 data bytes", "truncated data");
    write_file(header, n, 17);
    must_refuse("the last 1 bytes", "one byte too many");
}

Test(safetensors, names_in_messages_stay_short_and_on_one_line)
{
    char header[3000];
    char name[1500];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = 0;
    snprintf(header, sizeof header, "{\"%s\":4}", name);
    write_file(header, strlen(header), 16);
    must_refuse("nnn...': expected exactly", "a long name");
    write_file("{\"a\\nb\\u001b[31m\":4}", strlen("{\"a\\nb\\u001b[31m\":4}"), 16);
    must_refuse("expected exactly", "a name with control characters");
    cr_assert(strpbrk(moda_last_error(), "\n\033") == NULL, "%s", moda_last_error());
}

Test(safetensors, missing_files_and_folders_are_io_errors)
{
    moda_tensor_file *file = NULL;
    cr_assert(eq(int, moda_tensor_file_open(path, &file), MODA_ERR_IO));
    cr_assert(strncmp(moda_last_error(), path, strlen(path)) == 0, "%s", moda_last_error());
    cr_assert(eq(int, moda_tensor_file_open(folder, &file), MODA_ERR_IO));
}

/* ---- round trip ---- */

Test(safetensors, what_is_written_reads_back)
{
    static const float weights[6] = {1, -2, 3.5f, 0, -0.0f, 1e-40f};
    static const uint8_t odd[3] = {1, 2, 3};
    static const int64_t count = -5;
    const moda_tensor tensors[] = {
        {.name = "z.odd", .dtype = MODA_DTYPE_U8, .rank = 1, .shape = {3}, .bytes = 3, .data = odd},
        moda_tensor_f32("a.weight", weights, 2, 2, 3, 0, 0),
        {.name = "n\"\\\n\xC3\xA4", .dtype = MODA_DTYPE_I64, .rank = 0, .bytes = 8, .data = &count},
        {.name = "empty", .dtype = MODA_DTYPE_F16, .rank = 2, .shape = {0, 7}},
    };
    for (size_t pad = 0; pad < 9; pad++) { /* every residue of the header's length */
        char value[16] = "xxxxxxxxx";
        value[pad] = 0;
        const moda_metadata metadata[] = {{"note", "two\nlines"}, {"pad", value}};
        moda_tensor_file *file = NULL;
        cr_assert(eq(int, moda_tensor_file_write(path, tensors, 4, metadata, 2), MODA_OK), "%s",
                  moda_last_error());
        moda_mapped_file raw;
        cr_assert(eq(int, moda_file_map(path, &raw), MODA_OK));
        cr_assert(eq(sz, (raw.size - 3 - 24 - 8) % 8, 0), "data at byte %zu", raw.size - 35);
        moda_file_unmap(&raw);
        cr_assert(eq(int, moda_tensor_file_open(path, &file), MODA_OK), "%s", moda_last_error());
        cr_assert(eq(sz, moda_tensor_file_count(file), 4));
        for (size_t i = 0; i < 4; i++) {
            const moda_tensor *got = moda_tensor_file_find(file, tensors[i].name);
            cr_assert(got && (i == 3 || got == moda_tensor_file_at(file, i)), "tensor %zu", i);
            cr_assert(got->dtype == tensors[i].dtype && got->rank == tensors[i].rank &&
                      memcmp(got->shape, tensors[i].shape, got->rank * sizeof(size_t)) == 0);
            cr_assert(eq(sz, got->bytes, tensors[i].bytes));
            cr_assert(got->bytes == 0 || memcmp(got->data, tensors[i].data, got->bytes) == 0);
        }
        cr_assert(eq(str, (char *)moda_tensor_file_metadata(file, "note"), "two\nlines"));
        cr_assert(eq(str, (char *)moda_tensor_file_metadata(file, "pad"), value));
        moda_tensor_file_close(file);
    }
}

Test(safetensors, a_wrong_call_writes_nothing)
{
    static const float x[4] = {0};
    const moda_tensor good = moda_tensor_f32("a", x, 1, 4, 0, 0, 0);
    moda_tensor twice[2] = {good, good}, wrong = good, reserved = good, bytes = good;
    const moda_metadata metadata[] = {{"k", "1"}, {"k", "2"}}, broken[] = {{"k", "\xFF"}};
    wrong.bytes = 12;
    reserved.name = "__metadata__";
    bytes.name = "\xFF";
    cr_assert(eq(int, moda_tensor_file_write(path, twice, 2, NULL, 0), MODA_ERR_ARG));
    cr_assert(eq(int, moda_tensor_file_write(path, &wrong, 1, NULL, 0), MODA_ERR_ARG));
    cr_assert(eq(int, moda_tensor_file_write(path, &reserved, 1, NULL, 0), MODA_ERR_ARG));
    cr_assert(eq(int, moda_tensor_file_write(path, &bytes, 1, NULL, 0), MODA_ERR_ARG));
    cr_assert(eq(int, moda_tensor_file_write(path, &good, 1, metadata, 2), MODA_ERR_ARG));
    cr_assert(eq(int, moda_tensor_file_write(path, &good, 1, broken, 1), MODA_ERR_ARG));
    cr_assert(not(moda_is_file(path)));
    cr_assert(
        eq(int, moda_tensor_file_write("/nowhere/x.safetensors", &good, 1, NULL, 0), MODA_ERR_IO));
    cr_assert(eq(int, moda_tensor_file_write(path, &good, 1, NULL, 0), MODA_OK));
}

/* ---- damage ---- */

/* Reads every byte that a tensor of the file claims. */
static unsigned touch(const moda_tensor_file *file)
{
    unsigned sum = 0;
    for (size_t i = 0; i < moda_tensor_file_count(file); i++) {
        const moda_tensor *t = moda_tensor_file_at(file, i);
        for (size_t e = 0; e < t->bytes; e++) sum += ((const unsigned char *)t->data)[e];
    }
    return sum;
}

Test(safetensors, damaged_files_are_read_or_refused)
{
    static const float x[40] = {1};
    const moda_tensor tensors[] = {moda_tensor_f32("features.0.weight", x, 4, 2, 2, 3, 3),
                                   moda_tensor_f32("features.0.bias", x, 1, 2, 0, 0, 0)};
    const moda_metadata metadata[] = {{"moda.description", "[net]\n"}};
    const moda_rng rng = moda_rng_make(3, MODA_RNG_TEST, 0);
    unsigned char bytes[2048];
    size_t refusals = 0;
    cr_assert(eq(int, moda_tensor_file_write(path, tensors, 2, metadata, 1), MODA_OK));
    FILE *f = fopen(path, "rb");
    const size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    const size_t header = n - 38 * sizeof(float); /* damage in the data is no lie */
    for (size_t i = 0; i < 2000; i++) {
        const size_t flips = 1 + moda_rng_below(rng, 100 * i, 3);
        unsigned char copy[2048];
        moda_tensor_file *file = NULL;
        memcpy(copy, bytes, n);
        for (size_t k = 1; k <= flips; k++)
            copy[moda_rng_below(rng, 100 * i + 2 * k, header)] ^=
                (unsigned char)(1u << moda_rng_below(rng, 100 * i + 2 * k + 1, 8));
        write_bytes(copy, i % 4 ? n : moda_rng_below(rng, 100 * i + 50, n));
        if (moda_tensor_file_open(path, &file) == MODA_OK)
            touch(file);
        else
            refusals++;
        moda_tensor_file_close(file);
    }
    cr_assert(refusals > 1000 && refusals < 2000, "%zu of 2000 refused", refusals);
}

Test(safetensors, dtypes_have_names_and_sizes)
{
    static const struct {
        moda_dtype dtype;
        const char *name;
        size_t size;
    } want[] = {{MODA_DTYPE_BOOL, "BOOL", 1}, {MODA_DTYPE_U8, "U8", 1},
                {MODA_DTYPE_I8, "I8", 1},     {MODA_DTYPE_I16, "I16", 2},
                {MODA_DTYPE_I32, "I32", 4},   {MODA_DTYPE_I64, "I64", 8},
                {MODA_DTYPE_F16, "F16", 2},   {MODA_DTYPE_BF16, "BF16", 2},
                {MODA_DTYPE_F32, "F32", 4},   {MODA_DTYPE_F64, "F64", 8}};
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        cr_assert(eq(str, (char *)moda_dtype_name(want[i].dtype), (char *)want[i].name));
        cr_assert(eq(sz, moda_dtype_size(want[i].dtype), want[i].size));
    }
}
