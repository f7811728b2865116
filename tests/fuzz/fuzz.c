/* tests/fuzz/fuzz.c - files in memory, and what every reader owes. */
#include "tests/fuzz/fuzz.h"
#include "base/log.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];

static void remove_below(const char *path)
{
    DIR *d = opendir(path);
    if (!d) return;
    for (struct dirent *e; (e = readdir(d));) {
        char name[512];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        snprintf(name, sizeof name, "%s/%s", path, e->d_name);
        if (unlink(name) != 0) remove_below(name);
    }
    closedir(d);
    rmdir(path);
}

static void remove_folder(void)
{
    remove_below(folder);
}

const char *fuzz_folder(void)
{
    if (*folder) return folder;
    snprintf(folder, sizeof folder, "/dev/shm/moda-fuzz-XXXXXX");
    if (!mkdtemp(folder)) {
        perror(folder);
        abort();
    }
    atexit(remove_folder);
    moda_log_set_level(MODA_LOG_ERROR);
    setenv("XDG_CACHE_HOME", folder, 1);
    return folder;
}

const char *fuzz_file(const char *name, const uint8_t *data, size_t size)
{
    static char ring[8][256];
    static unsigned next;
    char *path = ring[next++ % 8];
    snprintf(path, sizeof ring[0], "%s/%s", fuzz_folder(), name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const bool written = fd >= 0 && write(fd, data, size) == (ssize_t)size;
    if (fd >= 0) close(fd);
    if (!written) {
        perror(path);
        abort();
    }
    return path;
}

void fuzz_judge(moda_status status)
{
    if (status == MODA_OK) return;
    const char *message = moda_last_error();
    fuzz_hold(status != MODA_ERR_INTERNAL, message);
    fuzz_hold(*message != 0, "a failure without a message");
    fuzz_hold(!strchr(message, '\n'), "a message of several lines");
}

void fuzz_must(moda_status status)
{
    fuzz_hold(status == MODA_OK, moda_last_error());
}

void fuzz_hold(int condition, const char *what)
{
    if (condition) return;
    fprintf(stderr, "fuzz: does not hold: %s\n", what);
    abort();
}

static struct {
    FILE *before;
    char *text;
    size_t size;
} screen;

void fuzz_screen_begin(void)
{
    screen.before = stdout;
    stdout = open_memstream(&screen.text, &screen.size);
    fuzz_hold(stdout != NULL, "memory");
}

void fuzz_screen_end(void)
{
    fclose(stdout);
    stdout = screen.before;
    for (size_t i = 0; i < screen.size; i++) {
        const unsigned char c = (unsigned char)screen.text[i],
                            next = (unsigned char)screen.text[i + 1];
        const int two_bytes = c == 0xC2 && next >= 0x80 && next < 0xA0;
        fuzz_hold((c >= ' ' || c == '\n') && c != 127 && !two_bytes,
                  "no control characters on a screen");
    }
    free(screen.text);
}

size_t fuzz_part(const uint8_t *data, size_t size, const uint8_t **rest, size_t *rest_size)
{
    for (size_t i = 0; i + 1 < size; i++)
        if (data[i] == 0xff && data[i + 1] == 0) {
            *rest = data + i + 2, *rest_size = size - i - 2;
            return i;
        }
    *rest = data + size, *rest_size = 0;
    return size;
}

static uint64_t header_length(const uint8_t *data)
{
    uint64_t length = 0;
    for (size_t i = 8; i-- > 0;) length = length << 8 | data[i];
    return length;
}

size_t fuzz_mutate_tensors(uint8_t *data, size_t size, size_t most, unsigned seed)
{
    const uint64_t before = size >= 8 ? header_length(data) : 0;
    const size_t mutated = LLVMFuzzerMutate(data, size, most);
    if (seed % 2 || mutated < 8 || before > size - 8) return mutated;
    const int64_t grown = (int64_t)mutated - (int64_t)size; /* taken to be in the header */
    uint64_t length = (int64_t)before + grown > 0 ? (uint64_t)((int64_t)before + grown) : 0;
    if (length > mutated - 8) length = mutated - 8;
    for (size_t i = 0; i < 8; i++) data[i] = (uint8_t)(length >> 8 * i);
    return mutated;
}
