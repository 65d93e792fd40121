#include "join_status.h"

#include <stdlib.h>
#include <string.h>

#include "join_ask.h"

/* --- asking --- */

/* The key that the folder knows the broker by, then the next one. */
static promp_err_t ask(int folder, promp_auth_role_t role, const promp_auth_joined_t *joined,
                       promp_join_call_t *call, const promp_join_talk_t *talk, promp_error_t *error)
{
    call->broker = joined->key;
    promp_err_t code = promp_join_ask_more(call, role, talk, error);

    if (code != PROMP_ERR_BROKER_KEY || !joined->has_next)
        return code;
    call->broker = joined->next;
    code = promp_join_ask_more(call, role, talk, error);
    if (!code)
        (void)promp_auth_joined_change(folder, role, joined->next, NULL);
    return code;
}

/* As one of two roles, the first where the folder has it. */
static promp_err_t talk_as(int folder, int64_t timeout, promp_auth_role_t role, promp_auth_role_t other,
                           promp_auth_joined_t *joined, const promp_join_talk_t *talk, promp_error_t *error)
{
    promp_join_call_t call = {.end = promp_clock_ms() + timeout};
    promp_err_t code = promp_auth_joined_load(folder, role, joined, error);

    if (code == PROMP_ERR_NO_BROKER && other != role)
        code = promp_auth_joined_load(folder, role = other, joined, error);
    if (!code)
        code = promp_auth_key_load(folder, promp_auth_role_text(role), promp_slice(NULL, 0), &call.key, NULL,
                                   error);
    if (code)
        return code;
    call.address = joined->address;
    code = ask(folder, role, joined, &call, talk, error);
    promp_auth_key_destroy(&call.key);
    return code;
}

static promp_err_t unexpected(const promp_message_t *message, promp_error_t *error)
{
    return promp_error_set(error, PROMP_ERR_MESSAGE_STATE, 0, "%s",
                           promp_message_row((uint16_t)message->type)->name);
}

/* --- figures --- */

static promp_err_t hear_counters(void *arg, const promp_message_t *message, promp_message_t *next, bool *more,
                                 promp_error_t *error)
{
    (void)next, (void)more;
    if (message->type != PROMP_TYPE_COUNTERS)
        return unexpected(message, error);
    *(promp_msg_counters_t *)arg = message->counters;
    return PROMP_OK;
}

promp_err_t promp_join_status(int folder, int64_t timeout, promp_auth_joined_t *joined,
                              promp_msg_counters_t *counters, promp_error_t *error)
{
    const promp_join_talk_t talk = {
        .question.type = PROMP_TYPE_STATUS, .hear = hear_counters, .arg = counters};

    return talk_as(folder, timeout, PROMP_AUTH_OBSERVER, PROMP_AUTH_ADMIN, joined, &talk, error);
}

/* --- nodes --- */

static void keep_text(char *to, promp_slice_t *text)
{
    if (text->size) /* the decoder has seen to its size */
        memcpy(to, text->data, text->size);
    to[text->size] = '\0';
    *text = promp_slice(NULL, 0);
}

static promp_err_t add_node(promp_join_nodes_t *nodes, const promp_msg_node_t *said, promp_error_t *error)
{
    if (nodes->count && memcmp(&nodes->node[nodes->count - 1].said.key, &said->key, sizeof said->key) >= 0)
        return promp_error_set(error, PROMP_ERR_MESSAGE_FIELD, 0, "nodes are not told in order");
    if (nodes->count == PROMP_LIMIT_PEERS)
        return promp_error_set(error, PROMP_ERR_MESSAGE_FIELD, 0, "more nodes than a broker may have");
    if (nodes->count == nodes->room) {
        size_t room = nodes->room ? 2 * nodes->room : PROMP_LIMIT_NODES_PAGE;
        promp_join_node_t *node = reallocarray(nodes->node, room, sizeof *node);

        if (!node)
            return promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
        nodes->node = node;
        nodes->room = room;
    }
    promp_join_node_t *node = &nodes->node[nodes->count++];

    node->said = *said;
    keep_text(node->name, &node->said.name);
    keep_text(node->labels, &node->said.labels);
    keep_text(node->key_labels, &node->said.key_labels);
    keep_text(node->pythons, &node->said.pythons);
    keep_text(node->build, &node->said.build);
    return PROMP_OK;
}

typedef struct {
    promp_join_nodes_t *nodes;
    size_t before; /* those of earlier pages */
} listing_t;

static promp_err_t hear_nodes(void *arg, const promp_message_t *message, promp_message_t *next, bool *more,
                              promp_error_t *error)
{
    listing_t *listing = arg;
    promp_join_nodes_t *nodes = listing->nodes;

    if (message->type == PROMP_TYPE_NODE) {
        *more = true;
        return add_node(nodes, &message->node, error);
    }
    if (message->type != PROMP_TYPE_NODES_END)
        return unexpected(message, error);
    *more = message->nodes_end.more && nodes->count > listing->before;
    listing->before = nodes->count;
    if (*more)
        *next = (promp_message_t){.type = PROMP_TYPE_NODES,
                                  .nodes.after = nodes->node[nodes->count - 1].said.key};
    return PROMP_OK;
}

static int by_name(const void *a, const void *b)
{
    const promp_join_node_t *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order ? order : memcmp(&x->said.key, &y->said.key, sizeof x->said.key);
}

promp_err_t promp_join_nodes(int folder, int64_t timeout, promp_auth_joined_t *joined,
                             promp_join_nodes_t *nodes, promp_error_t *error)
{
    listing_t listing = {.nodes = nodes};
    const promp_join_talk_t talk = {.question.type = PROMP_TYPE_NODES, .hear = hear_nodes, .arg = &listing};

    *nodes = (promp_join_nodes_t){0};
    promp_err_t code = talk_as(folder, timeout, PROMP_AUTH_OBSERVER, PROMP_AUTH_ADMIN, joined, &talk, error);

    if (!code && nodes->count)
        qsort(nodes->node, nodes->count, sizeof *nodes->node, by_name);
    return code;
}

void promp_join_nodes_free(promp_join_nodes_t *nodes)
{
    free(nodes->node);
    *nodes = (promp_join_nodes_t){0};
}

/* --- taking one out --- */

static promp_err_t hear_drained(void *arg, const promp_message_t *message, promp_message_t *next, bool *more,
                                promp_error_t *error)
{
    const promp_msg_drained_t *said = &message->drained;
    promp_err_t code = (promp_err_t)said->error;

    (void)next, (void)more;
    if (message->type != PROMP_TYPE_DRAINED)
        return unexpected(message, error);
    if (code)
        return promp_error_set(error, code, 0, "%.*s", (int)said->text.size, (const char *)said->text.data);
    *(promp_join_drained_t *)arg = (promp_join_drained_t){said->workers, said->away != 0};
    return PROMP_OK;
}

promp_err_t promp_join_drain(int folder, int64_t timeout, const char *name, promp_auth_joined_t *joined,
                             promp_join_drained_t *drained, promp_error_t *error)
{
    const promp_join_talk_t talk = {
        .question = {.type = PROMP_TYPE_DRAIN, .drain.name = promp_slice_str(name)},
        .hear = hear_drained,
        .arg = drained};

    return talk_as(folder, timeout, PROMP_AUTH_ADMIN, PROMP_AUTH_ADMIN, joined, &talk, error);
}
