/* fuzz_main.c - runs a fuzz target without a fuzzer, as a test: all seeds of a folder as they are, then as many
 * mutations of them, always the same ones. Usage: x_fuzz SEEDS RUNS. What fails aborts. */
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS   256   /* files that are taken */
#define LARGEST 65536 /* bytes of an input */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    uint8_t *data;
    size_t size;
} seed_t;

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Runs one input from a block of exactly its size, so that a sanitizer sees a read beyond its end. */
static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);
    if (!copy)
        abort();
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool read_seed(const char *folder, const char *name, seed_t *seed)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    seed->data = malloc(LARGEST);
    if (!seed->data)
        abort();
    seed->size = fread(seed->data, 1, LARGEST, file);
    fclose(file);
    return true;
}

/* Reads the files of folder in the order of their names; a folder that is not there has none. */
static size_t read_seeds(const char *folder, seed_t seeds[SEEDS])
{
    char *names[SEEDS];
    size_t found = 0, count = 0;
    DIR *dir = opendir(folder);
    if (!dir)
        return 0;
    for (struct dirent *entry; found < SEEDS && (entry = readdir(dir));)
        if (entry->d_name[0] != '.')
            names[found++] = strdup(entry->d_name);
    closedir(dir);
    qsort(names, found, sizeof *names, by_name);
    for (size_t i = 0; i < found; i++) {
        count += read_seed(folder, names[i], &seeds[count]);
        free(names[i]);
    }
    return count;
}

/* Changes data in one of the ways that break decoders; room for LARGEST bytes. Returns the new size. */
static size_t mutate(uint8_t *data, size_t size, const seed_t *other, uint64_t *random)
{
    static const uint8_t telling[] = {0, 1, 0x7F, 0x80, 0xFF};
    uint64_t r = next_random(random);
    size_t at = size ? (size_t)(r >> 32) % size : 0;
    size_t count = 1 + (size_t)(r >> 16) % 8;

    switch (r % 6) {
    case 0: /* cut */
        return at;
    case 1: /* flip a bit */
        if (size)
            data[at] ^= (uint8_t)(1 << (r >> 8) % 8);
        return size;
    case 2: /* telling bytes */
        for (size_t i = at; i < size && i < at + count; i++)
            data[i] = telling[(r >> 8) % sizeof telling];
        return size;
    case 3: /* take some out */
        if (count > size - at)
            count = size - at;
        memmove(data + at, data + at + count, size - at - count);
        return size - count;
    case 4: /* put random ones in */
        if (size + count > LARGEST)
            return size;
        memmove(data + at + count, data + at, size - at);
        for (size_t i = 0; i < count; i++)
            data[at + i] = (uint8_t)next_random(random);
        return size + count;
    default: /* go on with another seed */
        if (other->size > LARGEST - at)
            return size;
        memcpy(data + at, other->data, other->size);
        return at + other->size;
    }
}

int main(int argc, char **argv)
{
    static uint8_t data[LARGEST];
    seed_t seeds[SEEDS] = {{data, 0}};
    uint64_t random = 0x9E3779B97F4A7C15;

    if (argc != 3) {
        fprintf(stderr, "usage: %s SEEDS RUNS\n", argv[0]);
        return 2;
    }
    size_t found = read_seeds(argv[1], seeds);
    size_t count = found ? found : 1; /* without seeds: from nothing */
    for (size_t i = 0; i < count; i++)
        run(seeds[i].data, seeds[i].size);
    long runs = strtol(argv[2], NULL, 10);
    for (long i = 0; i < runs; i++) {
        const seed_t *seed = &seeds[next_random(&random) % count];
        size_t size = seed->size;
        memmove(data, seed->data, size);
        for (uint64_t times = 1 + next_random(&random) % 4; times; times--)
            size = mutate(data, size, &seeds[next_random(&random) % count], &random);
        run(data, size);
    }
    printf("%zu seeds and %ld mutations\n", found, runs);
    for (size_t i = 0; i < found; i++)
        free(seeds[i].data);
    return 0;
}
