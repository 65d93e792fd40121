/* tm_share.c - the test manager shares containers. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pattern.h"
#include "tm.h"

/* An object that supplies the pattern, or fails as it is told. */
typedef struct {
    uint64_t seed;
    long long fail; /* error of reads, 0: none */
    long long slow; /* ms that a read takes */
} object_t;

static promp_err_t object_read(void *arg, uint64_t offset, void *buffer, size_t size, promp_error_t *error)
{
    const object_t *object = arg;
    (void)error;
    if (object->slow)
        usleep((useconds_t)object->slow * 1000);
    if (object->fail)
        return (promp_err_t)object->fail;
    pattern_fill(object->seed, offset, buffer, size);
    return PROMP_OK;
}

static void *serve(void *arg)
{
    promp_container_t *container = arg;
    while (promp_container_serve(container, -1) != PROMP_ERR_CLOSED)
        continue;
    promp_container_drop(&container);
    return NULL;
}

static promp_container_t *make_object(const tm_line_t *line, promp_error_t *error)
{
    pthread_t thread;
    object_t *object = calloc(1, sizeof *object);
    bool own = tm_option(line, "own", NULL) != NULL;
    *object = (object_t){.seed = (uint64_t)tm_int(line, 4),
                         .fail = strtoll(tm_option(line, "fail", "0"), NULL, 10),
                         .slow = strtoll(tm_option(line, "slow", "0"), NULL, 10)};
    promp_container_t *container =
        promp_container_object(&(promp_container_object_t){.size = (uint64_t)tm_int(line, 3),
                                                           .read = object_read,
                                                           .free = free,
                                                           .arg = object,
                                                           .own_thread = own},
                               error);
    if (container && own && !pthread_create(&thread, NULL, serve, promp_container_keep(container)))
        pthread_detach(thread);
    return container;
}

static promp_container_t *make_bytes(const tm_line_t *line, promp_error_t *error)
{
    size_t size = (size_t)tm_int(line, 3);
    uint8_t *data = malloc(size + 1);
    pattern_fill((uint64_t)tm_int(line, 4), 0, data, size);
    promp_container_t *container = promp_container_bytes(data, size, error);
    free(data);
    return container;
}

/* share NAME bytes SIZE SEED; share NAME file PATH; share NAME object SIZE SEED [own=1] [fail=E] [slow=MS] */
static void do_share(const tm_line_t *line)
{
    promp_error_t error = {.code = PROMP_OK};
    promp_container_t *container = NULL;
    if (strcmp(line->words[2], "file") == 0)
        container = promp_container_file(line->words[3], &error);
    else if (strcmp(line->words[2], "bytes") == 0)
        container = make_bytes(line, &error);
    else
        container = make_object(line, &error);
    if (container && promp_manager_share(tm_manager(), line->words[1], container))
        error = *promp_manager_error(tm_manager());
    promp_container_drop(&container);
    tm_answer(line);
    tm_put_particulars(&error);
}

static void do_unshare(const tm_line_t *line)
{
    promp_err_t e = promp_manager_unshare(tm_manager(), line->words[1]);
    tm_answer(line);
    tm_put_error(e);
}

static void do_shares(const tm_line_t *line)
{
    tm_answer(line);
    tm_put_int("shared", promp_manager_shares(tm_manager(), line->words[1]));
}

/* share_many N: as many names for one container; how long it took, in us */
static void do_share_many(const tm_line_t *line)
{
    promp_container_t *container = promp_container_bytes("x", 1, NULL);
    promp_err_t e = PROMP_OK;
    int64_t start = tm_now();
    for (long long i = 0; i < tm_int(line, 1) && !e; i++) {
        char name[32];
        snprintf(name, sizeof name, "many-%lld", i);
        e = promp_manager_share(tm_manager(), name, container);
    }
    int64_t took = tm_now() - start;
    promp_container_drop(&container);
    tm_answer(line);
    tm_put_int("ms", took);
    tm_put_error(e);
}

/* pattern SEED SIZE PATH: a file of the pattern */
static void do_pattern(const tm_line_t *line)
{
    static uint8_t buffer[1 << 20];
    FILE *file = fopen(line->words[3], "wb");
    size_t size = (size_t)tm_int(line, 2), written = 0;
    for (size_t at = 0; file && at < size; at += sizeof buffer) {
        size_t piece = size - at < sizeof buffer ? size - at : sizeof buffer;
        pattern_fill((uint64_t)tm_int(line, 1), at, buffer, piece);
        written += fwrite(buffer, 1, piece, file);
    }
    bool done = file && !fclose(file) && written == size;
    tm_answer(line);
    tm_put_error(done ? PROMP_OK : PROMP_ERR_SYSTEM);
}

const tm_command_t tm_share_commands[] = {{"pattern", do_pattern, 3},       {"share", do_share, 3},
                                          {"share_many", do_share_many, 1}, {"unshare", do_unshare, 1},
                                          {"shares", do_shares, 1},         {NULL, NULL, 0}};
