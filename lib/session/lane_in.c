#include "lane.h"

#include <stdlib.h>

#include "buf.h"
#include "mutant.h"

#define RING_FIRST 8
#define BODY_FIRST (1 * PROMP_MIB) /* a head that only claims a size costs no more than this */

void promp_lane_in_init(promp_lane_in_t *lane, promp_lane_t number)
{
    static const uint64_t windows[PROMP_LANES] = {PROMP_WINDOW_CONTROL, PROMP_WINDOW_MESSAGES,
                                                  PROMP_WINDOW_OUTPUT, PROMP_WINDOW_BULK};
    *lane = (promp_lane_in_t){.window = windows[number]};
}

void promp_lane_in_drop_part(promp_lane_in_t *lane)
{
    free(lane->body);
    lane->body = NULL;
    lane->size = lane->got = lane->room = 0;
    lane->head_size = 0;
}

void promp_lane_in_clear(promp_lane_in_t *lane)
{
    promp_record_t record;
    while (promp_lane_in_take(lane, &record))
        free(record.body);
    free(lane->ring);
    lane->ring = NULL;
    lane->places = 0;
    promp_lane_in_drop_part(lane);
}

static promp_err_t ring_reserve(promp_lane_in_t *lane)
{
    if (lane->count < lane->places)
        return PROMP_OK;
    size_t places = lane->places ? lane->places * 2 : RING_FIRST;
    promp_record_t *ring = malloc(places * sizeof *ring);
    if (!ring)
        return PROMP_ERR_MEMORY;
    for (size_t i = 0; i < lane->count; i++)
        ring[i] = lane->ring[(lane->first + i) & (lane->places - 1)];
    free(lane->ring);
    lane->ring = ring;
    lane->places = places;
    lane->first = 0;
    return PROMP_OK;
}

bool promp_lane_in_take(promp_lane_in_t *lane, promp_record_t *record)
{
    if (lane->count == 0)
        return false;
    *record = lane->ring[lane->first];
    lane->first = (lane->first + 1) & (lane->places - 1);
    lane->count--;
    lane->taken = record->end;
    if (!PROMP_MUTANT(2))
        lane->held -= PROMP_RECORD_HEAD + record->size;
    /* A burst's ring is given back, unless a record in assembly has its place there. */
    if (lane->count == 0 && lane->places > RING_FIRST && lane->head_size < PROMP_RECORD_HEAD) {
        free(lane->ring);
        lane->ring = NULL;
        lane->places = lane->first = 0;
    }
    return true;
}

/* The head is complete: may such a record come here, and is there memory to begin it? */
static promp_err_t record_begin(promp_lane_in_t *lane, promp_lane_t number, promp_who_t from)
{
    uint64_t head = promp_get64(lane->head);
    uint16_t type = (uint16_t)(head >> 48);
    uint64_t size = head & ((1ULL << 48) - 1);
    const promp_message_row_t *row = type < PROMP_TYPE_RECORD ? NULL : promp_message_row(type);
    if (!row)
        return PROMP_ERR_MESSAGE_UNKNOWN;
    promp_who_t to = from == PROMP_WHO_WORKER ? PROMP_WHO_MANAGER : PROMP_WHO_WORKER;
    if (!(row->from & from) || !(row->to & to))
        return PROMP_ERR_MESSAGE_SENDER;
    if (row->on != PROMP_ON_CONTROL + number)
        return PROMP_ERR_MESSAGE_STATE;
    if (size > row->max || size > PROMP_LIMIT_RECORD)
        return PROMP_ERR_MESSAGE_SIZE;

    promp_err_t error = ring_reserve(lane);
    if (error)
        return error;
    uint64_t room = size < BODY_FIRST ? size : BODY_FIRST;
    uint8_t *body = room ? malloc(room) : NULL;
    if (room && !body)
        return PROMP_ERR_MEMORY;
    lane->type = type;
    lane->body = body;
    lane->room = room;
    lane->size = size;
    lane->got = 0;
    return PROMP_OK;
}

static void record_complete(promp_lane_in_t *lane)
{
    promp_record_t *record = &lane->ring[(lane->first + lane->count++) & (lane->places - 1)];
    *record = (promp_record_t){.type = lane->type, .body = lane->body, .size = lane->size, .end = lane->recv};
    lane->held += PROMP_RECORD_HEAD + lane->size;
    lane->body = NULL;
    promp_lane_in_drop_part(lane);
}

/* Room for n more bytes of the body; grows with what has come, not with what was claimed. */
static promp_err_t body_reserve(promp_lane_in_t *lane, uint64_t n)
{
    if (n <= lane->room - lane->got)
        return PROMP_OK;
    uint64_t room = lane->room * 2;
    if (room < lane->got + n)
        room = lane->got + n;
    if (room > lane->size)
        room = lane->size;
    uint8_t *body = realloc(lane->body, room);
    if (!body)
        return PROMP_ERR_MEMORY;
    lane->body = body;
    lane->room = room;
    return PROMP_OK;
}

static promp_err_t take_head(promp_lane_in_t *lane, promp_lane_t number, promp_who_t from,
                             promp_slice_t *piece)
{
    size_t n = PROMP_RECORD_HEAD - lane->head_size;
    if (n > piece->size)
        n = piece->size;
    memcpy(lane->head + lane->head_size, piece->data, n);
    if (lane->head_size + n == PROMP_RECORD_HEAD) {
        promp_err_t error = record_begin(lane, number, from);
        if (error)
            return error;
    }
    lane->head_size += n;
    lane->recv += n;
    *piece = promp_slice(piece->data + n, piece->size - n);
    return PROMP_OK;
}

static promp_err_t take_body(promp_lane_in_t *lane, promp_slice_t *piece)
{
    size_t n = piece->size;
    if (n > lane->size - lane->got)
        n = (size_t)(lane->size - lane->got);
    if (n > 0) {
        promp_err_t error = body_reserve(lane, n);
        if (error)
            return error;
        if (piece->data != lane->body + lane->got) /* else it was read to its place */
            memcpy(lane->body + lane->got, piece->data, n);
    }
    lane->got += n;
    lane->recv += n;
    *piece = promp_slice(piece->data + n, piece->size - n);
    return PROMP_OK;
}

promp_err_t promp_lane_in_data(promp_lane_in_t *lane, promp_lane_t number, promp_who_t from, uint64_t offset,
                               promp_slice_t piece, bool *gap)
{
    *gap = false;
    if (offset > lane->granted || piece.size > lane->granted - offset)
        return PROMP_ERR_CREDIT;
    if (offset + piece.size > lane->heard)
        lane->heard = offset + piece.size;
    if (offset > lane->recv) {
        *gap = true;
        return PROMP_OK;
    }
    uint64_t seen = lane->recv - offset;
    if (seen >= piece.size)
        return PROMP_OK;
    if (!PROMP_MUTANT(3))
        piece = promp_slice(piece.data + seen, piece.size - (size_t)seen);

    while (piece.size > 0) {
        promp_err_t error = lane->head_size < PROMP_RECORD_HEAD ? take_head(lane, number, from, &piece)
                                                                : take_body(lane, &piece);
        if (error)
            return error;
        if (lane->head_size == PROMP_RECORD_HEAD && lane->got == lane->size)
            record_complete(lane);
    }
    return PROMP_OK;
}

uint8_t *promp_lane_in_place(promp_lane_in_t *lane, uint64_t offset, size_t *size)
{
    bool next = lane->head_size == PROMP_RECORD_HEAD && offset == lane->recv;
    uint64_t n = lane->size - lane->got;
    if (n > *size)
        n = *size;
    if (!next || n == 0 || n > lane->granted - offset || body_reserve(lane, n))
        return NULL;
    *size = (size_t)n;
    return lane->body + lane->got;
}

uint64_t promp_lane_in_grant(const promp_lane_in_t *lane)
{
    uint64_t grant = lane->recv - lane->held + lane->window;
    return grant > lane->granted ? grant : lane->granted;
}

bool promp_lane_in_due(const promp_lane_in_t *lane)
{
    uint64_t more = promp_lane_in_grant(lane) - lane->granted;
    /* Small grants would make the peer send small frames; one that has nothing left gets all there will be.
     */
    bool dry = lane->recv == lane->granted && lane->held == 0;
    return lane->recv - lane->told >= lane->window / 4 || more >= lane->window / 4 || (dry && more > 0);
}
