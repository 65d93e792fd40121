/* worker_core_container.c - containers: names that are asked for, and the reader's requests and answers. */
#include <stdlib.h>

#include "limits.h"
#include "worker_core_impl.h"

/* --- opening --- */

promp_err_t promp_worker_core_open(promp_worker_core_t *core, promp_slice_t name, bool plain,
                                   promp_worker_opening_t *opening)
{
    *opening = (promp_worker_opening_t){.lent = {PROMP_LEND_NONE, -1, 0}};
    if (core->over)
        return PROMP_ERR_CONTAINER_GONE;
    if (core->openings.count >= PROMP_LIMIT_READS || name.size > PROMP_LIMIT_CONTAINER_NAME)
        return PROMP_ERR_CONTAINER_LIMIT;
    opening->request = ++core->open_number ? core->open_number : ++core->open_number;
    promp_message_t message = {PROMP_TYPE_OPEN,
                               .open = {.request = opening->request, .plain = plain, .name = name}};
    promp_err_t err = promp_worker_core_post(core, &message, NULL);
    if (!err)
        promp_list_append(&core->openings, &opening->node);
    return err == PROMP_ERR_MESSAGE_FIELD ? PROMP_ERR_ARGUMENT : err;
}

void promp_worker_core_opened(promp_worker_core_t *core, promp_worker_opening_t *opening)
{
    promp_list_remove(&core->openings, &opening->node);
}

static promp_worker_opening_t *find(promp_worker_core_t *core, uint32_t request)
{
    promp_node_t *node = promp_list_first(&core->openings);
    for (; node; node = promp_list_after(&core->openings, node)) {
        promp_worker_opening_t *opening = PROMP_CONTAINER(node, promp_worker_opening_t, node);
        if (opening->request == request && !opening->over)
            return opening;
    }
    return NULL;
}

bool promp_worker_core_lent(promp_worker_core_t *core, uint32_t request, int fd)
{
    promp_worker_opening_t *opening = find(core, request);
    if (!opening || opening->lent.fd >= 0)
        return false;
    opening->lent.fd = fd;
    return true;
}

void promp_worker_core_shut(promp_worker_core_t *core, const promp_id_t *id)
{
    promp_message_t message = {PROMP_TYPE_CLOSE, .close.container = *id};
    (void)promp_worker_core_post(core, &message, NULL); /* lost for want of memory it stays open there */
}

static void refused(promp_worker_opening_t *opening, const promp_msg_opened_t *opened)
{
    opening->error.code = (promp_err_t)opened->error;
    opening->error.system = (int)opened->system;
    size_t size =
        opened->text.size < sizeof opening->error.text ? opened->text.size : sizeof opening->error.text - 1;
    if (size)
        memcpy(opening->error.text, opened->text.data, size);
    opening->error.text[size] = '\0';
}

promp_err_t promp_worker_core_on_opened(promp_worker_core_t *core, const promp_msg_opened_t *opened,
                                        promp_record_t *record)
{
    promp_worker_opening_t *opening = find(core, opened->request);
    bool asks = !opened->error && !opened->lent && !opened->data.size && opened->size;
    if (opened->lent > PROMP_LEND_FILE || (opened->data.size && opened->data.size != opened->size))
        return PROMP_ERR_MESSAGE_FIELD;
    if (!opening) { /* whoever asked has left */
        if (asks)
            promp_worker_core_shut(core, &opened->container);
        return PROMP_OK;
    }
    opening->over = true;
    if (opened->error) {
        refused(opening, opened);
        return PROMP_OK;
    }
    opening->id = opened->container;
    opening->size = opened->size;
    opening->lent.how = (promp_lend_t)opened->lent;
    opening->lent.time = opened->time;
    opening->data = opened->data;
    opening->body = record->body;
    record->body = NULL;
    return PROMP_OK;
}

/* --- reading --- */

promp_reader_t *promp_worker_core_reader(promp_worker_core_t *core)
{
    if (!core->reader)
        core->reader = promp_reader_new(core->cache);
    return core->reader;
}

void promp_worker_core_set_cache(promp_worker_core_t *core, uint64_t bytes)
{
    core->cache = bytes;
}

const promp_error_t *promp_worker_core_read_error(const promp_worker_core_t *core)
{
    return &core->read_error;
}

void promp_worker_core_ask(promp_worker_core_t *core)
{
    promp_reader_out_t out;
    while (core->reader && !core->over && promp_reader_next(core->reader, &out)) {
        promp_message_t message = {.type = PROMP_TYPE_READ};
        if (out.cancel)
            message = (promp_message_t){PROMP_TYPE_CANCEL, .cancel.request = out.request};
        else
            message.read = (promp_msg_read_t){
                .request = out.request, .container = out.id, .offset = out.offset, .size = out.size};
        promp_err_t err = promp_worker_core_post(core, &message, NULL);
        if (err && !out.cancel) /* nobody is asked: it fails like a read that was */
            (void)promp_reader_answer(core->reader, out.request, err, promp_slice(NULL, 0),
                                      &(uint8_t *){NULL});
    }
}

promp_err_t promp_worker_core_on_chunk(promp_worker_core_t *core, const promp_msg_chunk_t *chunk,
                                       promp_record_t *record)
{
    if (!core->reader)
        return PROMP_ERR_MESSAGE_STATE;
    if (chunk->error) {
        promp_error_t *error = &core->read_error;
        size_t size = chunk->text.size < sizeof error->text ? chunk->text.size : sizeof error->text - 1;
        *error = (promp_error_t){.code = (promp_err_t)chunk->error, .system = (int)chunk->system};
        if (size)
            memcpy(error->text, chunk->text.data, size);
    }
    return promp_reader_answer(core->reader, chunk->request, (promp_err_t)chunk->error, chunk->data,
                               &record->body);
}

void promp_worker_core_unanswered(promp_worker_core_t *core)
{
    promp_node_t *node = promp_list_first(&core->openings);
    for (; node; node = promp_list_after(&core->openings, node)) {
        promp_worker_opening_t *opening = PROMP_CONTAINER(node, promp_worker_opening_t, node);
        if (opening->over)
            continue;
        opening->over = true;
        promp_error_set(&opening->error, PROMP_ERR_CONTAINER_GONE, 0, NULL);
    }
    if (core->reader)
        promp_reader_fail(core->reader, PROMP_ERR_CONTAINER_GONE);
}
