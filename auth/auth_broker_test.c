/* The broker's own key: made once, changed in good order, whole after every interruption. */
#include "auth_broker.h"

#include <stdio.h>
#include <unistd.h>

#include "auth_rig.h"

static const promp_slice_t none;

static promp_auth_broker_info_t look(int64_t now)
{
    promp_auth_broker_info_t info;
    assert_code(promp_auth_broker_look(rig_folder, now, &info, NULL), PROMP_OK);
    return info;
}

static void assert_serves(int64_t now, const uint8_t wanted[32])
{
    promp_auth_key_t *key;
    uint8_t public_key[32];
    assert_code(promp_auth_broker_load(rig_folder, none, now, &key, NULL), PROMP_OK);
    assert_memory_equal(promp_auth_key_public(key), wanted, 32);
    promp_auth_key_destroy(&key);
    assert_memory_equal(look(now).key, wanted, 32);
    assert_code(promp_auth_key_load_public(rig_folder, "broker", public_key, NULL), PROMP_OK);
    assert_memory_equal(public_key, wanted, 32);
}

/* Aim: made once; what an interruption left is completed with the same key; the address is checked and kept. */
static void made(void **state)
{
    promp_auth_broker_info_t info;
    (void)state;
    assert_code(promp_auth_broker_look(rig_folder, NOW, &info, NULL), PROMP_ERR_KEY_MISSING);
    assert_code(promp_auth_broker_make(rig_folder, none, "", NULL), PROMP_OK);
    info = look(NOW);
    assert_string_equal(info.address, "");
    assert_false(info.locked || info.has_next);
    assert_code(promp_auth_broker_make(rig_folder, none, "", NULL), PROMP_ERR_KEY_EXISTS);
    unlink(rig_path("broker.cert"));
    assert_code(promp_auth_broker_make(rig_folder, none, "", NULL), PROMP_OK);
    assert_serves(NOW, info.key);
    assert_code(promp_auth_broker_set_address(rig_folder, "tcp://*:1", NULL), PROMP_ERR_ARGUMENT);
    assert_code(promp_auth_broker_set_address(rig_folder, "tcp://h:1", NULL), PROMP_OK);
    assert_string_equal(look(NOW).address, "tcp://h:1");
    rig_write("address", 0644, "tcp://h:1\ntcp://i:1\n");
    assert_code(promp_auth_broker_look(rig_folder, NOW, &info, NULL), PROMP_ERR_KEY_FORMAT);
}

/* Aim: the old key until the time of the change, the next one from then on, each a whole pair; 0: at once. */
static void rotated(void **state)
{
    (void)state;
    assert_code(promp_auth_broker_make(rig_folder, none, "", NULL), PROMP_OK);
    promp_auth_broker_info_t old = look(NOW);
    assert_code(promp_auth_broker_rotate(rig_folder, none, NOW, NOW + 100, NULL), PROMP_OK);
    promp_auth_broker_info_t both = look(NOW);
    assert_true(both.has_next);
    assert_int_equal(both.change, NOW + 100);
    assert_memory_equal(both.key, old.key, 32);
    assert_memory_not_equal(both.next, old.key, 32);
    assert_serves(NOW + 99, old.key);
    assert_memory_equal(look(NOW + 100).key, both.next, 32);
    assert_serves(NOW + 100, both.next);
    assert_false(look(NOW + 100).has_next);
    assert_serves(NOW, both.next); /* done is done, whatever the clock says later */
    assert_code(promp_auth_broker_rotate(rig_folder, none, NOW, NOW, NULL), PROMP_OK);
    promp_auth_broker_info_t third = look(NOW);
    assert_false(third.has_next);
    assert_memory_not_equal(third.key, both.next, 32);
    assert_serves(NOW, third.key);
}

/* Aim: interrupted between the renaming of the secret part and the writing of the public one, the next load mends it. */
static void interrupted(void **state)
{
    promp_auth_broker_info_t both;
    (void)state;
    assert_code(promp_auth_broker_make(rig_folder, none, "", NULL), PROMP_OK);
    assert_code(promp_auth_broker_rotate(rig_folder, none, NOW, NOW + 100, NULL), PROMP_OK);
    both = look(NOW);
    assert_int_equal(rename(rig_path("broker.next.cert_secret"), rig_path("broker.cert_secret")), 0);
    assert_serves(NOW + 100, both.next);
}

/* Aim: old and next key may have passphrases of their own. */
static void locked(void **state)
{
    const promp_slice_t one = promp_slice_str("one"), two = promp_slice_str("two");
    promp_auth_key_t *key;
    (void)state;
    assert_code(promp_auth_broker_make(rig_folder, one, "", NULL), PROMP_OK);
    assert_true(look(NOW).locked);
    assert_code(promp_auth_broker_load(rig_folder, none, NOW, &key, NULL), PROMP_ERR_KEY_LOCKED);
    assert_code(promp_auth_broker_rotate(rig_folder, two, NOW, NOW + 1, NULL), PROMP_OK);
    assert_true(look(NOW).next_locked);
    assert_code(promp_auth_broker_load(rig_folder, one, NOW, &key, NULL), PROMP_OK);
    promp_auth_key_destroy(&key);
    assert_code(promp_auth_broker_load(rig_folder, one, NOW + 1, &key, NULL), PROMP_ERR_KEY_PASSPHRASE);
    assert_code(promp_auth_broker_load(rig_folder, two, NOW + 1, &key, NULL), PROMP_OK);
    promp_auth_key_destroy(&key);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {WITH_FOLDER(made), WITH_FOLDER(rotated), WITH_FOLDER(interrupted),
                                       WITH_FOLDER(locked)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
