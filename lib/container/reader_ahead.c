/* Read-ahead: sequential readers are told from random ones, after mm/readahead.c of Linux. Its marked page is a number
 * here, and what it would begin on a page that is not cached begins on a read that finds something neither here nor
 * under way. */
#include "reader_inside.h"

/* A stream has ended when so many reads elsewhere had to wait or went on to their next window since: of its container, of
 * all. */
#define STALE     8
#define STALE_ALL 256

/* --- windows --- */

/* Pages of the largest window. Each stream has up to two under way or unused: a quarter of the cache for all. */
static uint64_t largest(const promp_stream_t *stream)
{
    const promp_reader_t *reader = stream->remote->reader;
    uint64_t streams = reader->streams.count + (stream->node.next ? 0 : 1);
    uint64_t size = reader->cache / 8 / streams;
    return (size < PROMP_READ_AHEAD ? size : PROMP_READ_AHEAD) / PROMP_CHUNK_PAGE;
}

static uint64_t first_size(uint64_t read, uint64_t max)
{
    uint64_t size = 1;

    while (size < read)
        size *= 2;
    if (size <= max / 32)
        return size * 4;
    return size <= max / 4 ? size * 2 : max;
}

static uint64_t next_size(uint64_t size, uint64_t max)
{
    if (size < max / 16)
        return size * 4;
    return size <= max / 2 ? size * 2 : max;
}

/* The pages that read-ahead wants no more: what nobody waits for is cancelled. */
static void unwant(promp_remote_t *remote, uint64_t from, uint64_t to)
{
    for (uint64_t at = from / PROMP_PAGES; from < to && at * PROMP_PAGES < to; at++) {
        promp_chunk_t *chunk = promp_reader_cache_find(remote, at);
        if (!chunk)
            continue;
        chunk->ahead &= ~promp_pages_of(at, from, to);
        promp_reader_ask_drop(chunk);
        promp_reader_cache_settle(chunk);
    }
}

/* Without memory there is no read-ahead. */
static void want(promp_remote_t *remote, uint64_t from, uint64_t to)
{
    for (uint64_t at = from / PROMP_PAGES; from < to && at * PROMP_PAGES < to; at++) {
        promp_chunk_t *chunk = promp_reader_cache_make(remote, at);
        if (!chunk)
            return;
        chunk->ahead |= promp_pages_of(at, from, to) & ~chunk->here;
        chunk->streamed = true;
        promp_reader_cache_settle(chunk);
    }
}

static void close_window(promp_stream_t *stream)
{
    if (!stream->node.next)
        return;
    promp_list_remove(&stream->remote->reader->streams, &stream->node);
    unwant(stream->remote, stream->from, stream->end);
}

/* size pages from start on; large ones end with a chunk, so that the next ones consist of whole chunks. */
static void open_window(promp_stream_t *stream, uint64_t start, uint64_t size, uint64_t marker)
{
    promp_list_t *streams = &stream->remote->reader->streams;
    uint64_t pages = promp_page_end(stream->remote->size);
    uint64_t end = start + size;

    if (size >= PROMP_PAGES && end - end % PROMP_PAGES > marker)
        end -= end % PROMP_PAGES;
    stream->end = end < pages ? end : pages;
    stream->marker = marker;
    stream->size = size;
    promp_list_remove(streams, &stream->node);
    promp_list_append(streams, &stream->node);
    want(stream->remote, start, stream->end);
}

/* A stream begins, with the read of the pages from..to - 1; size 0: as Linux would. */
static void begin(promp_stream_t *stream, uint64_t from, uint64_t to, uint64_t size)
{
    uint64_t max = largest(stream);
    uint64_t read = to - from;

    close_window(stream);
    if (max == 0)
        return;
    if (stream->remote->advice == PROMP_ADVISE_SEQUENTIAL)
        size = read + max;
    else if (size == 0)
        size = first_size(read, max);
    if (size > read + max)
        size = read + max;
    stream->from = from;
    open_window(stream, from, size > read ? size : read + max, to);
}

/* Its reader has reached what was read ahead last: now the next window. */
static void advance(promp_stream_t *stream, uint64_t from, uint64_t to)
{
    uint64_t start = stream->end > to ? stream->end : to;
    uint64_t max = largest(stream);

    stream->remote->ticks++;
    stream->remote->reader->ticks++;
    stream->from = from;
    open_window(stream, start, next_size(stream->size ? stream->size : 1, max), start);
}

/* --- streams --- */

static void forget(promp_stream_t *stream)
{
    close_window(stream);
    stream->pos = 0;
}

void promp_reader_ahead_end(promp_remote_t *remote)
{
    for (int i = 0; i < PROMP_LIMIT_CONTAINER_STREAM; i++)
        forget(&remote->stream[i]);
}

static void forget_stale(promp_remote_t *remote)
{
    promp_reader_t *reader = remote->reader;

    for (int i = 0; i < PROMP_LIMIT_CONTAINER_STREAM; i++)
        if (remote->stream[i].node.next && remote->ticks - remote->stream[i].ticks[0] > STALE)
            forget(&remote->stream[i]);
    promp_node_t *oldest = promp_list_first(&reader->streams);
    if (oldest && reader->ticks - PROMP_CONTAINER(oldest, promp_stream_t, node)->ticks[1] > STALE_ALL)
        forget(PROMP_CONTAINER(oldest, promp_stream_t, node));
}

/* The stream that a read at offset continues: in the page where the last one ended or the next, else within the
 * window. */
static promp_stream_t *find(promp_remote_t *remote, uint64_t offset)
{
    uint64_t page = offset / PROMP_CHUNK_PAGE;

    for (int i = 0; i < PROMP_LIMIT_CONTAINER_STREAM; i++) {
        promp_stream_t *stream = &remote->stream[i];
        if (stream->pos && offset > stream->last && page - (stream->pos - 1) / PROMP_CHUNK_PAGE <= 1)
            return stream;
    }
    for (int i = 0; i < PROMP_LIMIT_CONTAINER_STREAM; i++) {
        promp_stream_t *stream = &remote->stream[i];
        if (stream->node.next && offset > stream->last && page < stream->end)
            return stream;
    }
    return NULL;
}

/* A place for a new one: the least recently used goes, of those without a window first. */
static promp_stream_t *replace(promp_remote_t *remote)
{
    promp_stream_t *oldest = &remote->stream[0];

    for (int i = 1; i < PROMP_LIMIT_CONTAINER_STREAM; i++) {
        promp_stream_t *stream = &remote->stream[i];
        bool window = stream->node.next != NULL, other = oldest->node.next != NULL;
        if (window != other ? other : stream->used < oldest->used)
            oldest = stream;
    }
    forget(oldest);
    oldest->remote = remote;
    return oldest;
}

/* --- the cache tells --- */

/* Do pages from..to - 1 miss: is there one neither here nor to come? *wait: is there one that is not here? */
static bool misses(const promp_remote_t *remote, uint64_t from, uint64_t to, bool *wait)
{
    bool missing = false;

    *wait = false;
    for (uint64_t at = from / PROMP_PAGES; at * PROMP_PAGES < to; at++) {
        const promp_chunk_t *chunk = promp_reader_cache_find(remote, at);
        uint64_t pages = promp_pages_of(at, from, to);
        if (!chunk || pages & ~chunk->here)
            *wait = true;
        if (!chunk || pages & ~(chunk->here | chunk->asked | chunk->need | chunk->ahead))
            missing = true;
    }
    return missing;
}

/* How many pages before this one are here or under way, without a gap: a stream that was forgotten leaves them. */
static uint64_t history(const promp_remote_t *remote, uint64_t page, uint64_t max)
{
    uint64_t count = 0;

    while (page > 0 && count < max) {
        const promp_chunk_t *chunk = promp_reader_cache_find(remote, (page - 1) / PROMP_PAGES);
        unsigned last = (unsigned)((page - 1) % PROMP_PAGES);
        uint64_t gaps = ~((chunk ? chunk->here | chunk->asked : 0) << (PROMP_PAGES - 1 - last));
        unsigned ran = gaps ? (unsigned)__builtin_clzll(gaps) : PROMP_PAGES;
        count += ran;
        if (ran < last + 1)
            break;
        page -= ran;
    }
    return count < max ? count : max;
}

/* A read that finds nothing prepared: does it begin a stream? */
static void missed(promp_stream_t *stream, bool goes_on, uint64_t from, uint64_t to)
{
    promp_remote_t *remote = stream->remote;
    uint64_t past;

    if (goes_on || from == 0 || remote->advice == PROMP_ADVISE_SEQUENTIAL) {
        begin(stream, from, to, 0);
    } else if ((past = history(remote, from, largest(stream))) > to - from) {
        past += past >= from ? past : 0; /* from the container's begin on: it will be a long one */
        begin(stream, from, to, past + (to - from));
    }
}

void promp_reader_ahead_read(promp_remote_t *remote, uint64_t offset, size_t size)
{
    promp_reader_t *reader = remote->reader;
    uint64_t from = offset / PROMP_CHUNK_PAGE, to = promp_page_end(offset + size);
    bool wait;
    bool miss = misses(remote, from, to, &wait);

    reader->reads++;
    reader->ticks += wait;
    remote->ticks += wait;
    if (remote->advice == PROMP_ADVISE_RANDOM || reader->failed)
        return;
    promp_stream_t *stream = find(remote, offset);
    bool goes_on = stream != NULL;
    if (!stream)
        stream = replace(remote);
    stream->last = offset;
    stream->pos = offset + size;
    stream->used = reader->reads;
    stream->ticks[0] = remote->ticks;
    stream->ticks[1] = reader->ticks;
    forget_stale(remote);
    if (!stream->node.next) {
        if (miss)
            missed(stream, goes_on, from, to);
        return;
    }
    promp_list_remove(&reader->streams, &stream->node);
    promp_list_append(&reader->streams, &stream->node);
    if (miss && from < stream->end && misses(remote, from, stream->end < to ? stream->end : to, &wait))
        begin(stream, from, to, 0); /* what was read ahead is lost: anew, with a small window */
    else if (to > stream->marker)
        advance(stream, from, to);
}

/* --- advice --- */

/* As much as would not push itself out. */
static void soon(promp_remote_t *remote, uint64_t offset, uint64_t size)
{
    promp_reader_t *reader = remote->reader;
    uint64_t most = reader->cache / 4;

    if (reader->failed || offset >= remote->size || size == 0)
        return;
    if (most > remote->size - offset)
        most = remote->size - offset;
    uint64_t end = promp_page_end(offset + (size < most ? size : most));
    for (uint64_t at = offset / PROMP_CHUNK_PAGE; at < end;) {
        uint64_t next = (at / PROMP_PAGES + 1) * PROMP_PAGES;
        if (reader->turn[PROMP_TURN_AHEAD].count >= reader->cache / 2 / PROMP_CHUNK)
            return;
        want(remote, at, next < end ? next : end);
        at = next;
    }
}

void promp_remote_advise(promp_remote_t *remote, promp_advice_t advice, uint64_t offset, uint64_t size)
{
    if (advice == PROMP_ADVISE_SOON) {
        soon(remote, offset, size);
        return;
    }
    remote->advice = advice;
    if (advice == PROMP_ADVISE_RANDOM)
        promp_reader_ahead_end(remote);
}
