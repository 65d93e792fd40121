/* manager_answer.c - reading what a worker asks for, and telling it. */
#include "manager_answer.h"

#include <unistd.h>

static void begin(promp_answer_t *answer)
{
    *answer = (promp_answer_t){.lent = {PROMP_LEND_NONE, -1, 0}};
}

static void read_all(promp_answer_t *answer, promp_container_t *container, uint64_t offset, size_t size)
{
    promp_error_t *error = &answer->error;
    size_t got = 0;
    promp_err_t err = promp_buf_reserve(&answer->data, size);
    if (err) {
        promp_error_set(error, err, 0, NULL);
        return;
    }
    do {
        size_t more = 0;
        err =
            promp_container_read(container, offset + got, answer->data.data + got, size - got, &more, error);
        got += more;
    } while (err == PROMP_ERR_STATE); /* a signal handler ran */
    answer->data.size = got;
    if (!err && got != size)
        err = promp_error_set(error, PROMP_ERR_CONTAINER_SOURCE, 0, "%zu of %zu bytes came", got, size);
    if (!err)
        *error = (promp_error_t){0};
    else
        error->code = err;
}

void promp_manager_answer_read(promp_answer_t *answer, const promp_ask_t *ask, promp_buf_t *room)
{
    begin(answer);
    answer->data = *room;
    *room = (promp_buf_t){0};
    read_all(answer, ask->container, ask->offset, ask->size);
}

/* --- OPEN --- */

/* What is small comes along with the answer; what can be lent is; the rest is asked for piece by piece. */
typedef enum { BY_NOTHING, BY_BYTES, BY_LENDING } way_t;

static way_t way_of(promp_answer_t *answer, const promp_ask_t *ask, bool stream)
{
    begin(answer);
    if (!ask->container) {
        promp_error_set(&answer->error, PROMP_ERR_CONTAINER_NAME, 0, NULL);
        return BY_NOTHING;
    }
    uint64_t size = promp_container_size(ask->container);
    if (ask->container->reader != PROMP_CONTAINER_PLAIN || !size)
        return BY_NOTHING;
    if (size <= PROMP_LIMIT_INLINE)
        return BY_BYTES;
    return stream || ask->plain ? BY_NOTHING : BY_LENDING;
}

void promp_manager_answer_open(promp_answer_t *answer, const promp_ask_t *ask, bool stream)
{
    way_t way = way_of(answer, ask, stream);
    if (way == BY_BYTES) {
        read_all(answer, ask->container, 0, (size_t)promp_container_size(ask->container));
    } else if (way == BY_LENDING && promp_container_lend(ask->container, &answer->lent, &answer->error)) {
        answer->lent.how = PROMP_LEND_NONE;
        if (answer->error.code == PROMP_ERR_DESCRIPTORS) /* then it is read here, when it can be */
            answer->error = (promp_error_t){0};
    }
}

static bool read_now(promp_answer_t *answer, promp_container_t *container)
{
    size_t size = (size_t)promp_container_size(container);
    if (promp_buf_reserve(&answer->data, size))
        return false;
    if (!promp_container_read_now(container, 0, answer->data.data, size)) {
        promp_buf_free(&answer->data);
        return false;
    }
    answer->data.size = size;
    return true;
}

bool promp_manager_answer_read_now(promp_answer_t *answer, const promp_ask_t *ask, promp_buf_t *room)
{
    begin(answer);
    if (ask->container->reader != PROMP_CONTAINER_PLAIN || promp_buf_reserve(room, ask->size) ||
        !promp_container_read_now(ask->container, ask->offset, room->data, ask->size))
        return false;
    answer->data = *room;
    answer->data.size = ask->size;
    *room = (promp_buf_t){0};
    return true;
}

bool promp_manager_answer_open_now(promp_answer_t *answer, const promp_ask_t *ask, bool stream)
{
    switch (way_of(answer, ask, stream)) {
    case BY_BYTES:
        return read_now(answer, ask->container);
    case BY_LENDING:
        return promp_container_lend_now(ask->container, &answer->lent);
    default:
        return true;
    }
}

/* --- telling --- */

/* Sends the descriptor; where there is no way for it the bytes travel. */
static promp_lend_t send_lent(promp_manager_t *manager, const promp_ask_t *ask, const promp_lent_t *lent)
{
    const promp_message_t lend = {PROMP_TYPE_LEND, .lend.request = ask->request};
    return promp_hub_hand(manager->hub, &ask->session, &lend, lent->fd) ? PROMP_LEND_NONE : lent->how;
}

void promp_manager_answer_send(promp_manager_t *manager, const promp_ask_t *ask, promp_answer_t *answer)
{
    if (!ask->open) {
        promp_manager_core_chunk(manager->core, ask, &answer->data, &answer->error);
        return;
    }
    promp_msg_opened_t message = {.time = answer->lent.time};
    if (!answer->error.code && answer->lent.how != PROMP_LEND_NONE)
        message.lent = (uint8_t)send_lent(manager, ask, &answer->lent);
    if (!answer->error.code)
        message.data = promp_slice(answer->data.data, answer->data.size);
    promp_manager_core_opened(manager->core, ask, &message, &answer->error);
}

void promp_manager_answer_free(promp_answer_t *answer)
{
    if (answer->lent.fd >= 0)
        close(answer->lent.fd);
    answer->lent.fd = -1;
    promp_buf_free(&answer->data);
}
