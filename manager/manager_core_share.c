/* manager_core_share.c - names, and what becomes of asks. */
#include "manager_core_share.h"

#include <stdlib.h>

#include "manager_core_state.h"
#include "utf8.h"

typedef struct {
    promp_container_t *container;
    size_t size;
    char name[];
} shared_t;

/* --- names --- */

/* 128 bits of two hashes stand for the name; the name itself is compared, too. */
static promp_id_t key_of(const promp_manager_core_t *core, promp_slice_t name)
{
    promp_id_t key;
    for (size_t i = 0; i < 2; i++) {
        uint64_t hash = promp_hash(&core->name_seed[i], name.data, name.size);
        memcpy(key.b + 8 * i, &hash, sizeof hash);
    }
    return key;
}

static shared_t *find(const promp_manager_core_t *core, const promp_id_t *key, promp_slice_t name)
{
    shared_t *shared = core->shared ? promp_map_get(core->shared, key) : NULL;
    bool same = shared && shared->size == name.size && memcmp(shared->name, name.data, name.size) == 0;
    return same ? shared : NULL;
}

promp_err_t promp_manager_core_share(promp_manager_core_t *core, promp_slice_t name,
                                     promp_container_t *container, promp_container_t **before)
{
    *before = NULL;
    if (!name.size || !promp_utf8_valid(name))
        return PROMP_ERR_ARGUMENT;
    if (name.size > PROMP_LIMIT_CONTAINER_NAME)
        return PROMP_ERR_CONTAINER_LIMIT;
    const promp_id_t key = key_of(core, name);
    shared_t *shared = find(core, &key, name);
    if (shared) {
        *before = shared->container;
        shared->container = promp_container_keep(container);
        return PROMP_OK;
    }
    if (!core->shared && !(core->shared = promp_map_new(core->name_seed[0].k[0])))
        return PROMP_ERR_MEMORY;
    if (promp_map_count(core->shared) >= PROMP_LIMIT_CONTAINERS || promp_map_get(core->shared, &key))
        return PROMP_ERR_CONTAINER_LIMIT;
    shared = malloc(sizeof *shared + name.size);
    if (!shared || promp_map_put(core->shared, &key, shared)) {
        free(shared);
        return PROMP_ERR_MEMORY;
    }
    shared->container = promp_container_keep(container);
    shared->size = name.size;
    memcpy(shared->name, name.data, name.size);
    return PROMP_OK;
}

promp_container_t *promp_manager_core_unshare(promp_manager_core_t *core, promp_slice_t name)
{
    const promp_id_t key = key_of(core, name);
    shared_t *shared = find(core, &key, name);
    if (!shared)
        return NULL;
    promp_container_t *container = shared->container;
    promp_map_remove(core->shared, &key);
    free(shared);
    return container;
}

bool promp_manager_core_shares(const promp_manager_core_t *core, promp_slice_t name)
{
    const promp_id_t key = key_of(core, name);
    return find(core, &key, name) != NULL;
}

promp_container_t *promp_manager_core_share_find(const promp_manager_core_t *core, promp_slice_t name)
{
    const promp_id_t key = key_of(core, name);
    shared_t *shared = find(core, &key, name);
    return shared ? promp_container_keep(shared->container) : NULL;
}

void promp_manager_core_share_clear(promp_manager_core_t *core)
{
    size_t at = 0;
    for (shared_t *shared; core->shared && (shared = promp_map_next(core->shared, &at));) {
        promp_container_drop(&shared->container);
        free(shared);
    }
    promp_map_destroy(&core->shared);
    for (promp_container_t *container; (container = promp_manager_core_dropped(core));)
        promp_container_drop(&container);
}

/* --- asks, for the shell --- */

bool promp_manager_core_asked(const promp_manager_core_t *core, promp_ask_place_t place)
{
    return core->askers[place].count || (place == PROMP_ASK_THREAD && core->dropped.count);
}

bool promp_manager_core_ask(promp_manager_core_t *core, promp_ask_place_t place, uint64_t mark,
                            promp_ask_t *ask)
{
    promp_list_t *askers = &core->askers[place];
    for (size_t n = askers->count; n > 0; n--) {
        promp_node_t *first = promp_list_first(askers);
        worker_t *w = PROMP_CONTAINER(first, worker_t, asking[place]);
        ask_item_t *item = PROMP_CONTAINER(promp_list_first(&w->asks[place]), ask_item_t, held.node);
        promp_list_remove(askers, first);
        if (item->ask.mark > mark) {
            promp_list_append(askers, first);
            continue;
        }
        promp_list_remove(&w->asks[place], &item->held.node);
        *ask = item->ask;
        free(item);
        promp_manager_core_share_check(core, w);
        return true;
    }
    return false;
}

promp_container_t *promp_manager_core_dropped(promp_manager_core_t *core)
{
    promp_node_t *node = promp_list_first(&core->dropped);
    if (!node)
        return NULL;
    held_t *held = PROMP_CONTAINER(node, held_t, node);
    promp_container_t *container = held->container;
    promp_list_remove(&core->dropped, node);
    free(held);
    return container;
}

/* --- answers --- */

static worker_t *asker(promp_manager_core_t *core, const promp_ask_t *ask)
{
    worker_t *w = ask->worker && ask->worker <= core->count ? core->table[ask->worker - 1] : NULL;
    return w && w->state == WORKER_ALIVE ? w : NULL;
}

static promp_err_t post(worker_t *w, const promp_message_t *message, promp_buf_t *moved)
{
    promp_buf_t head = {0};
    promp_slice_t rest = {0};
    promp_err_t err = promp_message_encode_head(message, &head, &rest);
    const promp_slice_t parts[2] = {{head.data, head.size}, rest};
    if (!err)
        err = moved ? promp_session_send_moved(w->session, PROMP_LANE_BULK, (uint16_t)message->type, parts[0],
                                               moved)
                    : promp_session_send(w->session, PROMP_LANE_BULK, (uint16_t)message->type, parts, 2);
    promp_buf_free(&head);
    return err;
}

/* Without memory even for the answer the worker could only wait for ever. */
static void answered(promp_manager_core_t *core, worker_t *w, promp_err_t err)
{
    if (err && err != PROMP_ERR_CLOSED)
        promp_manager_core_end_broken(core, w, PROMP_ERR_MANAGER_MEMORY, core->now);
    promp_manager_core_touch(core, w);
    promp_manager_core_share_check(core, w);
}

static promp_slice_t text_of(const promp_error_t *error)
{
    return error->code ? promp_slice_str(error->text) : promp_slice(NULL, 0);
}

void promp_manager_core_opened(promp_manager_core_t *core, const promp_ask_t *ask,
                               promp_msg_opened_t *message, const promp_error_t *error)
{
    worker_t *w = asker(core, ask);
    if (!w)
        return;
    promp_error_t why = *error;
    message->request = ask->request;
    if (!why.code) {
        message->container = ask->container->id;
        message->size = ask->container->size;
        if (!message->lent && !message->data.size && message->size)
            why.code = promp_manager_core_share_open(w, ask->container);
    }
    if (why.code)
        *message = (promp_msg_opened_t){.request = ask->request,
                                        .error = why.code,
                                        .system = (uint32_t)why.system,
                                        .text = text_of(error)};
    answered(core, w, post(w, &(promp_message_t){PROMP_TYPE_OPENED, .opened = *message}, NULL));
}

void promp_manager_core_room(promp_manager_core_t *core, const promp_ask_t *ask, promp_buf_t *room)
{
    *room = (promp_buf_t){0};
    bool here = !ask->open && ask->container->reader != PROMP_CONTAINER_SERVE;
    if (here && ask->size >= PROMP_CHUNK / 2)
        (void)promp_pool_take(&core->chunks, room);
}

void promp_manager_core_spare(promp_manager_core_t *core, promp_buf_t *room)
{
    if (promp_pool_fits(&core->chunks, room))
        promp_pool_give(&core->chunks, room->data);
    else
        promp_buf_free(room);
    *room = (promp_buf_t){0};
}

void promp_manager_core_chunk(promp_manager_core_t *core, const promp_ask_t *ask, promp_buf_t *data,
                              const promp_error_t *error)
{
    worker_t *w = asker(core, ask);
    if (!w)
        return;
    promp_message_t message = {PROMP_TYPE_CHUNK,
                               .chunk = {.request = ask->request,
                                         .error = error->code,
                                         .system = error->code ? (uint32_t)error->system : 0,
                                         .text = text_of(error)}};
    if (!error->code)
        message.chunk.data = promp_slice(data->data, data->size);
    answered(core, w, post(w, &message, error->code ? NULL : data));
}
