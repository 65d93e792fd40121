/* message_fuzz.c - a stranger's type, rules and body into promp_message_decode(); what passes is encoded and must come
 * back. Input: u8 type, u8 low bits of sender, receiver and state moved away from what the row allows, body. */
#include <stdlib.h>

#include "message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void encode(const promp_message_t *message, promp_buf_t *out)
{
    promp_buf_t head = {0};
    promp_slice_t rest;
    char text[256];

    /* What was decoded keeps to its row, so it can be encoded, in both ways alike. */
    if (promp_message_encode(message, out) || promp_message_encode_head(message, &head, &rest) ||
        head.size + rest.size != out->size)
        abort();
    if ((head.size && memcmp(out->data, head.data, head.size) != 0) ||
        (rest.size && memcmp(out->data + head.size, rest.data, rest.size) != 0))
        abort();
    if (strlen(promp_message_print(message, text, sizeof text)) >= sizeof text)
        abort();
    promp_buf_free(&head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const promp_message_t zero;
    promp_message_t message, again;
    promp_buf_t first = {0};
    promp_buf_t second = {0};

    if (size < 2)
        return 0;
    uint16_t type = data[0];
    const promp_message_row_t *row = promp_message_row(type);
    promp_who_t from = (promp_who_t)(row ? row->from ^ (data[1] & 1) : PROMP_WHO_ALL);
    promp_who_t to = (promp_who_t)(row ? row->to ^ (data[1] >> 1 & 1) : PROMP_WHO_ALL);
    promp_at_t state = (promp_at_t)(row ? row->states ^ (data[1] >> 2 & 1) : PROMP_AT_UP);
    promp_err_t err = promp_message_decode(type, promp_slice(data + 2, size - 2), from, to, state,
                                           PROMP_VERSION_HIGH, &message);
    if (err) {
        if (memcmp(&message, &zero, sizeof zero) != 0)
            abort();
        return 0;
    }
    encode(&message, &first);
    if (promp_message_decode(type, promp_slice(first.data, first.size), from, to, state, PROMP_VERSION_HIGH,
                             &again))
        abort();
    encode(&again, &second);
    if (first.size != second.size || (first.size && memcmp(first.data, second.data, first.size) != 0))
        abort();
    promp_buf_free(&first);
    promp_buf_free(&second);
    return 0;
}
