#include "auth_token.h"

#include <sodium.h>
#include <stdlib.h>

#include "buf.h"

#define CHECK    8
#define HAS_NEXT 1
#define SMALLEST (1 + 1 + 8 + 32 + 32 + 1 + CHECK)
#define LARGEST  (SMALLEST + 32 + PROMP_LIMIT_ADDRESS)
#define VARIANT  sodium_base64_VARIANT_URLSAFE_NO_PADDING
#define START    (sizeof PROMP_AUTH_TOKEN_START - 1)

_Static_assert(START + (LARGEST * 4 + 2) / 3 <= PROMP_LIMIT_TOKEN,
               "the longest token is longer than its limit");

bool promp_auth_address_valid(promp_slice_t text)
{
    static const char start[] = "tcp://";
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_:[]%";
    size_t port = text.size, at = sizeof start - 1;
    unsigned long number = 0;

    if (text.size > PROMP_LIMIT_ADDRESS || text.size < at || memcmp(text.data, start, at) != 0)
        return false;
    while (port > at && text.data[port - 1] >= '0' && text.data[port - 1] <= '9')
        port--;
    if (port <= at + 1 || text.data[port - 1] != ':' || text.size - port > 5)
        return false;
    for (size_t i = port; i < text.size; i++)
        number = number * 10 + (text.data[i] - '0');
    promp_slice_t host = promp_slice(text.data + at, port - 1 - at);
    for (size_t i = 0; i < host.size; i++)
        if (!memchr(allowed, host.data[i], sizeof allowed - 1))
            return false;
    bool brackets = host.size > 2 && host.data[0] == '[' && host.data[host.size - 1] == ']';
    if (brackets)
        host = promp_slice(host.data + 1, host.size - 2);
    for (size_t i = 0; i < host.size; i++)
        if (memchr(brackets ? "[]" : "[]:", host.data[i], brackets ? 2 : 3))
            return false;
    return number >= 1 && number <= 65535;
}

static void check_of(const uint8_t *data, size_t size, uint8_t check[crypto_generichash_BYTES_MIN])
{
    crypto_generichash(check, crypto_generichash_BYTES_MIN, data, size, NULL, 0);
}

static uint8_t *put(uint8_t *at, const void *data, size_t size)
{
    memcpy(at, data, size);
    return at + size;
}

/* Writes the bytes of a token; returns how many. */
static size_t encode(const promp_auth_token_t *token, uint8_t *bytes)
{
    uint8_t check[crypto_generichash_BYTES_MIN], *at = bytes;
    *at++ = token->has_next ? HAS_NEXT : 0;
    *at++ = (uint8_t)token->role;
    promp_put64(at, (uint64_t)token->expires);
    at = put(at + 8, token->broker, sizeof token->broker);
    if (token->has_next)
        at = put(at, token->next, sizeof token->next);
    at = put(at, promp_auth_key_show(token->key), PROMP_AUTH_KEY_SIZE);
    promp_auth_key_hide(token->key);
    *at++ = (uint8_t)strlen(token->address);
    at = put(at, token->address, strlen(token->address));
    check_of(bytes, (size_t)(at - bytes), check);
    at = put(at, check, CHECK);
    return (size_t)(at - bytes);
}

promp_err_t promp_auth_token_format(const promp_auth_token_t *token, char *text, promp_error_t *error)
{
    if (!promp_auth_address_valid(promp_slice_str(token->address)))
        return promp_error_set(error, PROMP_ERR_ARGUMENT, 0, "an address is tcp://HOST:PORT");
    uint8_t *bytes = promp_auth_secret_alloc(LARGEST);
    if (!bytes)
        return promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
    size_t size = encode(token, bytes);
    memcpy(text, PROMP_AUTH_TOKEN_START, START);
    sodium_bin2base64(text + START, PROMP_LIMIT_TOKEN + 1 - START, bytes, size, VARIANT);
    promp_auth_secret_free(bytes);
    return PROMP_OK;
}

static promp_slice_t trim(promp_slice_t text)
{
    while (text.size && memchr(" \t\r\n", text.data[text.size - 1], 4))
        text.size--;
    while (text.size && memchr(" \t\r\n", text.data[0], 4))
        text = promp_slice(text.data + 1, text.size - 1);
    return text;
}

static promp_err_t mistyped(promp_error_t *error)
{
    return promp_error_set(error, PROMP_ERR_TOKEN_CHECKSUM, 0, NULL);
}

static promp_err_t unknown(promp_error_t *error)
{
    return promp_error_set(error, PROMP_ERR_TOKEN_FORMAT, 0, NULL);
}

/* Reads bytes whose check fits; what is wrong in them was written by another program than ours. */
static promp_err_t decode(const uint8_t *at, size_t size, promp_auth_token_t *token, promp_error_t *error)
{
    token->has_next = at[0] & HAS_NEXT;
    token->role = (promp_auth_role_t)at[1];
    token->expires = (int64_t)promp_get64(at + 2);
    const size_t fixed = SMALLEST + (token->has_next ? 32 : 0);
    if (at[0] > HAS_NEXT || token->role < PROMP_AUTH_MANAGER || token->role > PROMP_AUTH_ADMIN ||
        token->expires < 0 || size < fixed)
        return unknown(error);
    memcpy(token->broker, at += 10, 32);
    at += 32;
    if (token->has_next) {
        memcpy(token->next, at, 32);
        at += 32;
    }
    const uint8_t *secret = at;
    promp_slice_t address = promp_slice(at + 33, at[32]);
    if (size - fixed != address.size || !promp_auth_address_valid(address) ||
        !promp_auth_key_valid(token->broker) || (token->has_next && !promp_auth_key_valid(token->next)))
        return unknown(error);
    memcpy(token->address, address.data, address.size);
    return promp_auth_key_of_secret(secret, &token->key, error);
}

static promp_err_t parse(promp_slice_t text, uint8_t *bytes, promp_auth_token_t *token, promp_error_t *error)
{
    uint8_t check[crypto_generichash_BYTES_MIN];
    size_t size;
    if (text.size < START || memcmp(text.data, PROMP_AUTH_TOKEN_START, START) != 0)
        return unknown(error);
    if (sodium_base642bin(bytes, LARGEST, (const char *)text.data + START, text.size - START, NULL, &size,
                          NULL, VARIANT) != 0 ||
        size < SMALLEST)
        return mistyped(error);
    check_of(bytes, size - CHECK, check);
    if (sodium_memcmp(check, bytes + size - CHECK, CHECK) != 0)
        return mistyped(error);
    return decode(bytes, size, token, error);
}

promp_err_t promp_auth_token_parse(promp_slice_t text, promp_auth_token_t **token, promp_error_t *error)
{
    promp_err_t code = PROMP_ERR_MEMORY;
    uint8_t *bytes = promp_auth_secret_alloc(LARGEST);
    *token = calloc(1, sizeof **token);
    if (bytes && *token)
        code = parse(trim(text), bytes, *token, error);
    else
        promp_error_set(error, code, 0, NULL);
    promp_auth_secret_free(bytes);
    if (code)
        promp_auth_token_destroy(token);
    return code;
}

void promp_auth_token_destroy(promp_auth_token_t **token)
{
    if (!*token)
        return;
    promp_auth_key_destroy(&(*token)->key);
    free(*token);
    *token = NULL;
}
