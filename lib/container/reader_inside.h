/* reader_inside.h - a reader as its own files see it. Each page of a remote container is in one of these states:
 *
 *     absent -> wanted (need or ahead) -> asked -> here -> absent (evicted; the chunk may stay as a ghost)
 *
 * A chunk exists as long as it holds bytes, is held, asked for or wanted, or is a ghost; promp_reader_cache_settle() is
 * called after each change and sees to that. */
#ifndef PROMP_CONTAINER_READER_INSIDE_H
#define PROMP_CONTAINER_READER_INSIDE_H

#include <stdatomic.h>

#include "limits.h"
#include "map.h"
#include "reader.h"

#define PROMP_PAGES (PROMP_CHUNK / PROMP_CHUNK_PAGE)
_Static_assert(PROMP_PAGES == 64, "a chunk's pages are the bits of one word");
_Static_assert(PROMP_FETCH_CHUNKS >= PROMP_LIMIT_FETCH / PROMP_CHUNK + 1,
               "a fetch need not begin at a chunk");

/* What one answer brought. Never moved: a fetch may read it without the lock. */
typedef struct promp_piece {
    struct promp_piece *next;
    const uint8_t *data;
    uint8_t *body;  /* the record that data lies in; NULL: it lies behind this struct */
    uint32_t first; /* its first byte within the chunk */
    uint32_t size;
} promp_piece_t;

typedef enum {
    PROMP_QUEUE_FRESH, /* 2Q's A1in: seen once, first in, first out */
    PROMP_QUEUE_KEPT,  /* Am: seen again after they had left; by last use */
    PROMP_QUEUE_GHOST, /* A1out: bytes that were here; only remembered */
    PROMP_QUEUES,
    PROMP_QUEUE_NONE = PROMP_QUEUES
} promp_queue_t;

typedef enum {
    PROMP_TURN_DEMAND, /* has pages to be asked for that a fetch waits for */
    PROMP_TURN_AHEAD,
    PROMP_TURNS,
    PROMP_TURN_NONE = PROMP_TURNS
} promp_turn_t;

struct promp_chunk {
    promp_remote_t *remote;
    uint64_t index;
    promp_node_t node; /* in its remote */
    promp_queue_t queue;
    promp_node_t in_queue; /* in none for a while, when an eviction met it in use */
    promp_turn_t turn;
    promp_node_t in_turn;
    promp_list_t holds;
    _Atomic(promp_piece_t *) pieces;
    uint32_t bytes; /* of the pieces */
    bool pinned;    /* not to be freed by what is called */
    bool hot;       /* read again after it had left: KEPT is its queue */
    bool streamed;  /* read-ahead wanted it */
    uint64_t here;  /* a bit for each page, from here on */
    uint64_t asked; /* under way */
    uint64_t need;  /* to be asked for: a fetch waits */
    uint64_t ahead; /* read-ahead wants it, or has brought it and nobody has used it */
    uint64_t was;   /* here when the chunk left FRESH */
};

/* One sequential reader; pages count from the container's begin. */
typedef struct {
    promp_node_t node; /* in the reader, by last use; in none: it has no window */
    uint64_t last;     /* offset of its last read */
    uint64_t pos;      /* where that ended; 0: not in use */
    uint64_t from;     /* first page that was read ahead and may be unused */
    uint64_t end;      /* the page behind the window */
    uint64_t marker;   /* a read that goes beyond this page asks for the next window */
    uint64_t size;     /* of the window, before it was cut */
    uint64_t used;     /* the reader's count of reads at its last */
    uint64_t ticks[2]; /* of the remote and of the reader at its last */
    promp_remote_t *remote;
} promp_stream_t;

struct promp_remote {
    promp_reader_t *reader;
    promp_id_t id;
    uint64_t size;
    uint64_t number; /* never given again: a key of its chunks */
    size_t opens;
    promp_advice_t advice;
    promp_list_t fetches;
    promp_list_t chunks;
    uint64_t ticks; /* reads that found not everything here, or made the next window */
    promp_stream_t stream[PROMP_LIMIT_CONTAINER_STREAM];
};

/* A request under way. */
typedef struct {
    uint32_t number;
    uint32_t size;
    promp_chunk_t *chunk;
    uint64_t pages; /* one run */
} promp_asked_t;

struct promp_reader {
    uint64_t cache;
    uint64_t held;
    uint64_t under_way;
    promp_map_t *remotes; /* by id */
    promp_map_t *chunks;  /* by number of the remote and index */
    uint64_t remotes_made;
    promp_err_t failed;

    promp_list_t queue[PROMP_QUEUES];
    uint64_t fresh_bytes;
    uint64_t ghost_bytes;

    promp_list_t streams; /* those with a window; the least recently used first */
    uint64_t reads;
    uint64_t ticks; /* of all remotes */

    promp_list_t turn[PROMP_TURNS];
    promp_asked_t asked[PROMP_LIMIT_READS];
    size_t asked_count;
    uint64_t requests;                   /* so far */
    uint32_t cancels[PROMP_LIMIT_READS]; /* not told yet: no more than there were under way */
    size_t cancel_count;
};

/* Bits of count pages from first on; first + count <= 64, count > 0. */
static inline uint64_t promp_pages(unsigned first, unsigned count)
{
    return (count < PROMP_PAGES ? (1ULL << count) - 1 : ~0ULL) << first;
}

/* Bits of those pages from..to - 1 of the container that lie in chunk index; there is at least one. */
static inline uint64_t promp_pages_of(uint64_t index, uint64_t from, uint64_t to)
{
    uint64_t base = index * PROMP_PAGES;
    uint64_t first = from > base ? from - base : 0;
    uint64_t end = to - base < PROMP_PAGES ? to - base : PROMP_PAGES;
    return promp_pages((unsigned)first, (unsigned)(end - first));
}

/* The page behind the last byte before offset. */
static inline uint64_t promp_page_end(uint64_t offset)
{
    return offset / PROMP_CHUNK_PAGE + (offset % PROMP_CHUNK_PAGE != 0);
}

/* --- reader.c --- */

void promp_reader_remote_settle(promp_remote_t *remote); /* frees it when nobody needs it */

/* --- reader_cache.c --- */

promp_chunk_t *promp_reader_cache_find(const promp_remote_t *remote, uint64_t index); /* NULL: absent */
/* Found or made; settle it soon, it is in no queue. NULL without memory. */
promp_chunk_t *promp_reader_cache_make(promp_remote_t *remote, uint64_t index);
/* Puts it where it belongs, or frees it. */
void promp_reader_cache_settle(promp_chunk_t *chunk);
/* A fetch reads these pages: a ghost that held some of them becomes one of those that are kept. */
void promp_reader_cache_use(promp_chunk_t *chunk, uint64_t pages);
/* Keeps what an answer brought; pages are one run. OK or MEMORY. */
promp_err_t promp_reader_cache_store(promp_chunk_t *chunk, uint64_t pages, promp_slice_t data,
                                     uint8_t **body);
/* What a stream reads of a container that the cache cannot hold leaves before it is read again. So room for size bytes of
 * such a chunk is made among what was read once, as if the cache were full: a quarter of it, used over and over, is faster
 * than the whole. */
void promp_reader_cache_pass(const promp_chunk_t *chunk, uint64_t size);
/* Evicts until size more bytes fit; for a demand read-ahead under way is cancelled too. Nothing held by a fetch goes.
 * False: they do not fit. */
bool promp_reader_cache_room(promp_reader_t *reader, uint64_t size, bool demand);

/* --- reader_ask.c --- */

/* Cancels what is under way of this chunk and wanted by nobody; does not settle it. */
void promp_reader_ask_drop(promp_chunk_t *chunk);
/* Cancels the last request that no fetch holds. False: there is none. */
bool promp_reader_ask_drop_ahead(promp_reader_t *reader);

/* --- reader_fetch.c --- */

void promp_fetch_fail(promp_fetch_t *fetch, promp_err_t error); /* unless it has all it wants */
uint64_t promp_fetch_wants(const promp_chunk_t *chunk);         /* pages that some fetch wants, here or not */

/* --- reader_ahead.c --- */

/* A read begins: reads ahead as its stream demands. */
void promp_reader_ahead_read(promp_remote_t *remote, uint64_t offset, size_t size);
/* Forgets all streams; what they asked for is cancelled. */
void promp_reader_ahead_end(promp_remote_t *remote);

#endif
