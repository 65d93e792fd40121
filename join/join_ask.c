#include "join_ask.h"

#include <poll.h>

#include "local.h"
#include "message.h"
#include "zlink.h"

/* What a role is called on the wire, and who decodes for it. */
static const struct {
    uint8_t number;
    promp_who_t who;
} roles[] = {
    [PROMP_AUTH_MANAGER] = {1, PROMP_WHO_MANAGER},
    [PROMP_AUTH_NODE] = {3, PROMP_WHO_NODE},
    [PROMP_AUTH_OBSERVER] = {4, PROMP_WHO_OBSERVER},
    [PROMP_AUTH_ADMIN] = {5, PROMP_WHO_ADMIN},
};

/* A question under way. */
typedef struct {
    promp_zlink_t *link;
    promp_who_t self;
    promp_auth_role_t role;
    promp_join_answer_t *answer;
    const promp_join_talk_t *talk; /* what follows; NULL: to be let in is all */
    bool up;                       /* WELCOME has come, and the second question is asked */
    promp_error_t *error;
} ask_t;

static promp_err_t refused(const ask_t *ask, const promp_msg_refused_t *message)
{
    promp_err_t code = (promp_err_t)message->error;
    if (code == PROMP_OK || strcmp(promp_error_name(code), "UNKNOWN") == 0)
        code = PROMP_ERR_NOT_A_BROKER;
    return promp_error_set(ask->error, code, 0, "so the broker says");
}

static promp_err_t joined(const ask_t *ask, const promp_msg_joined_t *message)
{
    if (message->role != roles[ask->role].number || !promp_auth_key_name_valid(message->name))
        return promp_error_set(ask->error, PROMP_ERR_MESSAGE_FIELD, 0, "in JOINED");
    ask->answer->broker = message->broker;
    memcpy(ask->answer->name, message->name.data, message->name.size);
    return PROMP_OK;
}

static promp_err_t put(const ask_t *ask, const promp_message_t *question)
{
    promp_out_t out;
    promp_err_t code = promp_message_out(question, NULL, 0, &out);

    if (!code)
        code = promp_zlink_send(ask->link, &out, 0);
    return code ? promp_error_set(ask->error, code, 0, "asking the broker") : PROMP_OK;
}

static promp_err_t welcome(ask_t *ask, const promp_msg_welcome_t *message, bool *more)
{
    const promp_join_talk_t *talk = ask->talk;

    ask->answer->broker = message->node;
    if (!talk)
        return PROMP_OK;
    const promp_message_row_t *row = promp_message_row((uint16_t)talk->question.type);

    if (message->version < row->since)
        return promp_error_set(
            ask->error, PROMP_ERR_VERSION, 0,
            "%s is of version %u of the protocol, the broker speaks version %u: it has to be "
            "upgraded",
            row->name, row->since, message->version);
    ask->up = *more = true;
    return put(ask, &talk->question);
}

/* Something about what was asked, which may lead to another question. */
static promp_err_t hear(ask_t *ask, const promp_message_t *message, bool *more)
{
    promp_message_t next = {0};
    promp_err_t code = ask->talk->hear(ask->talk->arg, message, &next, more, ask->error);

    return code || !next.type ? code : put(ask, &next);
}

/* *more: the answer is still to come. */
static promp_err_t understand(ask_t *ask, const promp_frame_t *frame, bool *more)
{
    promp_message_t message;
    promp_err_t code =
        promp_message_decode(frame->type, frame->body, PROMP_WHO_BROKER, ask->self,
                             ask->up ? PROMP_AT_UP : PROMP_AT_NEW, PROMP_VERSION_HIGH, &message);
    if (code)
        return promp_error_set(ask->error, code, 0, "in the broker's answer");
    *more = ask->up && (message.type == PROMP_TYPE_BEAT || message.type == PROMP_TYPE_NEXT_KEY);
    if (*more)
        return PROMP_OK;
    switch (message.type) {
    case PROMP_TYPE_REFUSED:
        return refused(ask, &message.refused);
    case PROMP_TYPE_JOINED:
        return joined(ask, &message.joined);
    case PROMP_TYPE_WELCOME:
        return welcome(ask, &message.welcome, more);
    case PROMP_TYPE_AWAY:
        return promp_error_set(ask->error, PROMP_ERR_BROKER_AWAY, 0, NULL);
    default:
        if (ask->up)
            return hear(ask, &message, more);
        return promp_error_set(ask->error, PROMP_ERR_MESSAGE_STATE, 0, "%s",
                               promp_message_row(frame->type)->name);
    }
}

/* Reads what has come; true: it is decided, by *code. */
static bool take(ask_t *ask, promp_err_t *code)
{
    promp_frame_t frame;
    bool got, more = true;
    (void)promp_zlink_read(ask->link, NULL);
    *code = promp_zlink_next(ask->link, &frame, &got);
    if (*code) {
        promp_error_set(ask->error, *code, 0, "in the broker's answer");
        return true;
    }
    if (!got)
        return false;
    *code = understand(ask, &frame, &more);
    return *code || !more;
}

/* Waits for the one frame that is the answer, or for the end. */
static promp_err_t await(ask_t *ask, int64_t end)
{
    promp_err_t code;
    for (;;) {
        while (promp_zlink_ready(ask->link))
            if (take(ask, &code))
                return code;
        int64_t now = promp_clock_ms(), due = promp_min64(promp_zlink_tick(ask->link, now), end);
        if (promp_zlink_state(ask->link) == PROMP_ZLINK_LOST)
            return promp_zlink_why(ask->link, ask->error);
        if (now >= end)
            return promp_error_set(ask->error, PROMP_ERR_BROKER_SILENT, 0, "it let us in and said nothing");
        if (promp_zlink_ready(ask->link))
            continue;
        struct pollfd item = {.fd = promp_zlink_fd(ask->link), .events = POLLIN};
        poll(&item, 1, due > now ? (int)(due - now) : 0);
        if (take(ask, &code))
            return code;
    }
}

static promp_err_t converse(const promp_join_call_t *call, const promp_message_t *question, ask_t *ask)
{
    promp_out_t out;
    const int64_t now = promp_clock_ms();
    const promp_zlink_config_t config = {
        .address = call->address,
        .server_key = call->broker,
        .public_key = promp_auth_key_public(call->key),
        .secret_key = promp_auth_key_show(call->key),
        .timeout = promp_max64(1, promp_min64(PROMP_TIME_CONNECT, call->end - now))};
    promp_err_t code = promp_zlink_dial(&config, now, &ask->link, ask->error);
    if (!code && !(code = promp_message_out(question, NULL, 0, &out)))
        code = promp_zlink_send(ask->link, &out, 0);
    if (!code)
        code = await(ask, call->end);
    else if (ask->link)
        promp_error_set(ask->error, code, 0, "asking the broker");
    promp_zlink_destroy(&ask->link);
    promp_auth_key_hide(call->key);
    return code;
}

promp_err_t promp_join_ask_in(const promp_join_call_t *call, const uint8_t new_key[PROMP_AUTH_KEY_SIZE],
                              const char *name, promp_auth_role_t role, promp_join_answer_t *answer,
                              promp_error_t *error)
{
    const promp_message_t question = {.type = PROMP_TYPE_JOIN,
                                      .join = {.version_low = PROMP_VERSION_LOW,
                                               .version_high = PROMP_VERSION_HIGH,
                                               .key = promp_slice(new_key, PROMP_AUTH_KEY_SIZE),
                                               .name = promp_slice_str(name)}};
    ask_t ask = {.self = PROMP_WHO_JOINER, .role = role, .answer = answer, .error = error};
    *answer = (promp_join_answer_t){0};
    return converse(call, &question, &ask);
}

static promp_message_t hello_as(promp_auth_role_t role)
{
    return (promp_message_t){.type = PROMP_TYPE_HELLO,
                             .hello = {.version_low = PROMP_VERSION_LOW,
                                       .version_high = PROMP_VERSION_HIGH,
                                       .role = roles[role].number,
                                       .build = promp_slice_str(promp_local_build())}};
}

promp_err_t promp_join_ask_hello(const promp_join_call_t *call, promp_auth_role_t role,
                                 promp_join_answer_t *answer, promp_error_t *error)
{
    const promp_message_t question = hello_as(role);
    ask_t ask = {.self = roles[role].who, .role = role, .answer = answer, .error = error};
    *answer = (promp_join_answer_t){0};
    return converse(call, &question, &ask);
}

promp_err_t promp_join_ask_more(const promp_join_call_t *call, promp_auth_role_t role,
                                const promp_join_talk_t *talk, promp_error_t *error)
{
    const promp_message_t question = hello_as(role);
    promp_join_answer_t answer = {0};
    ask_t ask = {.self = roles[role].who, .role = role, .answer = &answer, .talk = talk, .error = error};
    return converse(call, &question, &ask);
}
