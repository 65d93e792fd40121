#include "lane.h"

#include <stdlib.h>

#include "buf.h"
#include "mutant.h"

/* Small records share chunks; the first of an empty lane is small, so that a lonely message costs little. A larger
 * record gets pieces of its own: its memory is given back while it is being acknowledged. */
#define CHUNK_FIRST (4 * PROMP_KIB)
#define CHUNK       (32 * PROMP_KIB)
#define SMALL       (16 * PROMP_KIB)
#define PIECE       (1 * PROMP_MIB)

struct promp_segment {
    promp_segment_t *next;
    uint64_t start; /* lane offset of data[0] */
    size_t size;
    size_t capacity;
    uint8_t *data;      /* bytes, or moved */
    uint8_t *moved;     /* malloc'd: a large record's body, taken over as it was; else NULL */
    promp_pool_t *pool; /* where that goes in the end; NULL: it is freed */
    uint8_t bytes[];
};

static uint64_t segment_end(const promp_segment_t *segment)
{
    return segment->start + segment->size;
}

static void segment_free(promp_segment_t *segment)
{
    if (segment->pool)
        promp_pool_give(segment->pool, segment->moved);
    else
        free(segment->moved);
    free(segment);
}

static void segments_free(promp_segment_t *segment)
{
    while (segment) {
        promp_segment_t *next = segment->next;
        segment_free(segment);
        segment = next;
    }
}

static promp_segment_t *segment_new(uint64_t start, size_t capacity)
{
    promp_segment_t *segment = malloc(sizeof *segment + capacity);
    if (segment)
        *segment = (promp_segment_t){.start = start, .capacity = capacity, .data = segment->bytes};
    return segment;
}

/* Segments for a record of `need` bytes that begins at start. */
static promp_segment_t *segments_new(uint64_t start, uint64_t need, bool first)
{
    if (need <= SMALL)
        return segment_new(start, first && need <= CHUNK_FIRST ? CHUNK_FIRST : CHUNK);

    promp_segment_t *head = NULL;
    promp_segment_t **link = &head;
    while (need > 0) {
        size_t size = need < PIECE ? (size_t)need : PIECE;
        *link = segment_new(start, size);
        if (!*link) {
            segments_free(head);
            return NULL;
        }
        link = &(*link)->next;
        start += size;
        need -= size;
    }
    return head;
}

static promp_segment_t *fill(promp_segment_t *segment, const uint8_t *data, size_t size)
{
    while (size > 0) {
        size_t room = segment->capacity - segment->size;
        if (room == 0) {
            segment = segment->next;
            continue;
        }
        size_t n = size < room ? size : room;
        memcpy(segment->data + segment->size, data, n);
        segment->size += n;
        data += n;
        size -= n;
    }
    return segment;
}

/* Where the next `need` bytes go; NULL without memory. */
static promp_segment_t *segments_for(promp_lane_out_t *lane, uint64_t need)
{
    promp_segment_t *at = lane->last;
    if (at && at->capacity - at->size >= need)
        return at;
    at = segments_new(lane->end, need, !lane->first);
    if (!at)
        return NULL;
    if (lane->last)
        lane->last->next = at;
    else
        lane->first = lane->cursor = at;
    lane->last = at;
    while (lane->last->next)
        lane->last = lane->last->next;
    return at;
}

promp_err_t promp_lane_out_queue(promp_lane_out_t *lane, uint16_t type, const promp_slice_t *parts,
                                 size_t count, uint64_t size, promp_buf_t *rest)
{
    uint64_t need = PROMP_RECORD_HEAD + size;
    promp_segment_t *tail = NULL;
    if (rest && !(tail = segment_new(lane->end + need, 0)))
        return PROMP_ERR_MEMORY;
    promp_segment_t *at = segments_for(lane, need);
    if (!at) {
        free(tail);
        return PROMP_ERR_MEMORY;
    }

    uint8_t head[PROMP_RECORD_HEAD];
    promp_put64(head, promp_record_head(type, size + (rest ? rest->size : 0)));
    at = fill(at, head, sizeof head);
    for (size_t i = 0; i < count; i++)
        at = fill(at, parts[i].data, parts[i].size);
    lane->end += need;
    if (rest) {
        tail->data = tail->moved = rest->data;
        tail->size = tail->capacity = rest->size;
        tail->pool = lane->pool && promp_pool_fits(lane->pool, rest) ? lane->pool : NULL;
        lane->end += rest->size;
        lane->last->next = tail;
        lane->last = tail;
        *rest = (promp_buf_t){0};
    }
    return PROMP_OK;
}

uint8_t *promp_lane_out_last(promp_lane_out_t *lane, size_t size)
{
    promp_segment_t *last = lane->last;
    return last && size <= last->size ? last->data + last->size - size : NULL;
}

void promp_lane_out_clear(promp_lane_out_t *lane)
{
    segments_free(lane->first);
    lane->first = lane->last = lane->cursor = NULL;
    lane->next = lane->acked = lane->end;
    lane->resume_at = 0;
}

static void forget_acked(promp_lane_out_t *lane)
{
    while (lane->first && segment_end(lane->first) <= lane->acked) {
        promp_segment_t *done = lane->first;
        lane->first = done->next;
        if (lane->cursor == done)
            lane->cursor = done->next;
        if (lane->last == done)
            lane->last = NULL;
        segment_free(done);
    }
}

promp_err_t promp_lane_out_ack(promp_lane_out_t *lane, uint64_t recv, uint64_t credit, bool *progress)
{
    if (recv > lane->high)
        return PROMP_ERR_OFFSET;
    if (recv > lane->acked) {
        lane->acked = recv;
        if (PROMP_MUTANT(1) && recv < lane->end)
            lane->acked++;
        if (lane->next < lane->acked)
            lane->next = lane->acked;
        lane->pause = 0;
        forget_acked(lane);
        *progress = true;
    }
    if (credit > lane->credit) {
        lane->credit = credit;
        *progress = true;
    }
    return PROMP_OK;
}

void promp_lane_out_go_back(promp_lane_out_t *lane, uint64_t offset)
{
    if (offset < lane->acked || offset >= lane->next)
        return;
    lane->next = offset;
    lane->cursor = lane->first;
    if (lane->probed > offset)
        lane->probed = offset; /* what was sent then is sent again: a hole found there is old news */
}

void promp_lane_out_congested(promp_lane_out_t *lane, uint64_t offset, int64_t now)
{
    if (offset < lane->acked || offset >= lane->next)
        return;
    promp_lane_out_go_back(lane, offset);
    lane->pause = lane->pause ? lane->pause * 2 : PROMP_TIME_CONGESTED;
    if (lane->pause > PROMP_TIME_CONGESTED_MAX)
        lane->pause = PROMP_TIME_CONGESTED_MAX;
    lane->resume_at = now + lane->pause;
}

uint64_t promp_lane_out_ready(const promp_lane_out_t *lane, int64_t now)
{
    uint64_t limit = lane->end < lane->credit ? lane->end : lane->credit;
    return now < lane->resume_at || limit <= lane->next ? 0 : limit - lane->next;
}

size_t promp_lane_out_send(promp_lane_out_t *lane, size_t most, promp_out_t *out)
{
    promp_segment_t *segment = lane->cursor;
    while (segment_end(segment) <= lane->next)
        segment = segment->next;

    size_t total = 0;
    out->parts = 0;
    while (segment && total < most && out->parts < PROMP_OUT_PARTS) {
        size_t skip = (size_t)(lane->next - segment->start);
        size_t n = segment->size - skip;
        if (n > most - total)
            n = most - total;
        out->part[out->parts++] = promp_slice(segment->data + skip, n);
        total += n;
        lane->next += n;
        lane->cursor = segment;
        segment = segment->next;
    }
    if (lane->high < lane->next)
        lane->high = lane->next;
    return total;
}

bool promp_lane_out_waits(const promp_lane_out_t *lane)
{
    return lane->acked < lane->next || (lane->next < lane->end && lane->next >= lane->credit);
}
