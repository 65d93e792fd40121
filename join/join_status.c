#include "join_status.h"

#include "join_ask.h"

/* The key that the folder knows the broker by, then the next one. */
static promp_err_t ask(int folder, promp_auth_role_t role, const promp_auth_joined_t *joined,
                       promp_join_call_t *call, promp_msg_counters_t *counters, promp_error_t *error)
{
    call->broker = joined->key;
    promp_err_t code = promp_join_ask_status(call, role, counters, error);

    if (code != PROMP_ERR_BROKER_KEY || !joined->has_next)
        return code;
    call->broker = joined->next;
    code = promp_join_ask_status(call, role, counters, error);
    if (!code)
        (void)promp_auth_joined_change(folder, role, joined->next, NULL);
    return code;
}

promp_err_t promp_join_status(int folder, int64_t timeout, promp_auth_joined_t *joined,
                              promp_msg_counters_t *counters, promp_error_t *error)
{
    promp_auth_role_t role = PROMP_AUTH_OBSERVER;
    promp_join_call_t call = {.end = promp_clock_ms() + timeout};
    promp_err_t code = promp_auth_joined_load(folder, role, joined, error);

    if (code == PROMP_ERR_NO_BROKER)
        code = promp_auth_joined_load(folder, role = PROMP_AUTH_ADMIN, joined, error);
    if (!code)
        code = promp_auth_key_load(folder, promp_auth_role_text(role), promp_slice(NULL, 0), &call.key, NULL,
                                   error);
    if (code)
        return code;
    call.address = joined->address;
    code = ask(folder, role, joined, &call, counters, error);
    promp_auth_key_destroy(&call.key);
    return code;
}
