/* A reader and its remotes. */
#include "reader.h"

#include <stdlib.h>

#include "buf.h"
#include "reader_inside.h"

#define CACHE_LEAST (4 * PROMP_CHUNK)

promp_reader_t *promp_reader_new(uint64_t cache)
{
    promp_id_t seed;
    promp_reader_t *reader = calloc(1, sizeof *reader);
    if (!reader || promp_id_make(&seed))
        goto err;
    reader->cache = cache < CACHE_LEAST ? CACHE_LEAST : cache;
    reader->remotes = promp_map_new(promp_get64(seed.b));
    reader->chunks = promp_map_new(promp_get64(seed.b + 8));
    for (int i = 0; i < PROMP_QUEUES; i++)
        promp_list_init(&reader->queue[i]);
    for (int i = 0; i < PROMP_TURNS; i++)
        promp_list_init(&reader->turn[i]);
    promp_list_init(&reader->streams);
    if (reader->remotes && reader->chunks)
        return reader;
err:
    promp_reader_destroy(&reader);
    return NULL;
}

void promp_reader_destroy(promp_reader_t **reader)
{
    if (!reader || !*reader)
        return;
    promp_map_destroy(&(*reader)->remotes);
    promp_map_destroy(&(*reader)->chunks);
    free(*reader);
    *reader = NULL;
}

uint64_t promp_reader_held(const promp_reader_t *reader)
{
    return reader->held;
}

uint64_t promp_reader_under_way(const promp_reader_t *reader)
{
    return reader->under_way;
}

promp_remote_t *promp_reader_open(promp_reader_t *reader, const promp_id_t *id, uint64_t size)
{
    promp_remote_t *remote = promp_map_get(reader->remotes, id);
    if (remote) {
        if (remote->size != size)
            return NULL;
        remote->opens++;
        return remote;
    }
    remote = calloc(1, sizeof *remote);
    if (!remote || promp_map_put(reader->remotes, id, remote)) {
        free(remote);
        return NULL;
    }
    remote->reader = reader;
    remote->id = *id;
    remote->size = size;
    remote->number = ++reader->remotes_made;
    remote->opens = 1;
    promp_list_init(&remote->fetches);
    promp_list_init(&remote->chunks);
    return remote;
}

/* All fetches of it that wait fail. */
static void fail_fetches(promp_remote_t *remote, promp_err_t error)
{
    for (promp_node_t *node = promp_list_first(&remote->fetches); node;
         node = promp_list_after(&remote->fetches, node))
        promp_fetch_fail(PROMP_CONTAINER(node, promp_fetch_t, node), error);
}

bool promp_reader_close(promp_reader_t *reader, promp_remote_t **closed)
{
    promp_remote_t *remote = *closed;

    *closed = NULL;
    if (--remote->opens > 0)
        return false;
    promp_map_remove(reader->remotes, &remote->id);
    promp_reader_ahead_end(remote);
    fail_fetches(remote, PROMP_ERR_CLOSED);
    for (promp_node_t *node = promp_list_first(&remote->chunks), *next; node; node = next) {
        promp_chunk_t *chunk = PROMP_CONTAINER(node, promp_chunk_t, node);
        next = promp_list_after(&remote->chunks, node);
        chunk->ahead = 0;
        promp_reader_ask_drop(chunk);
        promp_reader_cache_settle(chunk);
    }
    promp_reader_remote_settle(remote);
    return true;
}

void promp_reader_remote_settle(promp_remote_t *remote)
{
    if (remote->opens == 0 && remote->fetches.count == 0)
        free(remote);
}

const promp_id_t *promp_remote_id(const promp_remote_t *remote)
{
    return &remote->id;
}

void promp_reader_fail(promp_reader_t *reader, promp_err_t error)
{
    promp_remote_t *remote;
    promp_node_t *node;

    reader->failed = error;
    for (size_t at = 0; (remote = promp_map_next(reader->remotes, &at));) {
        fail_fetches(remote, error);
        promp_reader_ahead_end(remote);
    }
    while (reader->asked_count) { /* nobody waits for it */
        promp_chunk_t *chunk = reader->asked[0].chunk;
        chunk->ahead = 0;
        promp_reader_ask_drop(chunk);
        promp_reader_cache_settle(chunk);
    }
    while ((node = promp_list_first(&reader->turn[PROMP_TURN_AHEAD]))) {
        promp_chunk_t *chunk = PROMP_CONTAINER(node, promp_chunk_t, in_turn);
        chunk->ahead = 0;
        promp_reader_cache_settle(chunk);
    }
    reader->cancel_count = 0;
}
