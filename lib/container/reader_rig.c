#include "reader_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

void rig_begin(rig_t *rig, uint64_t cache)
{
    memset(rig, 0, sizeof *rig);
    rig->reader = promp_reader_new(cache);
    assert_non_null(rig->reader);
}

void rig_end(rig_t *rig)
{
    rig_take(rig);
    assert_int_equal(rig->count, 0);
    assert_int_equal(promp_reader_held(rig->reader), 0);
    assert_int_equal(promp_reader_under_way(rig->reader), 0);
    promp_reader_destroy(&rig->reader);
    assert_null(rig->reader);
}

promp_id_t rig_id(unsigned container)
{
    promp_id_t id = {{1}};
    memcpy(id.b + 4, &container, sizeof container);
    return id;
}

static unsigned container_of(const promp_id_t *id)
{
    unsigned container;
    memcpy(&container, id->b + 4, sizeof container);
    return container;
}

/* Words of different containers and offsets differ. */
static uint64_t word_of(unsigned container, uint64_t offset)
{
    uint64_t word = (offset / 8 + 1 + ((uint64_t)container << 40)) * 0x9e3779b97f4a7c15;
    return word ^ word >> 29;
}

uint8_t rig_byte(unsigned container, uint64_t offset)
{
    return (uint8_t)(word_of(container, offset) >> (offset % 8 * 8));
}

void rig_fill(unsigned container, uint64_t offset, uint8_t *data, size_t size)
{
    while (size > 0 && offset % 8) {
        *data++ = rig_byte(container, offset++);
        size--;
    }
    for (; size >= 8; size -= 8, data += 8, offset += 8) {
        uint64_t word = word_of(container, offset);
        memcpy(data, &word, 8); /* little-endian, as rig_byte */
    }
    while (size-- > 0)
        *data++ = rig_byte(container, offset++);
}

promp_remote_t *rig_open(rig_t *rig, unsigned container, uint64_t size)
{
    promp_id_t id = rig_id(container);
    promp_remote_t *remote = promp_reader_open(rig->reader, &id, size);
    assert_non_null(remote);
    if (container < 16)
        rig->sizes[container] = size;
    return remote;
}

static void check_request(const rig_t *rig, const promp_reader_out_t *out)
{
    uint64_t end = out->offset + out->size;
    unsigned container = container_of(&out->id);

    assert_true(out->request > 0 && out->size > 0 && out->size <= PROMP_CHUNK);
    assert_int_equal(out->offset % PROMP_CHUNK_PAGE, 0);
    assert_int_equal(out->offset / PROMP_CHUNK, (end - 1) / PROMP_CHUNK);
    if (container < 16) {
        assert_true(end <= rig->sizes[container]);
        assert_true(end % PROMP_CHUNK_PAGE == 0 || end == rig->sizes[container]);
    }
    for (size_t i = 0; i < rig->count; i++) {
        const promp_reader_out_t *other = &rig->asked[i];
        assert_true(other->request != out->request);
        /* no byte is under way twice */
        assert_true(!promp_id_equal(&other->id, &out->id) || other->offset >= end ||
                    out->offset >= other->offset + other->size);
    }
}

static void cancelled(rig_t *rig, uint32_t request)
{
    size_t at = 0;

    while (at < rig->count && rig->asked[at].request != request)
        at++;
    assert_true(at < rig->count); /* only what is under way is cancelled */
    rig->count--;
    memmove(&rig->asked[at], &rig->asked[at + 1], (rig->count - at) * sizeof rig->asked[0]);
    rig->cancelled[rig->cancels++ % 4096] = request;
}

bool rig_next(rig_t *rig)
{
    promp_reader_out_t out;

    if (!promp_reader_next(rig->reader, &out))
        return false;
    if (out.cancel) {
        cancelled(rig, out.request);
        return true;
    }
    check_request(rig, &out);
    assert_true(rig->count < PROMP_LIMIT_READS);
    assert_true(promp_reader_under_way(rig->reader) <= PROMP_READ_WINDOW);
    rig->asked[rig->count++] = out;
    rig->requests++;
    rig->bytes += out.size;
    return true;
}

void rig_take(rig_t *rig)
{
    while (rig_next(rig))
        ;
}

/* Data lies somewhere in the middle of its record, as on the wire. */
void rig_answer(rig_t *rig, size_t at, promp_err_t error)
{
    assert_true(at < rig->count);
    promp_reader_out_t out = rig->asked[at];
    uint8_t *body = malloc(out.size + 13);
    assert_non_null(body);

    rig_fill(container_of(&out.id), out.offset, body + 13, out.size);
    rig->count--;
    memmove(&rig->asked[at], &rig->asked[at + 1], (rig->count - at) * sizeof rig->asked[0]);
    promp_slice_t data = error ? promp_slice(NULL, 0) : promp_slice(body + 13, out.size);
    if (rig->inside)
        *rig->inside = true;
    promp_err_t result = promp_reader_answer(rig->reader, out.request, error, data, &body);
    if (rig->inside)
        *rig->inside = false;
    assert_int_equal(result, PROMP_OK);
    free(body);
}

void rig_settle(rig_t *rig)
{
    for (rig_take(rig); rig->count > 0; rig_take(rig))
        rig_answer(rig, 0, PROMP_OK);
}

void rig_expect(const rig_t *rig, size_t at, uint64_t offset, uint32_t size)
{
    assert_true(at < rig->count);
    assert_int_equal(rig->asked[at].offset, offset);
    assert_int_equal(rig->asked[at].size, size);
}

void rig_check(const promp_fetch_t *fetch)
{
    static uint8_t right[PROMP_CHUNK];
    unsigned container = container_of(promp_remote_id(fetch->remote));

    assert_int_equal(promp_fetch_state(fetch), PROMP_OK);
    for (uint64_t at = fetch->offset, end = at + fetch->size; at < end;) {
        promp_slice_t piece = promp_fetch_piece(fetch, at);
        assert_true(piece.size > 0 && piece.size <= end - at && piece.size <= PROMP_CHUNK);
        rig_fill(container, at, right, piece.size);
        if (memcmp(piece.data, right, piece.size) != 0)
            fail_msg("wrong bytes from %llu on in container %u", (unsigned long long)at, container);
        at += piece.size;
    }
}

unsigned rig_read(rig_t *rig, promp_remote_t *remote, uint64_t offset, size_t size)
{
    promp_fetch_t fetch;
    unsigned waits = 0;

    promp_fetch_begin(rig->reader, remote, offset, size, &fetch);
    for (rig_take(rig); promp_fetch_state(&fetch) == PROMP_ERR_TIMEOUT; rig_take(rig)) {
        rig_answer(rig, 0, PROMP_OK);
        waits++;
    }
    rig_check(&fetch);
    promp_fetch_end(rig->reader, &fetch);
    return waits;
}

uint64_t rig_random(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed * 0x2545f4914f6cdd1d;
}
