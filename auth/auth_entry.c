#include "auth_entry.h"

static const char *const roles[] = {"none", "manager", "node", "observer", "admin", "join"};

const char *promp_auth_role_text(promp_auth_role_t role)
{
    return (size_t)role < sizeof roles / sizeof *roles ? roles[role] : roles[PROMP_AUTH_NO_ROLE];
}

promp_auth_role_t promp_auth_role_find(promp_slice_t text)
{
    for (size_t i = PROMP_AUTH_MANAGER; i < sizeof roles / sizeof *roles; i++)
        if (text.size == strlen(roles[i]) && memcmp(text.data, roles[i], text.size) == 0)
            return (promp_auth_role_t)i;
    return PROMP_AUTH_NO_ROLE;
}

bool promp_auth_labels_valid(promp_slice_t text)
{
    if (text.size > PROMP_LIMIT_KEY_LABELS)
        return false;
    for (size_t at = 0; at < text.size;) {
        const uint8_t *space = memchr(text.data + at, ' ', text.size - at);
        size_t end = space ? (size_t)(space - text.data) : text.size;
        if (!promp_auth_key_name_valid(promp_slice(text.data + at, end - at)) ||
            (space && end + 1 == text.size))
            return false;
        at = end + 1;
    }
    return true;
}

void promp_auth_entry_start(promp_auth_entry_t *entry, const uint8_t key[PROMP_AUTH_KEY_SIZE],
                            promp_auth_role_t role, int64_t created)
{
    *entry = (promp_auth_entry_t){.role = role,
                                  .created = created,
                                  .expires = PROMP_NEVER,
                                  .revoked = PROMP_NEVER,
                                  .workers = PROMP_AUTH_UNLIMITED,
                                  .bytes = PROMP_AUTH_UNLIMITED,
                                  .key_expires = PROMP_NEVER};
    memcpy(entry->key, key, PROMP_AUTH_KEY_SIZE);
}
