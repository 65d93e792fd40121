/* auth_token_fuzz.c - any bytes as a token. The first byte says whether its check is mended, so that what is behind it is
 * reached too: then the rest are the bytes of the token, else its text. */
#include <sodium.h>
#include <stdlib.h>

#include "auth_token.h"

#define START (sizeof PROMP_AUTH_TOKEN_START - 1)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse(promp_slice_t text)
{
    static char again[PROMP_LIMIT_TOKEN + 1];
    promp_auth_token_t *token, *back;
    promp_error_t error;

    if (promp_auth_token_parse(text, &token, &error))
        return;
    if (promp_auth_token_format(token, again, &error) ||
        promp_auth_token_parse(promp_slice_str(again), &back, &error))
        abort();
    if (back->role != token->role || back->expires != token->expires ||
        strcmp(back->address, token->address) != 0 || back->has_next != token->has_next)
        abort();
    promp_auth_token_destroy(&back);
    promp_auth_token_destroy(&token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t bytes[1024], check[crypto_generichash_BYTES_MIN];
    char text[PROMP_LIMIT_TOKEN * 2];

    if (!size || !(data[0] & 1) || size > sizeof bytes - 8) {
        parse(promp_slice(data + !!size, size - !!size));
        return 0;
    }
    memcpy(bytes, data + 1, --size);
    crypto_generichash(check, sizeof check, bytes, size, NULL, 0);
    memcpy(bytes + size, check, 8);
    memcpy(text, PROMP_AUTH_TOKEN_START, START);
    sodium_bin2base64(text + START, sizeof text - START, bytes, size + 8,
                      sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    parse(promp_slice_str(text));
    return 0;
}
