/* The chunks: pieces of bytes, and who is evicted (2Q). */
#include <stdlib.h>

#include "reader_inside.h"

#define TAKE (PROMP_CHUNK / 2) /* an answer from here on is taken over, not copied */

static promp_chunk_t *chunk_of(promp_node_t *in_queue)
{
    return PROMP_CONTAINER(in_queue, promp_chunk_t, in_queue);
}

static promp_id_t key_of(const promp_remote_t *remote, uint64_t index)
{
    promp_id_t key;
    memcpy(key.b, &remote->number, 8);
    memcpy(key.b + 8, &index, 8);
    return key;
}

static uint64_t bytes_of(uint64_t pages)
{
    return (uint64_t)__builtin_popcountll(pages) * PROMP_CHUNK_PAGE;
}

/* --- queues --- */

static void leave_queue(promp_chunk_t *chunk)
{
    promp_reader_t *reader = chunk->remote->reader;

    if (chunk->queue == PROMP_QUEUE_NONE)
        return;
    if (chunk->queue == PROMP_QUEUE_FRESH)
        reader->fresh_bytes -= chunk->bytes;
    if (chunk->queue == PROMP_QUEUE_GHOST)
        reader->ghost_bytes -= bytes_of(chunk->was);
    promp_list_remove(&reader->queue[chunk->queue], &chunk->in_queue);
    chunk->queue = PROMP_QUEUE_NONE;
}

static void enter_queue(promp_chunk_t *chunk, promp_queue_t queue)
{
    promp_reader_t *reader = chunk->remote->reader;

    if (queue == PROMP_QUEUE_FRESH)
        reader->fresh_bytes += chunk->bytes;
    if (queue == PROMP_QUEUE_GHOST)
        reader->ghost_bytes += bytes_of(chunk->was);
    promp_list_append(&reader->queue[queue], &chunk->in_queue);
    chunk->queue = queue;
}

static void take_turn(promp_chunk_t *chunk)
{
    promp_reader_t *reader = chunk->remote->reader;
    promp_turn_t turn = chunk->need                                    ? PROMP_TURN_DEMAND
                        : chunk->ahead & ~(chunk->here | chunk->asked) ? PROMP_TURN_AHEAD
                                                                       : PROMP_TURN_NONE;
    if (turn == chunk->turn)
        return;
    if (chunk->turn != PROMP_TURN_NONE)
        promp_list_remove(&reader->turn[chunk->turn], &chunk->in_turn);
    if (turn != PROMP_TURN_NONE)
        promp_list_append(&reader->turn[turn], &chunk->in_turn);
    chunk->turn = turn;
}

/* --- chunks --- */

promp_chunk_t *promp_reader_cache_find(const promp_remote_t *remote, uint64_t index)
{
    promp_id_t key = key_of(remote, index);
    return promp_map_get(remote->reader->chunks, &key);
}

promp_chunk_t *promp_reader_cache_make(promp_remote_t *remote, uint64_t index)
{
    promp_chunk_t *chunk = promp_reader_cache_find(remote, index);
    if (chunk) {
        if (chunk->queue == PROMP_QUEUE_GHOST)
            leave_queue(chunk);
        return chunk;
    }
    chunk = calloc(1, sizeof *chunk);
    if (!chunk)
        return NULL;
    chunk->remote = remote;
    chunk->index = index;
    chunk->queue = PROMP_QUEUE_NONE;
    chunk->turn = PROMP_TURN_NONE;
    promp_list_init(&chunk->holds);
    atomic_init(&chunk->pieces, NULL);
    promp_id_t key = key_of(remote, index);
    if (promp_map_put(remote->reader->chunks, &key, chunk)) {
        free(chunk);
        return NULL;
    }
    promp_list_append(&remote->chunks, &chunk->node);
    return chunk;
}

static void free_pieces(promp_chunk_t *chunk)
{
    promp_piece_t *piece = atomic_load_explicit(&chunk->pieces, memory_order_relaxed);

    atomic_store_explicit(&chunk->pieces, NULL, memory_order_relaxed);
    while (piece) {
        promp_piece_t *next = piece->next;
        free(piece->body);
        free(piece);
        piece = next;
    }
    chunk->remote->reader->held -= chunk->bytes;
    chunk->bytes = 0;
    chunk->here = 0;
}

static void free_chunk(promp_chunk_t *chunk)
{
    promp_remote_t *remote = chunk->remote;
    promp_id_t key = key_of(remote, chunk->index);

    chunk->need = chunk->ahead = 0;
    take_turn(chunk);
    leave_queue(chunk);
    free_pieces(chunk);
    promp_map_remove(remote->reader->chunks, &key);
    promp_list_remove(&remote->chunks, &chunk->node);
    free(chunk);
}

static bool in_use(const promp_chunk_t *chunk)
{
    return chunk->pinned || chunk->holds.count || chunk->asked;
}

/* Remembers what was here, within the half of the cache. */
static void haunt(promp_chunk_t *chunk)
{
    promp_reader_t *reader = chunk->remote->reader;

    if (chunk->queue != PROMP_QUEUE_GHOST)
        enter_queue(chunk, PROMP_QUEUE_GHOST);
    while (reader->ghost_bytes > reader->cache / 2)
        free_chunk(chunk_of(promp_list_first(&reader->queue[PROMP_QUEUE_GHOST])));
}

void promp_reader_cache_settle(promp_chunk_t *chunk)
{
    promp_list_t *queue = chunk->remote->reader->queue;

    take_turn(chunk);
    if (in_use(chunk))
        return;
    if (chunk->remote->opens == 0) {
        free_chunk(chunk);
    } else if (chunk->here) {
        if (chunk->in_queue.next)
            return;
        if (chunk->queue == PROMP_QUEUE_FRESH) /* its time is over already */
            promp_list_prepend(&queue[PROMP_QUEUE_FRESH], &chunk->in_queue);
        else
            promp_list_append(&queue[PROMP_QUEUE_KEPT], &chunk->in_queue);
    } else if (chunk->turn == PROMP_TURN_NONE) {
        if (chunk->was)
            haunt(chunk);
        else
            free_chunk(chunk);
    }
}

void promp_reader_cache_use(promp_chunk_t *chunk, uint64_t pages)
{
    if (pages & chunk->was) {
        chunk->was = 0;
        chunk->hot = true;
    }
    if (chunk->queue == PROMP_QUEUE_KEPT || (chunk->queue == PROMP_QUEUE_FRESH && chunk->hot)) {
        leave_queue(chunk);
        enter_queue(chunk, PROMP_QUEUE_KEPT);
    }
}

promp_err_t promp_reader_cache_store(promp_chunk_t *chunk, uint64_t pages, promp_slice_t data, uint8_t **body)
{
    bool take = *body && data.size >= TAKE;
    promp_piece_t *piece = malloc(sizeof *piece + (take ? 0 : data.size));
    if (!piece)
        return PROMP_ERR_MEMORY;

    piece->first = (uint32_t)__builtin_ctzll(pages) * (uint32_t)PROMP_CHUNK_PAGE;
    piece->size = (uint32_t)data.size;
    if (take) {
        piece->data = data.data;
        piece->body = *body;
        *body = NULL;
    } else {
        piece->data = memcpy(piece + 1, data.data, data.size);
        piece->body = NULL;
    }
    if (chunk->queue == PROMP_QUEUE_NONE)
        enter_queue(chunk, chunk->hot ? PROMP_QUEUE_KEPT : PROMP_QUEUE_FRESH);
    if (chunk->queue == PROMP_QUEUE_FRESH)
        chunk->remote->reader->fresh_bytes += data.size;
    chunk->remote->reader->held += data.size;
    chunk->bytes += (uint32_t)data.size;
    chunk->here |= pages;
    piece->next = atomic_load_explicit(&chunk->pieces, memory_order_relaxed);
    atomic_store_explicit(&chunk->pieces, piece, memory_order_release);
    return PROMP_OK;
}

/* --- eviction --- */

static void evict(promp_chunk_t *chunk)
{
    chunk->was = chunk->queue == PROMP_QUEUE_FRESH ? chunk->here : 0;
    chunk->ahead &= ~chunk->here;
    chunk->hot = chunk->streamed = false;
    leave_queue(chunk);
    free_pieces(chunk);
    promp_reader_cache_settle(chunk);
}

/* What is in use is taken out of the queue until it is not: so each is met once. */
static bool evict_from(promp_list_t *queue)
{
    promp_node_t *node;

    while ((node = promp_list_first(queue))) {
        promp_chunk_t *chunk = chunk_of(node);
        if (!in_use(chunk)) {
            evict(chunk);
            return true;
        }
        promp_list_remove(queue, node);
    }
    return false;
}

static bool evict_one(promp_reader_t *reader)
{
    bool fresh = reader->fresh_bytes > reader->cache / 4;
    promp_list_t *queue = reader->queue;

    return evict_from(&queue[fresh ? PROMP_QUEUE_FRESH : PROMP_QUEUE_KEPT]) ||
           evict_from(&queue[fresh ? PROMP_QUEUE_KEPT : PROMP_QUEUE_FRESH]);
}

void promp_reader_cache_pass(const promp_chunk_t *chunk, uint64_t size)
{
    promp_reader_t *reader = chunk->remote->reader;
    bool stream = chunk->streamed && chunk->remote->size > reader->cache;
    promp_node_t *node;

    while (stream && reader->fresh_bytes + size > reader->cache / 4 &&
           (node = promp_list_first(&reader->queue[PROMP_QUEUE_FRESH]))) {
        promp_chunk_t *first = chunk_of(node);
        if (in_use(first) || first->ahead & first->here)
            return;
        evict(first);
    }
}

bool promp_reader_cache_room(promp_reader_t *reader, uint64_t size, bool demand)
{
    while (reader->held + reader->under_way + size > reader->cache)
        if (!evict_one(reader) && !(demand && promp_reader_ask_drop_ahead(reader)))
            return false;
    return true;
}
