#include "join.h"

#include <time.h>
#include <unistd.h>

#include "auth_token.h"
#include "join_ask.h"
#include "join_folder.h"

#define PAUSE 100 /* ms before a broker is asked again that closed the connection, doubled each time */

/* One joining. */
typedef struct {
    const promp_auth_token_t *token;
    const char *name;
    promp_auth_key_t *key;
    bool asked;    /* the key may be in already: we asked before and do not know the answer */
    bool next;     /* the broker has the token's next key */
    int64_t pause; /* ms, before the next time */
    promp_join_call_t call;
} joiner_t;

static promp_err_t ask(joiner_t *joiner, bool hello, promp_join_answer_t *answer, promp_error_t *error)
{
    const promp_auth_token_t *token = joiner->token;
    joiner->call.broker = joiner->next ? token->next : token->broker;
    joiner->call.key = hello ? joiner->key : token->key;
    if (hello)
        return promp_join_ask_hello(&joiner->call, token->role, answer, error);
    return promp_join_ask_in(&joiner->call, promp_auth_key_public(joiner->key), joiner->name, token->role,
                             answer, error);
}

/* Whether the broker may answer when it is asked once more; waits a moment. */
static bool try_again(joiner_t *joiner, promp_err_t code)
{
    if (code == PROMP_ERR_BROKER_KEY && joiner->token->has_next && !joiner->next) {
        joiner->next = true;
        return true;
    }
    if (code != PROMP_ERR_CLOSED && code != PROMP_ERR_BROKER_AWAY)
        return false;
    joiner->asked = true;
    if (promp_clock_ms() + joiner->pause >= joiner->call.end)
        return false;
    nanosleep(&(struct timespec){joiner->pause / 1000, joiner->pause % 1000 * 1000000}, NULL);
    joiner->pause *= 2;
    return true;
}

/* What a joiner is told in place of what the link says. */
static promp_err_t in_words(promp_err_t code, promp_error_t *error)
{
    if (code == PROMP_ERR_KEY_REFUSED)
        return promp_error_set(error, PROMP_ERR_TOKEN_REFUSED, 0, "it is used up, expired or revoked");
    if (code == PROMP_ERR_CLOSED)
        return promp_error_set(error, PROMP_ERR_BROKER_SILENT, 0,
                               "it closed the connection without an answer");
    return code;
}

/* Until there is an answer that does not change by asking again. */
static promp_err_t get_in(joiner_t *joiner, promp_join_answer_t *answer, promp_error_t *error)
{
    promp_err_t code;
    do
        code = ask(joiner, false, answer, error);
    while (code && try_again(joiner, code));
    if (code == PROMP_ERR_KEY_REFUSED && joiner->asked && !ask(joiner, true, answer, NULL))
        return PROMP_OK;
    return in_words(code, error);
}

static void note_down(const joiner_t *joiner, const promp_join_answer_t *answer, promp_auth_joined_t *joined)
{
    const promp_auth_token_t *token = joiner->token;
    *joined = (promp_auth_joined_t){.broker = answer->broker};
    strcpy(joined->address, token->address);
    strcpy(joined->name, answer->name);
    memcpy(joined->key, joiner->next ? token->next : token->broker, sizeof joined->key);
    joined->has_next = token->has_next && !joiner->next;
    if (joined->has_next)
        memcpy(joined->next, token->next, sizeof joined->next);
}

/* As far as it can be a key's. */
static const char *host_name(char name[PROMP_LIMIT_KEY_NAME + 1])
{
    if (gethostname(name, PROMP_LIMIT_KEY_NAME + 1) < 0)
        return "";
    name[PROMP_LIMIT_KEY_NAME] = '\0';
    return promp_auth_key_name_valid(promp_slice_str(name)) ? name : "";
}

static promp_err_t join_with(const promp_join_config_t *config, const promp_auth_token_t *token, int64_t end,
                             promp_auth_joined_t *joined, promp_error_t *error)
{
    promp_join_place_t place = {
        .folder = config->folder, .role = token->role, .replace = config->replace, .end = end};
    char host[PROMP_LIMIT_KEY_NAME + 1];
    joiner_t joiner = {.token = token, .name = config->name ? config->name : host_name(host), .pause = PAUSE};
    promp_join_answer_t answer;

    memcpy(place.token.b, promp_auth_key_public(token->key), sizeof place.token.b);
    joiner.call.address = token->address;
    joiner.call.end = end;
    promp_err_t code = promp_join_folder_key(&place, &joiner.key, &joiner.asked, error);
    if (code)
        return code;
    code = get_in(&joiner, &answer, error);
    if (!code) {
        note_down(&joiner, &answer, joined);
        place.end = promp_max64(end, promp_clock_ms() + PROMP_TIME_JOINED_LOCK);
        code = promp_join_folder_settle(&place, joiner.key, joined, error);
    }
    promp_auth_key_destroy(&joiner.key);
    return code;
}

static promp_err_t check(const promp_join_config_t *config, const promp_auth_token_t *token,
                         promp_error_t *error)
{
    if (config->roles && !(config->roles & PROMP_JOIN_ROLE(token->role)))
        return promp_error_set(error, PROMP_ERR_KEY_ROLE, 0, "this token is for the role %s",
                               promp_auth_role_text(token->role));
    if (token->expires <= (int64_t)time(NULL))
        return promp_error_set(error, PROMP_ERR_TOKEN_EXPIRED, 0, NULL);
    if (config->name && *config->name && !promp_auth_key_name_valid(promp_slice_str(config->name)))
        return promp_error_set(error, PROMP_ERR_ARGUMENT, 0,
                               "the name of a key has 1 to %d of A-Z a-z 0-9 . _ -", PROMP_LIMIT_KEY_NAME);
    return PROMP_OK;
}

promp_err_t promp_join(const promp_join_config_t *config, promp_join_result_t *result, promp_error_t *error)
{
    const int64_t timeout = config->timeout ? config->timeout : PROMP_TIME_JOIN;
    promp_auth_token_t *token;
    promp_err_t code = promp_auth_token_parse(config->token, &token, error);
    if (code)
        return code;
    code = check(config, token, error);
    if (!code) {
        result->role = token->role;
        code = join_with(config, token, promp_clock_ms() + timeout, &result->joined, error);
    }
    promp_auth_token_destroy(&token);
    return code;
}
