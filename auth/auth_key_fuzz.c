/* auth_key_fuzz.c - somebody else's certificate into promp_auth_key_parse(); what is a key is written and must come back. */
#include <stdlib.h>

#include "auth_key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(promp_auth_key_t *key, const promp_auth_key_note_t *note)
{
    static char text[PROMP_LIMIT_KEY_FILE];
    promp_auth_key_info_t info;
    promp_auth_key_t *back;
    size_t size;

    if (promp_auth_key_format_secret(key, note, promp_slice(NULL, 0), text, &size, NULL) ||
        promp_auth_key_parse(promp_slice(text, size), promp_slice(NULL, 0), &back, &info, NULL))
        abort();
    if (memcmp(promp_auth_key_public(key), promp_auth_key_public(back), PROMP_AUTH_KEY_SIZE) != 0 ||
        memcmp(&info.note, note, sizeof info.note) != 0)
        abort();
    promp_auth_key_destroy(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    promp_auth_key_info_t info;
    promp_auth_key_t *key = NULL;
    promp_error_t error;
    uint8_t public_key[PROMP_AUTH_KEY_SIZE];

    promp_auth_key_parse_public(promp_slice(data, size), public_key, &error);
    /* A lock is read but not opened: Argon2id would take all the time. */
    if (promp_auth_key_parse(promp_slice(data, size), promp_slice(NULL, 0), &key, &info, &error) == PROMP_OK)
        again(key, &info.note);
    promp_auth_key_destroy(&key);
    return 0;
}
