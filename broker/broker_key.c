/* Keys: who peers are, what they may have, and what follows when they may not come in any more. */
#include <stdlib.h>

#include "broker_table.h"

static promp_err_t look_up(const promp_broker_core_t *core, const promp_id_t *id,
                           promp_broker_key_info_t *info)
{
    promp_err_t error = core->config.key(core->config.arg, id, info);

    if (!error && (info->role < PROMP_BROKER_MANAGER || info->role > PROMP_BROKER_ADMIN))
        error = PROMP_ERR_KEY_ROLE;
    return error;
}

promp_broker_key_t *promp_broker_key_get(promp_broker_core_t *core, const promp_id_t *id, promp_err_t *error)
{
    promp_broker_key_t *key = promp_map_get(core->keys, id);

    *error = PROMP_OK;
    if (key)
        return key;
    key = calloc(1, sizeof *key);
    *error = key ? look_up(core, id, &key->info) : PROMP_ERR_MEMORY;
    if (!*error)
        *error = promp_map_put(core->keys, id, key);
    if (*error) {
        free(key);
        return NULL;
    }
    key->id = *id;
    promp_list_init(&key->peers);
    promp_list_init(&key->sessions);
    promp_list_init(&key->waiting);
    return key;
}

void promp_broker_key_release(promp_broker_core_t *core, promp_broker_key_t *key)
{
    if (key->peers.count || key->sessions.count || key->node || key->pinned)
        return;
    promp_map_remove(core->keys, &key->id);
    free(key);
}

uint64_t promp_broker_key_bytes(const promp_broker_key_t *key)
{
    return key->info.bytes < PROMP_LIMIT_KEY_DATA ? key->info.bytes : PROMP_LIMIT_KEY_DATA;
}

/* Sessions end, connections are kicked; what is told to others about it is as if they had not known of the key. */
static void revoke(promp_broker_core_t *core, promp_broker_key_t *key)
{
    promp_node_t *n;

    for (n = promp_list_first(&key->sessions); n; n = promp_list_after(&key->sessions, n))
        promp_list_append(&core->todo, &PROMP_BROKER_OF(n, session, charged)->todo);
    while ((n = promp_list_first(&core->todo))) {
        promp_list_remove(&core->todo, n);
        promp_broker_life_orphan(core, PROMP_BROKER_OF(n, session, todo), PROMP_ERR_WORKER_MANAGER_GONE);
    }
    while ((n = promp_list_first(&key->peers)))
        promp_broker_peer_refuse(core, PROMP_BROKER_OF(n, peer, member), PROMP_ERR_KEY_REFUSED);
    if (key->node)
        promp_broker_node_drop(core, key->node);
}

void promp_broker_core_keys_changed(promp_broker_core_t *core, int64_t now)
{
    promp_list_t revoked;
    promp_broker_key_t *key;
    promp_node_t *n;
    size_t at = 0;

    core->now = now;
    promp_list_init(&revoked);
    while ((key = promp_map_next(core->keys, &at))) {
        promp_broker_key_info_t info = {0};
        bool in = look_up(core, &key->id, &info) == PROMP_OK;

        if (!in || info.role != key->info.role) {
            promp_list_append(&revoked, &key->revoked);
            key->pinned = true;
        }
        if (in)
            key->info = info;
    }
    while ((n = promp_list_first(&revoked))) {
        key = PROMP_BROKER_OF(n, key, revoked);
        promp_list_remove(&revoked, n);
        revoke(core, key);
        key->pinned = false;
        promp_broker_key_release(core, key);
    }
    for (n = promp_list_first(&core->nodes); n; n = promp_list_after(&core->nodes, n))
        PROMP_BROKER_OF(n, node, member)->due = true;
    promp_broker_place_serve_due(core);
    promp_broker_place_review_soon(core);
}
