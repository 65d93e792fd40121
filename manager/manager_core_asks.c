/* manager_core_asks.c - what workers say on the bulk lane: OPEN, READ, CANCEL, CLOSE. */
#include <stdlib.h>

#include "manager_core_share.h"
#include "manager_core_state.h"

/* --- what a worker has open --- */

promp_err_t promp_manager_core_share_open(worker_t *w, promp_container_t *container)
{
    if (!w->containers && !(w->containers = promp_map_new(w->id)))
        return PROMP_ERR_MEMORY;
    opened_t *opened = promp_map_get(w->containers, &container->id);
    if (opened) {
        opened->count++;
        return PROMP_OK;
    }
    if (promp_map_count(w->containers) >= PROMP_LIMIT_CONTAINERS_OPEN)
        return PROMP_ERR_CONTAINER_LIMIT;
    opened = calloc(1, sizeof *opened);
    if (!opened || promp_map_put(w->containers, &container->id, opened)) {
        free(opened);
        return PROMP_ERR_MEMORY;
    }
    opened->held.container = promp_container_keep(container);
    opened->count = 1;
    return PROMP_OK;
}

/* The last reference may be ours: it is dropped without the lock, by the shell. */
static void let_go(promp_manager_core_t *core, held_t *held)
{
    if (held->container && !promp_container_drop_spare(held->container))
        promp_list_append(&core->dropped, &held->node);
    else
        free(held);
}

/* --- asks --- */

/* Whether its asks may be taken: there are some, and room for their answers. */
void promp_manager_core_share_check(promp_manager_core_t *core, worker_t *w)
{
    bool room = w->session && w->state == WORKER_ALIVE &&
                promp_session_unsent(w->session, PROMP_LANE_BULK) < PROMP_LIMIT_ANSWERS;
    for (int place = 0; place < PROMP_ASK_PLACES; place++) {
        if (room && w->asks[place].count)
            promp_manager_core_enlist(&core->askers[place], &w->asking[place]);
        else
            promp_list_remove(&core->askers[place], &w->asking[place]);
    }
}

static promp_err_t add(promp_manager_core_t *core, worker_t *w, promp_ask_place_t place, promp_ask_t ask)
{
    ask_item_t *item = calloc(1, sizeof *item);
    if (!item)
        return PROMP_ERR_MANAGER_MEMORY;
    item->ask = ask;
    item->ask.worker = w->id;
    item->ask.session = w->key;
    item->ask.mark = ++core->mark;
    item->held.container = ask.container;
    promp_list_append(&w->asks[place], &item->held.node);
    return PROMP_OK;
}

/* An ask is in no list while it is answered: that can end its worker. */
static void offer(promp_manager_core_t *core, worker_t *w, bool (*answer)(void *arg, const promp_ask_t *ask),
                  void *arg)
{
    promp_list_t *asks = &w->asks[PROMP_ASK_THREAD];
    for (promp_node_t *node; w->asking[PROMP_ASK_THREAD].next && (node = promp_list_first(asks));) {
        ask_item_t *item = PROMP_CONTAINER(node, ask_item_t, held.node);
        if (item->declined)
            return;
        promp_list_remove(asks, node);
        if (!answer(arg, &item->ask)) {
            item->declined = true;
            promp_list_prepend(asks, node);
            return;
        }
        let_go(core, &item->held);
        promp_manager_core_share_check(core, w);
    }
}

void promp_manager_core_offer(promp_manager_core_t *core, bool (*answer)(void *arg, const promp_ask_t *ask),
                              void *arg)
{
    promp_node_t *next;
    for (promp_node_t *at = promp_list_first(&core->askers[PROMP_ASK_THREAD]); at; at = next) {
        next = promp_list_after(&core->askers[PROMP_ASK_THREAD], at);
        offer(core, PROMP_CONTAINER(at, worker_t, asking[PROMP_ASK_THREAD]), answer, arg);
    }
}

static promp_err_t on_open(promp_manager_core_t *core, worker_t *w, const promp_msg_open_t *open)
{
    promp_ask_t ask = {.request = open->request,
                       .open = true,
                       .plain = open->plain != 0,
                       .container = promp_manager_core_share_find(core, open->name)};
    promp_err_t err = add(core, w, PROMP_ASK_THREAD, ask);
    if (err)
        promp_container_drop(&ask.container); /* its name still keeps it: this frees nothing */
    return err;
}

static promp_err_t on_read(promp_manager_core_t *core, worker_t *w, const promp_msg_read_t *read)
{
    opened_t *opened = w->containers ? promp_map_get(w->containers, &read->container) : NULL;
    if (!opened)
        return PROMP_ERR_MESSAGE_STATE;
    promp_container_t *container = opened->held.container;
    if (!read->size || read->size > PROMP_CHUNK || read->offset > container->size ||
        read->size > container->size - read->offset)
        return PROMP_ERR_MESSAGE_FIELD;
    promp_ask_t ask = {.request = read->request,
                       .container = promp_container_keep(container),
                       .offset = read->offset,
                       .size = read->size};
    promp_err_t err = add(
        core, w, container->reader == PROMP_CONTAINER_PROCESS ? PROMP_ASK_PROCESS : PROMP_ASK_THREAD, ask);
    if (err)
        promp_container_drop(&ask.container); /* it is open: this frees nothing */
    return err;
}

static void discard(promp_manager_core_t *core, worker_t *w, promp_ask_place_t place, ask_item_t *item)
{
    promp_list_remove(&w->asks[place], &item->held.node);
    let_go(core, &item->held);
}

static void on_cancel(promp_manager_core_t *core, worker_t *w, uint32_t request)
{
    for (int place = 0; place < PROMP_ASK_PLACES; place++) {
        promp_node_t *next;
        for (promp_node_t *at = promp_list_first(&w->asks[place]); at; at = next) {
            next = promp_list_after(&w->asks[place], at);
            ask_item_t *item = PROMP_CONTAINER(at, ask_item_t, held.node);
            if (!item->ask.open && item->ask.request == request)
                discard(core, w, (promp_ask_place_t)place, item);
        }
    }
}

static promp_err_t on_close(promp_manager_core_t *core, worker_t *w, const promp_id_t *id)
{
    opened_t *opened = w->containers ? promp_map_get(w->containers, id) : NULL;
    if (!opened)
        return PROMP_ERR_MESSAGE_STATE;
    if (--opened->count == 0) {
        promp_map_remove(w->containers, id);
        let_go(core, &opened->held);
    }
    return PROMP_OK;
}

static promp_err_t take_one(promp_manager_core_t *core, worker_t *w, const promp_record_t *record)
{
    promp_message_t message;
    promp_err_t err = promp_manager_core_take_decode(record, &message);
    if (err)
        return err;
    switch (message.type) {
    case PROMP_TYPE_OPEN:
        return on_open(core, w, &message.open);
    case PROMP_TYPE_READ:
        return on_read(core, w, &message.read);
    case PROMP_TYPE_CANCEL:
        on_cancel(core, w, message.cancel.request);
        return PROMP_OK;
    case PROMP_TYPE_CLOSE:
        return on_close(core, w, &message.close.container);
    default:
        return PROMP_ERR_MESSAGE_STATE;
    }
}

promp_err_t promp_manager_core_share_take(promp_manager_core_t *core, worker_t *w)
{
    promp_err_t err = PROMP_OK;
    promp_record_t record;
    /* A worker asks for no more at once than its own limits allow; what comes beyond that is a flood. */
    while (!err && promp_session_take(w->session, PROMP_LANE_BULK, &record)) {
        size_t asks = w->asks[PROMP_ASK_THREAD].count + w->asks[PROMP_ASK_PROCESS].count;
        if (w->state == WORKER_ALIVE)
            err = asks < 2 * PROMP_LIMIT_READS ? take_one(core, w, &record) : PROMP_ERR_CREDIT;
        free(record.body);
    }
    promp_manager_core_share_check(core, w);
    return err;
}

void promp_manager_core_share_leave(promp_manager_core_t *core, worker_t *w)
{
    promp_node_t *node;
    for (int place = 0; place < PROMP_ASK_PLACES; place++)
        while ((node = promp_list_first(&w->asks[place])))
            discard(core, w, (promp_ask_place_t)place, PROMP_CONTAINER(node, ask_item_t, held.node));
    size_t at = 0;
    for (opened_t *opened; w->containers && (opened = promp_map_next(w->containers, &at));)
        let_go(core, &opened->held);
    promp_map_destroy(&w->containers);
    for (int place = 0; place < PROMP_ASK_PLACES; place++)
        promp_list_remove(&core->askers[place], &w->asking[place]);
}
