/* Joining with a real handshake over loopback: what lies in the folder afterwards, and each reason not to get in. */
#include "join.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "auth_broker.h"
#include "auth_change.h"
#include "auth_token.h"
#include "join_ask.h"
#include "join_rig.h"

#define SOON 5000 /* ms: every answer is there by then */

static const promp_slice_t no_passphrase;

static promp_auth_key_t *load_key(const char *name, promp_auth_key_info_t *info)
{
    promp_auth_key_t *key;
    assert_code(promp_auth_key_load(rig_joiner(), name, no_passphrase, &key, info, NULL), PROMP_OK);
    return key;
}

static unsigned mode_of(const char *name)
{
    struct stat s;
    assert_int_equal(fstatat(rig_joiner(), name, &s, 0), 0);
    return s.st_mode & 07777;
}

/* Aim: for each role, what is promised stands in the folder with its modes, the broker knows the key by the name that we were
 * told, and the key gets in. */
static void joins(void **state)
{
    (void)state;
    for (promp_auth_role_t role = PROMP_AUTH_MANAGER; role <= PROMP_AUTH_ADMIN; role++) {
        char name[64];
        const char *text = promp_auth_role_text(role);
        promp_join_result_t result;
        promp_auth_joined_t back;
        promp_auth_key_info_t info;
        promp_join_answer_t answer;

        rig_config.name = "deep-thought";
        assert_code(rig_join(rig_token(role, 1), &result), PROMP_OK);
        snprintf(name, sizeof name, role == PROMP_AUTH_MANAGER ? "deep-thought" : "deep-thought-%d", role);
        assert_int_equal(result.role, role);
        assert_string_equal(result.joined.name, name);
        assert_code(promp_auth_joined_load(rig_joiner(), role, &back, NULL), PROMP_OK);
        assert_memory_equal(&back, &result.joined, sizeof back);
        assert_string_equal(back.address, rig_address());
        assert_memory_equal(back.key, rig_broker_key(), PROMP_AUTH_KEY_SIZE);
        assert_true(promp_id_equal(&back.broker, &rig_identity) && !back.has_next);

        promp_auth_key_t *key = load_key(text, &info);
        assert_string_equal(info.note.name, name);
        promp_join_call_t call = {
            .address = back.address, .broker = back.key, .key = key, .end = promp_clock_ms() + SOON};
        assert_code(promp_join_ask_hello(&call, role, &answer, NULL), PROMP_OK);
        assert_true(promp_id_equal(&answer.broker, &rig_identity));
        promp_auth_key_destroy(&key);

        snprintf(name, sizeof name, "%s.cert_secret", text);
        assert_int_equal(mode_of(name), 0600);
        snprintf(name, sizeof name, "%s.broker", text);
        assert_int_equal(mode_of(name), 0600);
        snprintf(name, sizeof name, "%s.joining.cert_secret", text);
        assert_false(rig_has(name));
        snprintf(name, sizeof name, "%s.joining.cert", text);
        assert_false(rig_has(name));
    }
}

static bool folder_is_empty(void)
{
    return !rig_has("manager.cert_secret") && !rig_has("manager.broker") &&
           !rig_has("manager.joining.cert_secret");
}

static void make_late(void *token)
{
    ((promp_auth_token_t *)token)->expires = 1;
}

/* Aim: what is no token, is mistyped, late by our clock or for another role, and a bad name, ends before anything is made or
 * sent. */
static void bad_token(void **state)
{
    char text[PROMP_LIMIT_TOKEN + 1];
    (void)state;
    assert_code(rig_join("promp", NULL), PROMP_ERR_TOKEN_FORMAT);
    assert_code(rig_join("", NULL), PROMP_ERR_TOKEN_FORMAT);
    strcpy(text, rig_token(PROMP_AUTH_MANAGER, 1));
    assert_code(rig_join(rig_changed(text, make_late), NULL), PROMP_ERR_TOKEN_EXPIRED);
    rig_config.roles = PROMP_JOIN_ROLE(PROMP_AUTH_NODE) | PROMP_JOIN_ROLE(PROMP_AUTH_ADMIN);
    assert_code(rig_join(text, NULL), PROMP_ERR_KEY_ROLE);
    assert_non_null(strstr(rig_error.text, "manager"));
    rig_config.roles = 0;
    rig_config.name = "a b";
    assert_code(rig_join(text, NULL), PROMP_ERR_ARGUMENT);
    rig_config.name = NULL;
    text[strlen(text) / 2] ^= 1;
    assert_code(rig_join(text, NULL), PROMP_ERR_TOKEN_CHECKSUM);
    assert_true(folder_is_empty());
    assert_int_equal(rig_joins(), 0);
    rig_config.roles = PROMP_JOIN_ROLE(PROMP_AUTH_NODE) | PROMP_JOIN_ROLE(PROMP_AUTH_MANAGER);
    assert_code(rig_join(rig_token(PROMP_AUTH_MANAGER, 1), NULL), PROMP_OK);
}

/* Changes a token's entry in the store. */
static void spoil(const char *token, bool revoke)
{
    promp_auth_token_t *parsed;
    promp_auth_change_t *change;
    assert_code(promp_auth_token_parse(promp_slice_str(token), &parsed, NULL), PROMP_OK);
    assert_code(promp_auth_change_begin(rig_folder, false, 1000, &change, NULL), PROMP_OK);
    promp_auth_entry_t entry =
        *promp_auth_store_find(promp_auth_change_store(change), promp_auth_key_public(parsed->key));
    *(revoke ? &entry.revoked : &entry.expires) = 1;
    assert_code(promp_auth_change_put(change, &entry, NULL), PROMP_OK);
    promp_auth_change_end(&change);
    promp_auth_token_destroy(&parsed);
}

static void expect_refused(const char *token)
{
    const int64_t start = promp_clock_ms();
    const int before = rig_joins();
    assert_code(rig_join(token, NULL), PROMP_ERR_TOKEN_REFUSED);
    assert_true(promp_clock_ms() - start < SOON);
    assert_int_equal(rig_joins(), before); /* the handshake has ended it */
    assert_false(rig_has("manager.cert_secret") || rig_has("manager.broker"));
}

static void use_up(const char *token)
{
    promp_auth_token_t *parsed;
    promp_auth_entry_t entry = rig_entry("first", PROMP_AUTH_MANAGER, NULL);
    assert_code(promp_auth_token_parse(promp_slice_str(token), &parsed, NULL), PROMP_OK);
    entry.has_token = true;
    memcpy(entry.token, promp_auth_key_public(parsed->key), sizeof entry.token);
    rig_put(&entry);
    promp_auth_token_destroy(&parsed);
}

/* Aim: a token that is used up, expired by the store or revoked is refused by one number, soon; another one then does in the same
 * folder. */
static void refused_by_store(void **state)
{
    (void)state;
    const char *token = rig_token(PROMP_AUTH_MANAGER, 1);
    spoil(token, true);
    expect_refused(token);
    token = rig_token(PROMP_AUTH_MANAGER, 1);
    spoil(token, false);
    expect_refused(token);
    token = rig_token(PROMP_AUTH_MANAGER, 1);
    use_up(token);
    expect_refused(token);
    assert_code(rig_join(rig_token(PROMP_AUTH_MANAGER, 1), NULL), PROMP_OK);
}

/* Aim: who is there already is told so, nothing is asked and the key stays; --replace brings another one. */
static void there_already(void **state)
{
    (void)state;
    promp_auth_key_info_t first, second;
    assert_code(rig_join(rig_token(PROMP_AUTH_MANAGER, 1), NULL), PROMP_OK);
    promp_auth_key_t *key = load_key("manager", &first);
    promp_auth_key_destroy(&key);
    const int before = rig_joins();
    const char *token = rig_token(PROMP_AUTH_MANAGER, 1);
    assert_code(rig_join(token, NULL), PROMP_ERR_KEY_EXISTS);
    assert_non_null(strstr(rig_error.text, rig_address()));
    assert_int_equal(rig_joins(), before);
    assert_false(rig_has("manager.joining.cert_secret"));
    assert_code(rig_join(rig_token(PROMP_AUTH_NODE, 1), NULL), PROMP_OK); /* another role */

    rig_config.replace = true;
    assert_code(rig_join(rig_token(PROMP_AUTH_MANAGER, 1), NULL), PROMP_OK);
    key = load_key("manager", &second);
    promp_auth_key_destroy(&key);
    assert_memory_not_equal(first.public_key, second.public_key, PROMP_AUTH_KEY_SIZE);
}

static uint8_t foreign[PROMP_AUTH_KEY_SIZE];

static void other_broker(void *arg)
{
    promp_auth_token_t *token = arg;
    memcpy(token->broker, foreign, sizeof foreign);
}

static void other_broker_then_ours(void *arg)
{
    promp_auth_token_t *token = arg;
    token->has_next = true;
    memcpy(token->next, token->broker, sizeof token->next);
    memcpy(token->broker, foreign, sizeof foreign);
}

static void ours_then_other(void *arg)
{
    promp_auth_token_t *token = arg;
    token->has_next = true;
    memcpy(token->next, foreign, sizeof token->next);
}

/* Aim: a broker with another key is found out; one that has changed to its next key by now is known, and one that has not keeps
 * the next one in mind. */
static void keys_of_broker(void **state)
{
    promp_join_result_t result;
    promp_auth_key_t *key;
    (void)state;
    assert_code(promp_auth_key_make(&key, NULL), PROMP_OK);
    memcpy(foreign, promp_auth_key_public(key), sizeof foreign);
    promp_auth_key_destroy(&key);
    const int64_t start = promp_clock_ms();
    assert_code(rig_join(rig_changed(rig_token(PROMP_AUTH_MANAGER, 1), other_broker), NULL),
                PROMP_ERR_BROKER_KEY);
    assert_true(promp_clock_ms() - start < SOON);
    assert_code(rig_join(rig_changed(rig_token(PROMP_AUTH_MANAGER, 1), other_broker_then_ours), &result),
                PROMP_OK);
    assert_false(result.joined.has_next);
    assert_memory_equal(result.joined.key, rig_broker_key(), sizeof foreign);
    assert_code(rig_join(rig_changed(rig_token(PROMP_AUTH_NODE, 1), ours_then_other), &result), PROMP_OK);
    assert_true(result.joined.has_next && result.joined.from == 0);
    assert_memory_equal(result.joined.key, rig_broker_key(), sizeof foreign);
    assert_memory_equal(result.joined.next, foreign, sizeof foreign);
}

static char elsewhere[64];

static void go_elsewhere(void *token)
{
    strcpy(((promp_auth_token_t *)token)->address, elsewhere);
}

static void expect_elsewhere(promp_err_t wanted)
{
    const int64_t start = promp_clock_ms();
    assert_code(rig_join(rig_changed(rig_token(PROMP_AUTH_MANAGER, 1), go_elsewhere), NULL), wanted);
    assert_true(promp_clock_ms() - start < SOON);
}

static int listening(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 10), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    snprintf(elsewhere, sizeof elsewhere, "tcp://127.0.0.1:%d", ntohs(address.sin_port));
    return fd;
}

/* Aim: nobody, somebody silent, somebody without encryption, each has a number of its own within the time; another attempt in
 * the same folder gets in. */
static void somebody_else(void **state)
{
    size_t size = sizeof elsewhere;
    (void)state;
    int fd = listening();
    expect_elsewhere(PROMP_ERR_BROKER_SILENT);
    close(fd);
    expect_elsewhere(PROMP_ERR_BROKER_ABSENT);
    void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_ROUTER);
    assert_int_equal(zmq_bind(socket, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, elsewhere, &size), 0);
    expect_elsewhere(PROMP_ERR_NOT_CURVE);
    zmq_close(socket);
    zmq_ctx_term(context);
    assert_code(rig_join(rig_token(PROMP_AUTH_MANAGER, 1), NULL), PROMP_OK);
}

/* Aim: what a broker says instead of JOINED is told by its number; its words, which might be anything, are not repeated. */
static void other_answers(void **state)
{
    static const struct {
        rig_mode_t mode;
        promp_err_t wanted;
    } answers[] = {{RIG_VERSION, PROMP_ERR_VERSION},
                   {RIG_UNKNOWN, PROMP_ERR_NOT_A_BROKER},
                   {RIG_OTHER, PROMP_ERR_MESSAGE_FIELD},
                   {RIG_NONSENSE, PROMP_ERR_MESSAGE_SENDER},
                   {RIG_SILENT, PROMP_ERR_BROKER_SILENT}};
    (void)state;
    rig_config.timeout = 1500;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++) {
        rig_mode(answers[i].mode);
        assert_code(rig_join(rig_token(PROMP_AUTH_MANAGER, 2), NULL), answers[i].wanted);
        assert_null(strchr(rig_error.text, '\033'));
        assert_false(rig_has("manager.cert_secret") || rig_has("manager.broker"));
    }
    rig_config.timeout = 0;
    rig_mode(RIG_AWAY);
    assert_code(rig_join(rig_token(PROMP_AUTH_MANAGER, 1), NULL), PROMP_OK);
    assert_int_equal(rig_joins(), 7);
}

#define WITH_BROKER(test) cmocka_unit_test_setup_teardown(test, rig_broker_setup, rig_broker_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BROKER(joins),         WITH_BROKER(bad_token),      WITH_BROKER(refused_by_store),
        WITH_BROKER(there_already), WITH_BROKER(keys_of_broker), WITH_BROKER(somebody_else),
        WITH_BROKER(other_answers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
