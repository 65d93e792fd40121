/* Requests: what is asked for next, what an answer brings, what is cancelled. */
#include "reader_inside.h"

/* Read-ahead leaves a quarter of what may be under way to those who wait. */
#define AHEAD_READS  (PROMP_LIMIT_READS / 4 * 3)
#define AHEAD_WINDOW (PROMP_READ_WINDOW / 4 * 3)

static promp_asked_t *find(promp_reader_t *reader, uint32_t number)
{
    for (size_t i = 0; i < reader->asked_count; i++)
        if (reader->asked[i].number == number)
            return &reader->asked[i];
    return NULL;
}

/* The pages are absent again. The last one takes its place. */
static void forget(promp_reader_t *reader, promp_asked_t *asked)
{
    asked->chunk->asked &= ~asked->pages;
    reader->under_way -= asked->size;
    *asked = reader->asked[--reader->asked_count];
}

static void cancel(promp_reader_t *reader, promp_asked_t *asked)
{
    reader->cancels[reader->cancel_count++] = asked->number;
    forget(reader, asked);
}

void promp_reader_ask_drop(promp_chunk_t *chunk)
{
    promp_reader_t *reader = chunk->remote->reader;
    if (!chunk->asked)
        return;

    uint64_t wanted = chunk->ahead | promp_fetch_wants(chunk);
    for (size_t i = reader->asked_count; i-- > 0;)
        if (reader->asked[i].chunk == chunk && !(reader->asked[i].pages & wanted))
            cancel(reader, &reader->asked[i]);
}

bool promp_reader_ask_drop_ahead(promp_reader_t *reader)
{
    for (size_t i = reader->asked_count; i-- > 0;) {
        promp_chunk_t *chunk = reader->asked[i].chunk;
        if (chunk->holds.count)
            continue;
        chunk->ahead &= ~reader->asked[i].pages;
        cancel(reader, &reader->asked[i]);
        promp_reader_cache_settle(chunk);
        return true;
    }
    return false;
}

/* --- asking --- */

/* The run of pages that begins at the lowest of from, which are among them. */
static uint64_t run(uint64_t pages, uint64_t from)
{
    unsigned first = (unsigned)__builtin_ctzll(from);
    uint64_t rest = ~(pages >> first);
    return promp_pages(first, rest ? (unsigned)__builtin_ctzll(rest) : PROMP_PAGES);
}

static uint64_t offset_of(const promp_chunk_t *chunk, uint64_t pages)
{
    return chunk->index * PROMP_CHUNK + (uint64_t)__builtin_ctzll(pages) * PROMP_CHUNK_PAGE;
}

/* Of a run; the container may end in its last page. */
static uint32_t size_of(const promp_chunk_t *chunk, uint64_t pages)
{
    uint64_t size = (uint64_t)__builtin_popcountll(pages) * PROMP_CHUNK_PAGE;
    uint64_t left = chunk->remote->size - offset_of(chunk, pages);
    return (uint32_t)(size < left ? size : left);
}

static void ask(promp_reader_t *reader, promp_chunk_t *chunk, uint64_t pages, promp_reader_out_t *out)
{
    uint32_t number;

    do
        number = (uint32_t)(reader->requests++ % UINT32_MAX) + 1;
    while (find(reader, number));
    *out = (promp_reader_out_t){.request = number,
                                .id = chunk->remote->id,
                                .offset = offset_of(chunk, pages),
                                .size = size_of(chunk, pages)};
    reader->asked[reader->asked_count++] =
        (promp_asked_t){.number = number, .size = out->size, .chunk = chunk, .pages = pages};
    reader->under_way += out->size;
    chunk->asked |= pages;
    promp_reader_cache_pass(chunk, out->size);
    chunk->need &= ~pages;
    promp_reader_cache_settle(chunk);
}

static bool fits(const promp_reader_t *reader, uint32_t size, uint64_t reads, uint64_t window)
{
    return reader->asked_count < reads && reader->under_way + size <= window;
}

/* What read-ahead wants behind what is needed comes along, if there is room. */
static bool ask_demand(promp_reader_t *reader, promp_chunk_t *chunk, promp_reader_out_t *out)
{
    uint64_t open = chunk->need | (chunk->ahead & ~(chunk->here | chunk->asked));
    uint64_t pages = run(open, chunk->need);

    if (!fits(reader, size_of(chunk, pages), PROMP_LIMIT_READS, PROMP_READ_WINDOW))
        return false;
    if (!promp_reader_cache_room(reader, size_of(chunk, pages), false)) {
        pages = run(chunk->need, chunk->need);
        promp_reader_cache_room(reader, size_of(chunk, pages), true);
    }
    ask(reader, chunk, pages, out);
    return true;
}

/* False: not at the moment, or (then *given_up) there is no room for it. */
static bool ask_ahead(promp_reader_t *reader, promp_chunk_t *chunk, promp_reader_out_t *out, bool *given_up)
{
    uint64_t open = chunk->ahead & ~(chunk->here | chunk->asked);
    uint64_t pages = run(open, open);

    *given_up = false;
    if (!fits(reader, size_of(chunk, pages), AHEAD_READS, AHEAD_WINDOW))
        return false;
    chunk->pinned = true;
    bool room = promp_reader_cache_room(reader, size_of(chunk, pages), false);
    chunk->pinned = false;
    if (room) {
        ask(reader, chunk, pages, out);
        return true;
    }
    *given_up = true;
    chunk->ahead &= ~pages;
    promp_reader_cache_settle(chunk);
    return false;
}

bool promp_reader_next(promp_reader_t *reader, promp_reader_out_t *out)
{
    promp_node_t *node;
    bool given_up = true;

    if (reader->cancel_count) {
        *out = (promp_reader_out_t){.cancel = true, .request = reader->cancels[--reader->cancel_count]};
        return true;
    }
    if ((node = promp_list_first(&reader->turn[PROMP_TURN_DEMAND])))
        return ask_demand(reader, PROMP_CONTAINER(node, promp_chunk_t, in_turn), out);
    while (given_up && (node = promp_list_first(&reader->turn[PROMP_TURN_AHEAD])))
        if (ask_ahead(reader, PROMP_CONTAINER(node, promp_chunk_t, in_turn), out, &given_up))
            return true;
    return false;
}

/* --- answers --- */

static void fail_waiting(promp_chunk_t *chunk, uint64_t pages, promp_err_t error)
{
    for (promp_node_t *node = promp_list_first(&chunk->holds), *next; node; node = next) {
        struct promp_hold *hold = PROMP_CONTAINER(node, struct promp_hold, node);
        next = promp_list_after(&chunk->holds, node); /* is of another fetch */
        if (hold->pages & pages)
            promp_fetch_fail(hold->fetch, error);
    }
}

/* An answer to what was cancelled: the cancel need not be told any more. */
static void answered_late(promp_reader_t *reader, uint32_t number)
{
    for (size_t i = 0; i < reader->cancel_count; i++)
        if (reader->cancels[i] == number) {
            reader->cancels[i] = reader->cancels[--reader->cancel_count];
            return;
        }
}

promp_err_t promp_reader_answer(promp_reader_t *reader, uint32_t request, promp_err_t error,
                                promp_slice_t data, uint8_t **body)
{
    if (request == 0 || request > reader->requests)
        return PROMP_ERR_MESSAGE_FIELD;
    promp_asked_t *asked = find(reader, request);
    if (!asked) {
        answered_late(reader, request);
        return PROMP_OK;
    }
    if (!error && data.size != asked->size)
        return PROMP_ERR_MESSAGE_FIELD;

    promp_chunk_t *chunk = asked->chunk;
    uint64_t pages = asked->pages;
    chunk->pinned = true;
    forget(reader, asked);
    if (!error)
        error = promp_reader_cache_store(chunk, pages, data, body);
    if (error) {
        chunk->ahead &= ~pages;
        fail_waiting(chunk, pages, error);
    }
    chunk->pinned = false;
    promp_reader_cache_settle(chunk);
    return PROMP_OK;
}
