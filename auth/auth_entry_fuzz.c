/* auth_entry_fuzz.c - any bytes as a file of the store; an entry that is taken is written and must come back. */
#include <stdlib.h>

#include "auth_entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[PROMP_LIMIT_KEY_FILE];
    promp_auth_entry_t entry, back;
    promp_error_t error;
    size_t written;

    if (promp_auth_entry_parse(promp_slice(data, size), &entry, &error))
        return 0;
    if (promp_auth_entry_format(&entry, text, &written, NULL) ||
        promp_auth_entry_parse(promp_slice(text, written), &back, NULL) ||
        memcmp(&entry, &back, sizeof entry) != 0)
        abort();
    return 0;
}
