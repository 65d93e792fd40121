/* Fetches: each holds the chunks that it touches until it ends. */
#include "reader_inside.h"

uint64_t promp_fetch_wants(const promp_chunk_t *chunk)
{
    uint64_t pages = 0;

    for (promp_node_t *node = promp_list_first(&chunk->holds); node;
         node = promp_list_after(&chunk->holds, node))
        pages |= PROMP_CONTAINER(node, struct promp_hold, node)->pages;
    return pages;
}

static uint64_t missing(const struct promp_hold *hold)
{
    return hold->pages & ~hold->chunk->here;
}

/* What it has was used; what it has not is wanted by one less. */
static void let_go(promp_fetch_t *fetch)
{
    promp_reader_t *reader = fetch->remote->reader;

    for (size_t i = 0; i < fetch->count; i++) {
        struct promp_hold *hold = &fetch->hold[i];
        promp_chunk_t *chunk = hold->chunk;
        promp_list_remove(&chunk->holds, &hold->node);
        chunk->ahead &= ~(hold->pages & chunk->here);
        if (missing(hold)) {
            chunk->need &= promp_fetch_wants(chunk);
            promp_reader_ask_drop(chunk);
        }
        promp_reader_cache_settle(chunk);
    }
    fetch->count = 0;
    promp_reader_cache_room(reader, 0, true);
}

void promp_fetch_fail(promp_fetch_t *fetch, promp_err_t error)
{
    if (promp_fetch_state(fetch) != PROMP_ERR_TIMEOUT)
        return;
    fetch->error = error;
    let_go(fetch);
}

static promp_err_t hold_chunk(promp_fetch_t *fetch, uint64_t index)
{
    promp_chunk_t *chunk = promp_reader_cache_make(fetch->remote, index);
    if (!chunk)
        return PROMP_ERR_MEMORY;

    struct promp_hold *hold = &fetch->hold[fetch->count++];
    hold->fetch = fetch;
    hold->chunk = chunk;
    hold->pages =
        promp_pages_of(index, fetch->offset / PROMP_CHUNK_PAGE, promp_page_end(fetch->offset + fetch->size));
    promp_list_append(&chunk->holds, &hold->node);
    promp_reader_cache_use(chunk, hold->pages);
    chunk->need |= missing(hold) & ~chunk->asked;
    promp_reader_cache_settle(chunk);
    return PROMP_OK;
}

void promp_fetch_begin(promp_reader_t *reader, promp_remote_t *remote, uint64_t offset, size_t size,
                       promp_fetch_t *fetch)
{
    *fetch = (promp_fetch_t){.remote = remote, .offset = offset, .size = size};
    promp_list_append(&remote->fetches, &fetch->node);
    if (size == 0 || size > PROMP_LIMIT_FETCH || offset > remote->size || size > remote->size - offset) {
        fetch->error = PROMP_ERR_ARGUMENT;
        return;
    }
    promp_reader_ahead_read(remote, offset, size);
    for (uint64_t at = offset / PROMP_CHUNK; at <= (offset + size - 1) / PROMP_CHUNK; at++)
        if (hold_chunk(fetch, at)) {
            fetch->error = PROMP_ERR_MEMORY;
            let_go(fetch);
            return;
        }
    if (reader->failed)
        promp_fetch_fail(fetch, reader->failed);
}

promp_err_t promp_fetch_state(const promp_fetch_t *fetch)
{
    for (size_t i = 0; i < fetch->count; i++)
        if (missing(&fetch->hold[i]))
            return PROMP_ERR_TIMEOUT;
    return fetch->error;
}

promp_slice_t promp_fetch_piece(const promp_fetch_t *fetch, uint64_t offset)
{
    promp_chunk_t *chunk = fetch->hold[offset / PROMP_CHUNK - fetch->offset / PROMP_CHUNK].chunk;
    const promp_piece_t *piece = atomic_load_explicit(&chunk->pieces, memory_order_acquire);
    uint32_t at = (uint32_t)(offset % PROMP_CHUNK);

    while (at < piece->first || at - piece->first >= piece->size)
        piece = piece->next;
    uint64_t rest = piece->size - (at - piece->first);
    uint64_t left = fetch->offset + fetch->size - offset;
    return promp_slice(piece->data + (at - piece->first), rest < left ? rest : left);
}

void promp_fetch_end(promp_reader_t *reader, promp_fetch_t *fetch)
{
    promp_remote_t *remote = fetch->remote;

    (void)reader;
    let_go(fetch);
    promp_list_remove(&remote->fetches, &fetch->node);
    fetch->remote = NULL;
    promp_reader_remote_settle(remote);
}
