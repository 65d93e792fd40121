/* reader.h - the remote side of containers: which pieces of which container are here, which are under way, which are to
 * be asked for. A plain state machine: no socket, no clock, no thread, no lock. One thread (or lock) at a time. One reader
 * serves all remote containers of a process.
 *
 * Chunks of PROMP_CHUNK bytes hold pages of PROMP_CHUNK_PAGE bytes: a bit for each says "here", another "under way". A read
 * that goes on where one ended makes a stream: its window doubles up to PROMP_READ_AHEAD, and the next part of it
 * is asked for before the last is used up (a marker, as in Linux' mm/readahead.c). Any other read asks for its own pages
 * only. What is under way is asked for once, whoever waits for it. A part that nobody waits for any more (a seek, a closed
 * container) is cancelled.
 *
 * The cache is bounded in bytes and scan-resistant (2Q: Johnson and Shasha, VLDB 1994): chunks seen once go through a queue
 * of a quarter of it, those seen again after they had left it are kept by last use. What a fetch holds stays.
 *
 * The shell (worker/): begin a fetch, send what promp_reader_next() gives, feed answers, until promp_fetch_state() is not
 * TIMEOUT; copy; end. Longer reads are made piece by piece (PROMP_LIMIT_FETCH): read-ahead keeps the pieces coming.
 */
#ifndef PROMP_CONTAINER_READER_H
#define PROMP_CONTAINER_READER_H

#include "base.h"
#include "list.h"
#include "promp_container.h"

typedef struct promp_reader promp_reader_t;
typedef struct promp_remote promp_remote_t; /* one container at the other end */

/* cache: bytes that may be held (at least 4 PROMP_CHUNK). NULL without memory. */
promp_reader_t *promp_reader_new(uint64_t cache);
void promp_reader_destroy(promp_reader_t **reader); /* no fetch and no remote is left */

/* Bytes held and bytes asked for and not here yet; for tests and statistics. */
uint64_t promp_reader_held(const promp_reader_t *reader);
uint64_t promp_reader_under_way(const promp_reader_t *reader);

/* Opened again under the same id and size it is the same one, counted; another size: NULL. NULL without memory. */
promp_remote_t *promp_reader_open(promp_reader_t *reader, const promp_id_t *id, uint64_t size);
/* The last close cancels what is under way and forgets its chunks; fetches that wait fail with CLOSED, those that are OK
 * stay so until their end. True: it was the last. */
bool promp_reader_close(promp_reader_t *reader, promp_remote_t **remote);
const promp_id_t *promp_remote_id(const promp_remote_t *remote);
void promp_remote_advise(promp_remote_t *remote, promp_advice_t advice, uint64_t offset, uint64_t size);

typedef struct promp_chunk promp_chunk_t;
typedef struct promp_fetch promp_fetch_t;

#define PROMP_FETCH_CHUNKS 9 /* chunks that a fetch of PROMP_LIMIT_FETCH bytes can touch */

/* A read under way; lies with the caller, who neither looks inside nor moves it. */
struct promp_fetch {
    promp_node_t node; /* in its remote */
    promp_remote_t *remote;
    uint64_t offset;
    size_t size;
    promp_err_t error;
    size_t count; /* of holds in use; 0 after a failure */
    struct promp_hold {
        promp_node_t node; /* in its chunk */
        promp_fetch_t *fetch;
        promp_chunk_t *chunk;
        uint64_t pages; /* of the chunk, that it wants */
    } hold[PROMP_FETCH_CHUNKS];
};

/* Begins a read of 1..PROMP_LIMIT_FETCH bytes within the container (else it fails with ARGUMENT). */
void promp_fetch_begin(promp_reader_t *reader, promp_remote_t *remote, uint64_t offset, size_t size,
                       promp_fetch_t *fetch);
/* OK: all of it is here. TIMEOUT: not yet. Else the error that an answer told, or MEMORY. */
promp_err_t promp_fetch_state(const promp_fetch_t *fetch);
/* The bytes from offset on (in the container) that lie in one piece, at most up to the fetch's end: after OK. This one may
 * be called in any thread, without the lock too. Valid until promp_fetch_end: what a fetch holds is neither moved nor
 * freed. */
promp_slice_t promp_fetch_piece(const promp_fetch_t *fetch, uint64_t offset);
/* Lets go, in whatever state. What only this one waited for is cancelled unless read-ahead wants it. */
void promp_fetch_end(promp_reader_t *reader, promp_fetch_t *fetch);

typedef struct {
    bool cancel;      /* else read */
    uint32_t request; /* counts from 1, skips 0 */
    promp_id_t id;
    uint64_t offset;
    uint32_t size; /* 1..PROMP_CHUNK */
} promp_reader_out_t;
/* The next request to be sent; false: none now. At most PROMP_LIMIT_READS reads and PROMP_READ_WINDOW bytes are under way.
 * What somebody waits for goes before what is read ahead. */
bool promp_reader_next(promp_reader_t *reader, promp_reader_out_t *out);

/* The answer to a request: error OK and exactly the size asked for, or an error. *body: the malloc'd record that data lies
 * in, or NULL; where data is large the reader may take it over (then *body is NULL), else it copies. Returns OK; an answer
 * to what was cancelled: OK, ignored. MESSAGE_FIELD (nothing has changed): an answer of another size, or to what was never
 * asked. */
promp_err_t promp_reader_answer(promp_reader_t *reader, uint32_t request, promp_err_t error,
                                promp_slice_t data, uint8_t **body);

/* Nothing will be answered any more: all fetches, now and from now on, fail with error where their pages are not here. */
void promp_reader_fail(promp_reader_t *reader, promp_err_t error);

#endif
