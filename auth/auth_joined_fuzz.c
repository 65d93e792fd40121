/* auth_joined_fuzz.c - any bytes as what a folder knows about its broker; what is taken is written and must come back. */
#include <stdlib.h>

#include "auth_joined.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[PROMP_LIMIT_KEY_FILE];
    promp_auth_joined_t joined, back;
    promp_error_t error;
    size_t written;

    if (promp_auth_joined_parse(promp_slice(data, size), &joined, &error))
        return 0;
    if (promp_auth_joined_format(&joined, text, &written, NULL) ||
        promp_auth_joined_parse(promp_slice(text, written), &back, NULL) ||
        memcmp(&joined, &back, sizeof joined) != 0)
        abort();
    return 0;
}
