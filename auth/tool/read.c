#include "read.h"

#include <stdio.h>

bool promp_read_number(const char *text, uint64_t least, uint64_t most, bool units, uint64_t *value)
{
    static const char letters[] = "KMGT";
    uint64_t factor = 1;
    *value = 0;
    if (*text < '0' || *text > '9')
        return false;
    for (; *text >= '0' && *text <= '9'; text++) {
        uint64_t digit = (uint64_t)(*text - '0');
        if (*value > (UINT64_MAX - digit) / 10)
            return false;
        *value = *value * 10 + digit;
    }
    const char *unit = units && *text ? strchr(letters, *text) : NULL;
    if (unit) {
        factor = 1ULL << 10 * (unit - letters + 1);
        text++;
    }
    if (*text || *value > UINT64_MAX / factor)
        return false;
    *value *= factor;
    return *value >= least && *value <= most;
}

bool promp_read_label(const char *text, char labels[PROMP_LIMIT_KEY_LABELS + 1])
{
    size_t used = strlen(labels), size = strlen(text), space = used > 0;
    if (!promp_auth_key_name_valid(promp_slice(text, size)) || used + space + size > PROMP_LIMIT_KEY_LABELS)
        return false;
    snprintf(labels + used, PROMP_LIMIT_KEY_LABELS + 1 - used, "%s%s", space ? " " : "", text);
    return true;
}

bool promp_read_role(const char *text, promp_auth_role_t *role)
{
    *role = promp_auth_role_find(promp_slice_str(text));
    return *role != PROMP_AUTH_NO_ROLE && *role != PROMP_AUTH_JOIN;
}
