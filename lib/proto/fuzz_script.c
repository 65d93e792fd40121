#include "fuzz_script.h"

#include <stdlib.h>

void fuzz_check(bool holds)
{
    if (!holds)
        abort();
}

promp_id_t fuzz_id(uint8_t n)
{
    return (promp_id_t){{n}};
}

uint8_t fuzz_next(fuzz_script_t *script)
{
    uint8_t byte = script->left.size ? *script->left.data : 0;

    if (script->left.size) {
        script->left.data++;
        script->left.size--;
    }
    return byte;
}

bool fuzz_frame(fuzz_script_t *script, unsigned sessions, promp_frame_t *frame)
{
    *frame = (promp_frame_t){.type = fuzz_next(script) % PROMP_TYPE_RECORD};
    size_t size = fuzz_next(script);
    bool data = frame->type == PROMP_TYPE_DATA;

    frame->session = fuzz_id((uint8_t)(fuzz_next(script) % sessions));
    frame->epoch = fuzz_next(script) % 3;
    if (data || frame->type == PROMP_TYPE_CONGESTED) {
        frame->lane = fuzz_next(script) % PROMP_LANES;
        frame->offset = (uint64_t)fuzz_next(script) << (fuzz_next(script) % 57);
    }
    if (size > script->left.size)
        size = script->left.size;
    if (data && frame->offset + size < frame->offset)
        return false;
    frame->body = promp_slice(script->left.data, size);
    frame->size = promp_frame_size(size);
    script->left.data += size;
    script->left.size -= size;
    return true;
}

promp_frame_t fuzz_message(const promp_message_t *message, const promp_id_t *session, promp_buf_t *body)
{
    promp_frame_t frame = {.type = (uint8_t)message->type};

    fuzz_check(promp_message_encode(message, body) == PROMP_OK);
    if (session)
        frame.session = *session;
    frame.size = promp_frame_size(body->size);
    frame.body = promp_slice(body->data, body->size);
    return frame;
}

void fuzz_sent(fuzz_script_t *script, uint64_t tag, uint64_t size)
{
    script->tag[script->end] = tag;
    script->size[script->end] = size;
    script->end = (script->end + 1) % FUZZ_TAGS;
    script->tags += script->tags < FUZZ_TAGS;
}

bool fuzz_flushed(fuzz_script_t *script, uint64_t *tag, uint64_t *size)
{
    if (!script->tags)
        return false;
    script->tags--;
    script->end = (script->end + FUZZ_TAGS - 1) % FUZZ_TAGS;
    *tag = script->tag[script->end];
    *size = script->size[script->end];
    return true;
}
