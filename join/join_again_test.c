/* Joining that is interrupted, at each point where it can be, and done again. */
#include "join.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth_file.h"
#include "auth_issue.h"
#include "auth_token.h"
#include "join_folder.h"
#include "join_rig.h"

static const promp_slice_t no_passphrase;

static void key_of(const char *name, uint8_t key[PROMP_AUTH_KEY_SIZE])
{
    assert_code(promp_auth_key_load_public(rig_joiner(), name, key, NULL), PROMP_OK);
}

static void expect_key(const uint8_t key[PROMP_AUTH_KEY_SIZE])
{
    uint8_t now[PROMP_AUTH_KEY_SIZE];
    promp_auth_key_t *pair;
    promp_auth_joined_t joined;
    key_of("manager", now);
    assert_memory_equal(now, key, PROMP_AUTH_KEY_SIZE);
    assert_code(promp_auth_key_load(rig_joiner(), "manager", no_passphrase, &pair, NULL, NULL), PROMP_OK);
    promp_auth_key_destroy(&pair);
    assert_code(promp_auth_joined_load(rig_joiner(), PROMP_AUTH_MANAGER, &joined, NULL), PROMP_OK);
    assert_false(rig_has("manager.joining.cert") || rig_has("manager.joining.cert_secret"));
}

/* How many keys the store has that are no tokens. */
static size_t keys_in_store(void)
{
    promp_auth_store_t *store = rig_load();
    size_t count = 0;
    for (size_t i = 0; i < promp_auth_store_count(store); i++)
        count += promp_auth_store_at(store, i)->role != PROMP_AUTH_JOIN;
    promp_auth_store_destroy(&store);
    return count;
}

/* Aim: who was interrupted before the answer goes on with the same key. */
static void before_the_answer(void **state)
{
    char token[PROMP_LIMIT_TOKEN + 1];
    uint8_t key[PROMP_AUTH_KEY_SIZE];
    (void)state;
    strcpy(token, rig_token(PROMP_AUTH_MANAGER, 1));
    rig_mode(RIG_SILENT);
    rig_config.timeout = 500;
    assert_code(rig_join(token, NULL), PROMP_ERR_BROKER_SILENT);
    key_of("manager.joining", key);
    rig_mode(RIG_ANSWER);
    rig_config.timeout = 0;
    assert_code(rig_join(token, NULL), PROMP_OK);
    expect_key(key);
    assert_int_equal(keys_in_store(), 1);
}

/* Aim: an answer that was lost is got by asking again: of a token with uses left in the same call, by JOIN; of one that is used
 * up, by the key itself. Neither takes a second use. */
static void lost_answer(void **state)
{
    promp_join_result_t result;
    (void)state;
    rig_config.name = ""; /* the broker finds one */
    for (uint32_t uses = 1; uses <= 2; uses++) {
        rig_config.replace = uses == 2;
        rig_mode(RIG_LOSE);
        assert_code(rig_join(rig_token(PROMP_AUTH_MANAGER, uses), &result), PROMP_OK);
        assert_int_equal(keys_in_store(), uses);
        assert_string_equal(result.joined.name, uses == 1 ? "" : "manager-2");
        assert_true(promp_id_equal(&result.joined.broker, &rig_identity));
        assert_int_equal(rig_hellos(), 1);
    }
}

/* Aim: the same when the process ended in between: the next call finds the key and that it is in. */
static void lost_and_ended(void **state)
{
    char token[PROMP_LIMIT_TOKEN + 1];
    uint8_t key[PROMP_AUTH_KEY_SIZE];
    (void)state;
    strcpy(token, rig_token(PROMP_AUTH_MANAGER, 1));
    rig_mode(RIG_LET_IN);
    rig_config.timeout = 1000;
    assert_code(rig_join(token, NULL), PROMP_ERR_BROKER_SILENT);
    assert_int_equal(keys_in_store(), 1);
    key_of("manager.joining", key);
    rig_mode(RIG_ANSWER);
    rig_config.timeout = 0;
    assert_code(rig_join(token, NULL), PROMP_OK);
    expect_key(key);
    assert_int_equal(keys_in_store(), 1);
}

/* Aim: a key that waits for one token is not shown with another one, under which the broker would not know it. */
static void another_token(void **state)
{
    uint8_t key[PROMP_AUTH_KEY_SIZE], now[PROMP_AUTH_KEY_SIZE];
    (void)state;
    rig_mode(RIG_LET_IN);
    rig_config.timeout = 1000;
    assert_code(rig_join(rig_token(PROMP_AUTH_MANAGER, 1), NULL), PROMP_ERR_BROKER_SILENT);
    key_of("manager.joining", key);
    rig_mode(RIG_ANSWER);
    rig_config.timeout = 0;
    assert_code(rig_join(rig_token(PROMP_AUTH_MANAGER, 1), NULL), PROMP_OK);
    key_of("manager", now);
    assert_memory_not_equal(key, now, sizeof now);
    expect_key(now);
}

/* The place of a token's key in the folder. */
static promp_join_place_t place_of(const char *token)
{
    promp_join_place_t place = {
        .folder = rig_joiner(), .role = PROMP_AUTH_MANAGER, .end = promp_clock_ms() + 1000};
    promp_auth_token_t *parsed;
    assert_code(promp_auth_token_parse(promp_slice_str(token), &parsed, NULL), PROMP_OK);
    memcpy(place.token.b, promp_auth_key_public(parsed->key), sizeof place.token.b);
    promp_auth_token_destroy(&parsed);
    return place;
}

/* Puts the folder back to where the key of manager waits for a token. */
static void wait_again(const char *token)
{
    promp_join_place_t place = place_of(token);
    promp_auth_key_note_t note = {0};
    promp_auth_key_t *key;
    promp_id_text(&place.token, note.name);
    assert_code(promp_auth_key_load(rig_joiner(), "manager", no_passphrase, &key, NULL, NULL), PROMP_OK);
    assert_code(promp_auth_key_save(rig_joiner(), "manager.joining", key, &note, no_passphrase, NULL),
                PROMP_OK);
    promp_auth_key_destroy(&key);
}

/* Aim: interrupted between any two files that are put in place, it is completed. */
static void between_files(void **state)
{
    static const char *const missing[] = {"manager.cert_secret", "manager.cert", "manager.broker", NULL};
    char token[PROMP_LIMIT_TOKEN + 1];
    uint8_t key[PROMP_AUTH_KEY_SIZE];
    (void)state;
    strcpy(token, rig_token(PROMP_AUTH_MANAGER, 1));
    assert_code(rig_join(token, NULL), PROMP_OK);
    key_of("manager", key);
    for (size_t first = 0; first < sizeof missing / sizeof *missing; first++) {
        wait_again(token);
        for (size_t i = first; missing[i]; i++) /* they are written in this order */
            assert_int_equal(unlinkat(rig_joiner(), missing[i], 0), 0);
        assert_code(rig_join(token, NULL), PROMP_OK);
        expect_key(key);
    }
    wait_again(token); /* interrupted while the waiting key was removed */
    assert_int_equal(unlinkat(rig_joiner(), "manager.joining.cert", 0), 0);
    assert_code(rig_join(token, NULL), PROMP_OK);
    expect_key(key);
    assert_int_equal(keys_in_store(), 1);
}

/* Aim: a file that cannot be put in place is an error, and no loss: once it can, the same token completes it. */
static void cannot_be_written(void **state)
{
    char token[PROMP_LIMIT_TOKEN + 1];
    uint8_t key[PROMP_AUTH_KEY_SIZE];
    (void)state;
    strcpy(token, rig_token(PROMP_AUTH_MANAGER, 1));
    assert_int_equal(mkdirat(rig_joiner(), "manager.broker", 0700), 0);
    assert_code(rig_join(token, NULL), PROMP_ERR_SYSTEM);
    key_of("manager.joining", key);
    assert_int_equal(unlinkat(rig_joiner(), "manager.broker", AT_REMOVEDIR), 0);
    assert_code(rig_join(token, NULL), PROMP_OK);
    expect_key(key);
    assert_int_equal(keys_in_store(), 1);
}

/* Aim: what an interrupted --replace has left does not replace a key by itself. */
static void half_replaced(void **state)
{
    uint8_t key[PROMP_AUTH_KEY_SIZE];
    char token[PROMP_LIMIT_TOKEN + 1];
    (void)state;
    assert_code(rig_join(rig_token(PROMP_AUTH_MANAGER, 1), NULL), PROMP_OK);
    key_of("manager", key);
    strcpy(token, rig_token(PROMP_AUTH_MANAGER, 1));
    rig_mode(RIG_SILENT);
    rig_config.replace = true;
    rig_config.timeout = 300;
    assert_code(rig_join(token, NULL), PROMP_ERR_BROKER_SILENT);
    rig_mode(RIG_ANSWER);
    rig_config.timeout = 0;
    rig_config.replace = false;
    assert_code(rig_join(token, NULL), PROMP_ERR_KEY_EXISTS);
    rig_config.replace = true;
    assert_code(rig_join(token, NULL), PROMP_OK);
    assert_int_equal(keys_in_store(), 2);
    uint8_t now[PROMP_AUTH_KEY_SIZE];
    key_of("manager", now);
    assert_memory_not_equal(key, now, sizeof now);
    expect_key(now);
}

/* Aim: a broker's own folder may be the one that joins: no lock of ours is held while the broker needs it. */
static void in_the_brokers_folder(void **state)
{
    promp_auth_joined_t joined;
    promp_join_result_t result;
    (void)state;
    promp_join_config_t config = {.folder = rig_folder};
    config.token = promp_slice_str(rig_token(PROMP_AUTH_MANAGER, 1));
    assert_code(promp_join(&config, &result, &rig_error), PROMP_OK);
    assert_code(promp_auth_joined_load(rig_folder, PROMP_AUTH_MANAGER, &joined, NULL), PROMP_OK);
}

/* Aim: while another joiner works in the folder this one waits, and gives up with a number of its own. */
static void folder_is_busy(void **state)
{
    int lock;
    (void)state;
    assert_code(promp_auth_folder_lock(rig_joiner(), 1000, &lock, NULL), PROMP_OK);
    rig_config.timeout = 100;
    assert_code(rig_join(rig_token(PROMP_AUTH_MANAGER, 1), NULL), PROMP_ERR_STORE_BUSY);
    close(lock);
    assert_int_equal(rig_joins(), 0);
}

/* Aim: a broker that is restarted is the same broker: an answer lost with it is got from the next one. */
static void over_a_restart(void **state)
{
    char token[PROMP_LIMIT_TOKEN + 1];
    (void)state;
    strcpy(token, rig_token(PROMP_AUTH_MANAGER, 1));
    rig_mode(RIG_LET_IN);
    rig_config.timeout = 1000;
    assert_code(rig_join(token, NULL), PROMP_ERR_BROKER_SILENT);
    rig_mode(RIG_ANSWER);
    rig_restart();
    rig_config.timeout = 0;
    assert_code(rig_join(token, NULL), PROMP_OK);
    assert_int_equal(keys_in_store(), 1);
}

#define WITH_BROKER(test) cmocka_unit_test_setup_teardown(test, rig_broker_setup, rig_broker_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {WITH_BROKER(before_the_answer), WITH_BROKER(lost_answer),
                                       WITH_BROKER(lost_and_ended),    WITH_BROKER(another_token),
                                       WITH_BROKER(between_files),     WITH_BROKER(cannot_be_written),
                                       WITH_BROKER(half_replaced),     WITH_BROKER(in_the_brokers_folder),
                                       WITH_BROKER(folder_is_busy),    WITH_BROKER(over_a_restart)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
