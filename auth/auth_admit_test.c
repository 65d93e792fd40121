/* From a token to a key in the store, and from a key to its successor. */
#include "auth_admit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "auth_broker.h"
#include "auth_issue.h"
#include "auth_rig.h"
#include "auth_token.h"

static const promp_slice_t none;

static int setup(void **state)
{
    rig_setup(state);
    assert_code(promp_auth_broker_make(rig_folder, none, "tcp://b:5599", NULL), PROMP_OK);
    return 0;
}

static promp_auth_entry_t order(unsigned uses)
{
    promp_auth_entry_t entry = rig_entry("", PROMP_AUTH_JOIN, NULL);
    entry.uses = uses;
    return entry;
}

static promp_err_t issue(promp_auth_entry_t *entry)
{
    char text[PROMP_LIMIT_TOKEN + 1];
    promp_auth_token_t *token;
    promp_err_t code = promp_auth_issue(rig_folder, entry, "", NOW, text, NULL);
    if (code)
        return code;
    assert_code(promp_auth_token_parse(promp_slice_str(text), &token, NULL), PROMP_OK);
    assert_memory_equal(promp_auth_key_public(token->key), entry->key, 32);
    promp_auth_token_destroy(&token);
    return PROMP_OK;
}

/* Joins with a new key, which is put into *entry. */
static promp_err_t join_at(const promp_auth_entry_t *token, const char *name, int64_t now,
                           promp_auth_entry_t *entry)
{
    promp_auth_entry_t fresh = rig_entry("x", PROMP_AUTH_NODE, NULL);
    return promp_auth_admit(rig_folder, token->key, fresh.key, promp_slice_str(name), now, 1000, entry, NULL);
}

static promp_err_t join(const promp_auth_entry_t *token, const char *name, promp_auth_entry_t *entry)
{
    return join_at(token, name, NOW, entry);
}

static promp_err_t check(const uint8_t *key, int64_t now)
{
    promp_auth_store_t *store = rig_load();
    promp_err_t code = promp_auth_store_check(store, key, now, NULL);
    promp_auth_store_destroy(&store);
    return code;
}

/* Aim: who joins gets what the token grants, as often as it says and not once more. */
static void granted(void **state)
{
    promp_auth_entry_t token = order(3), entry;
    (void)state;
    token.grants = PROMP_AUTH_MANAGER;
    token.workers = 7;
    token.bytes = 8;
    token.key_expires = NOW + 100;
    strcpy(token.labels, "gpu");
    assert_code(issue(&token), PROMP_OK);
    assert_string_equal(token.name[0] ? "named" : "", "named");
    for (int i = 0; i < 3; i++) {
        assert_code(join(&token, "alice", &entry), PROMP_OK);
        assert_string_equal(entry.name, i == 0 ? "alice" : i == 1 ? "alice-2" : "alice-3");
        assert_int_equal(entry.role, PROMP_AUTH_MANAGER);
        assert_int_equal(entry.workers, 7);
        assert_int_equal(entry.bytes, 8);
        assert_string_equal(entry.labels, "gpu");
        assert_code(check(entry.key, NOW + 99), PROMP_OK);
        assert_code(check(entry.key, NOW + 100), PROMP_ERR_ACCESS_EXPIRED);
    }
    assert_code(join(&token, "alice", &entry), PROMP_ERR_TOKEN_USED);
    assert_code(check(token.key, NOW), PROMP_ERR_TOKEN_USED);
}

/* Aim: expired, revoked, unknown, and what is no token at all let nobody in. */
static void refused(void **state)
{
    promp_auth_entry_t token = order(1), key = rig_entry("k", PROMP_AUTH_ADMIN, NULL), entry;
    size_t count;
    (void)state;
    token.expires = NOW + 10;
    assert_code(issue(&token), PROMP_OK);
    rig_put(&key);
    assert_code(join_at(&token, "a", NOW + 10, &entry), PROMP_ERR_TOKEN_EXPIRED);
    assert_code(join(&key, "a", &entry), PROMP_ERR_ACCESS_UNKNOWN);
    promp_auth_entry_t stranger = rig_entry("s", PROMP_AUTH_JOIN, NULL);
    assert_code(join(&stranger, "a", &entry), PROMP_ERR_ACCESS_UNKNOWN);
    assert_code(promp_auth_revoke(rig_folder, token.name, NOW, 1000, &count, NULL), PROMP_OK);
    assert_int_equal(count, 1);
    assert_code(join(&token, "a", &entry), PROMP_ERR_TOKEN_REVOKED);
    assert_code(promp_auth_revoke(rig_folder, token.name, NOW, 1000, &count, NULL), PROMP_OK);
    assert_int_equal(count, 0);
    assert_code(promp_auth_revoke(rig_folder, "nobody", NOW, 1000, &count, NULL), PROMP_ERR_NOT_FOUND);
}

/* Aim: the same key again is let in again without a use; somebody else's key, a weak one and a revoked one are not. */
static void same_key(void **state)
{
    static const uint8_t weak[32] = {1};
    promp_auth_entry_t token = order(2), other = order(1), entry, again;
    size_t count;
    (void)state;
    assert_code(issue(&token), PROMP_OK);
    assert_code(issue(&other), PROMP_OK);
    assert_code(join(&token, "a", &entry), PROMP_OK);
    assert_code(
        promp_auth_admit(rig_folder, token.key, entry.key, promp_slice_str("b"), NOW, 1000, &again, NULL),
        PROMP_OK);
    assert_memory_equal(&entry, &again, sizeof entry);
    assert_code(promp_auth_admit(rig_folder, other.key, entry.key, none, NOW, 1000, &again, NULL),
                PROMP_ERR_KEY_EXISTS);
    assert_code(promp_auth_admit(rig_folder, other.key, other.key, none, NOW, 1000, &again, NULL),
                PROMP_ERR_KEY_EXISTS);
    assert_code(promp_auth_admit(rig_folder, other.key, weak, none, NOW, 1000, &again, NULL),
                PROMP_ERR_KEY_FORMAT);
    assert_code(promp_auth_revoke(rig_folder, "a", NOW, 1000, &count, NULL), PROMP_OK);
    assert_code(promp_auth_admit(rig_folder, token.key, entry.key, none, NOW, 1000, &again, NULL),
                PROMP_ERR_ACCESS_REVOKED);
    assert_code(check(other.key, NOW), PROMP_OK);
    assert_code(join(&token, "c", &entry), PROMP_OK);
    assert_code(join(&token, "c", &entry), PROMP_ERR_TOKEN_USED);
}

/* Aim: any bytes as a name give a valid one; the token's name goes before it; a dead key's name is free. */
static void names(void **state)
{
    static const struct {
        const char *wish, *name;
    } rows[] = {{"", "node"},           {"node", "node-2"},  {"broker", "broker-2"}, {"../../etc", "etc"},
                {"\xc3\xbc", "node-3"}, {"a b\nc", "a-b-c"}, {"-x_.y", "x_.y"},      {"\"; rm", "rm"}};
    promp_auth_entry_t token = order(30), named = order(2), entry;
    char longest[200];
    size_t count;
    (void)state;
    assert_code(issue(&token), PROMP_OK);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_code(join(&token, rows[i].wish, &entry), PROMP_OK);
        assert_string_equal(entry.name, rows[i].name);
    }
    memset(longest, 'l', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_code(join(&token, longest, &entry), PROMP_OK);
    assert_int_equal(strlen(entry.name), PROMP_LIMIT_KEY_NAME);
    assert_code(join(&token, longest, &entry), PROMP_OK);
    assert_string_equal(entry.name + PROMP_LIMIT_KEY_NAME - 3, "l-2");
    strcpy(named.as, "boss");
    assert_code(issue(&named), PROMP_OK);
    assert_code(join(&named, "other", &entry), PROMP_OK);
    assert_string_equal(entry.name, "boss");
    strcpy(token.as, "boss");
    assert_code(issue(&token), PROMP_ERR_ARGUMENT);
    assert_code(promp_auth_revoke(rig_folder, "boss", NOW, 1000, &count, NULL), PROMP_OK);
    assert_code(join(&named, "other", &entry), PROMP_OK);
    assert_string_equal(entry.name, "boss");
}

/* Aim: who cannot have the lock in time is told so, and goes on when it is free. */
static void busy(void **state)
{
    promp_auth_entry_t token = order(1), fresh = rig_entry("x", PROMP_AUTH_NODE, NULL), entry;
    promp_auth_change_t *change;
    (void)state;
    assert_code(issue(&token), PROMP_OK);
    assert_code(promp_auth_change_begin(rig_folder, false, 0, &change, NULL), PROMP_OK);
    const int64_t start = promp_clock_ms();
    assert_code(promp_auth_admit(rig_folder, token.key, fresh.key, none, NOW, 50, &entry, NULL),
                PROMP_ERR_STORE_BUSY);
    assert_in_range(promp_clock_ms() - start, 50, 5000);
    promp_auth_change_end(&change);
    assert_code(promp_auth_admit(rig_folder, token.key, fresh.key, none, NOW, 50, &entry, NULL), PROMP_OK);
}

typedef struct {
    const promp_auth_entry_t *token;
    int joined, used;
} race_t;

static void *race(void *arg)
{
    race_t *r = arg;
    for (int i = 0; i < 20; i++) {
        promp_auth_key_t *key;
        promp_auth_entry_t entry;
        if (promp_auth_key_make(&key, NULL))
            break;
        promp_err_t code = promp_auth_admit(rig_folder, r->token->key, promp_auth_key_public(key), none, NOW,
                                            60000, &entry, NULL);
        r->joined += code == PROMP_OK;
        r->used += code == PROMP_ERR_TOKEN_USED;
        promp_auth_key_destroy(&key);
    }
    return NULL;
}

/* Aim: eight at once with a token for 50: exactly 50 get in. */
static void at_once(void **state)
{
    promp_auth_entry_t token = order(50);
    pthread_t threads[8];
    race_t races[8] = {0};
    int joined = 0, used = 0;
    (void)state;
    assert_code(issue(&token), PROMP_OK);
    for (int i = 0; i < 8; i++) {
        races[i].token = &token;
        assert_int_equal(pthread_create(&threads[i], NULL, race, &races[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        joined += races[i].joined;
        used += races[i].used;
    }
    assert_int_equal(joined, 50);
    assert_int_equal(used, 110);
    promp_auth_store_t *store = rig_load();
    assert_int_equal(promp_auth_store_count(store), 51);
    promp_auth_store_destroy(&store);
}

/* Aim: a renewal keeps name, role and limits; the old key lasts until the overlap is over and not longer; revoking the
 * name ends both keys and a token that waits. */
static void renewed(void **state)
{
    promp_auth_entry_t old = rig_entry("n", PROMP_AUTH_NODE, NULL), entry, late;
    promp_auth_entry_t token = {.expires = NOW + 500}, second = {.expires = NOW + 500};
    char text[PROMP_LIMIT_TOKEN + 1];
    size_t count;
    (void)state;
    old.workers = 5;
    old.expires = NOW + 1000;
    strcpy(old.labels, "a b");
    rig_put(&old);
    assert_code(promp_auth_issue_renewal(rig_folder, "m", NOW + 100, "", NOW, &token, text, NULL),
                PROMP_ERR_NOT_FOUND);
    assert_code(promp_auth_issue_renewal(rig_folder, "n", NOW + 100, "", NOW, &token, text, NULL), PROMP_OK);
    assert_code(join(&token, "other", &entry), PROMP_OK);
    assert_string_equal(entry.name, "n");
    assert_int_equal(entry.workers, 5);
    assert_string_equal(entry.labels, "a b");
    assert_int_equal(entry.role, PROMP_AUTH_NODE);
    assert_code(join(&token, "n", &late), PROMP_ERR_TOKEN_USED);
    assert_code(check(old.key, NOW + 99), PROMP_OK);
    assert_code(check(entry.key, NOW + 99), PROMP_OK);
    assert_code(check(old.key, NOW + 100), PROMP_ERR_ACCESS_EXPIRED);
    assert_code(check(entry.key, NOW + 999), PROMP_OK);
    assert_code(check(entry.key, NOW + 1000), PROMP_ERR_ACCESS_EXPIRED);

    assert_code(promp_auth_issue_renewal(rig_folder, "n", NOW + 100, "", NOW, &second, text, NULL), PROMP_OK);
    assert_code(promp_auth_revoke(rig_folder, "n", NOW, 1000, &count, NULL), PROMP_OK);
    assert_int_equal(count, 4);
    assert_code(check(old.key, NOW), PROMP_ERR_ACCESS_REVOKED);
    assert_code(check(entry.key, NOW), PROMP_ERR_ACCESS_REVOKED);
    assert_code(join(&second, "n", &late), PROMP_ERR_TOKEN_REVOKED);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {IN_FOLDER(granted), IN_FOLDER(refused), IN_FOLDER(same_key),
                                       IN_FOLDER(names),   IN_FOLDER(busy),    IN_FOLDER(at_once),
                                       IN_FOLDER(renewed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
