#include "auth_zap.h"

static bool is(promp_slice_t slice, const char *text)
{
    return slice.size == strlen(text) && memcmp(slice.data, text, slice.size) == 0;
}

static promp_err_t reason_of(const promp_auth_store_t *store, const promp_auth_request_t *request,
                             int64_t now, const promp_auth_entry_t **entry)
{
    if (!is(request->mechanism, "CURVE"))
        return PROMP_ERR_ACCESS_MECHANISM;
    if (!is(request->domain, PROMP_AUTH_DOMAIN) || request->credentials != 1 ||
        request->key.size != PROMP_AUTH_KEY_SIZE)
        return PROMP_ERR_ACCESS_REQUEST;
    return store ? promp_auth_store_check(store, request->key.data, now, entry) : PROMP_ERR_ACCESS_UNKNOWN;
}

void promp_auth_zap_decide(const promp_auth_store_t *store, const promp_auth_request_t *request, int64_t now,
                           promp_auth_decision_t *decision)
{
    const promp_auth_entry_t *entry = NULL;
    *decision = (promp_auth_decision_t){.status = 400};
    decision->reason = reason_of(store, request, now, &entry);
    if (request->credentials == 1 && request->key.size == PROMP_AUTH_KEY_SIZE)
        promp_z85_encode(request->key.data, decision->key);
    if (entry)
        strcpy(decision->name, entry->name);
    if (decision->reason)
        return;
    decision->status = 200;
    decision->role = entry->role;
    strcpy(decision->user_id, decision->key);
}
