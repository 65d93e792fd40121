/* Keys as files: what is saved is loaded, what is unsafe is refused, and czmq reads and writes the same. */
#include "auth_key.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <czmq.h>
#include <sodium.h>

#include "auth_file.h"
#include "auth_rig.h"
#include "z85.h"

static const promp_slice_t none;

static promp_auth_key_t *make(const char *name, const char *passphrase)
{
    promp_auth_key_t *key;
    promp_auth_key_note_t note = {.from = 0};
    strcpy(note.name, name);
    assert_code(promp_auth_key_make(&key, NULL), PROMP_OK);
    assert_code(promp_auth_key_save(rig_folder, name, key, &note, promp_slice_str(passphrase), NULL),
                PROMP_OK);
    return key;
}

static promp_err_t load(const char *name, const char *passphrase)
{
    promp_auth_key_t *key = NULL;
    promp_err_t code = promp_auth_key_load(rig_folder, name, promp_slice_str(passphrase), &key, NULL, NULL);
    assert_int_equal(!code, key != NULL);
    promp_auth_key_destroy(&key);
    return code;
}

static unsigned mode_of(const char *name)
{
    struct stat s;
    assert_int_equal(stat(rig_path(name), &s), 0);
    return s.st_mode & 0777;
}

/* Aim: both files come back as the same key, with their modes whatever the umask; a locked one with its passphrase only. */
static void saved_and_loaded(void **state)
{
    promp_auth_key_t *key, *back;
    promp_auth_key_info_t info;
    uint8_t public_key[32];
    mode_t old = umask(0);
    (void)state;
    for (int locked = 0; locked < 2; locked++) {
        const char *passphrase = locked ? "correct horse" : "";
        key = make("a", passphrase);
        assert_int_equal(mode_of("a.cert"), 0644);
        assert_int_equal(mode_of("a.cert_secret"), 0600);
        assert_code(promp_auth_key_load(rig_folder, "a", promp_slice_str(passphrase), &back, &info, NULL),
                    PROMP_OK);
        assert_memory_equal(promp_auth_key_show(key), promp_auth_key_show(back), 32);
        assert_memory_equal(promp_auth_key_public(key), promp_auth_key_public(back), 32);
        assert_int_equal(info.locked, locked);
        assert_string_equal(info.note.name, "a");
        assert_code(promp_auth_key_load_public(rig_folder, "a", public_key, NULL), PROMP_OK);
        assert_memory_equal(public_key, promp_auth_key_public(key), 32);
        promp_auth_key_destroy(&key);
        promp_auth_key_destroy(&back);
    }
    umask(old);
    assert_code(load("a", ""), PROMP_ERR_KEY_LOCKED);
    assert_code(load("a", "wrong horse"), PROMP_ERR_KEY_PASSPHRASE);
    assert_code(load("b", ""), PROMP_ERR_KEY_MISSING);
    assert_null(strstr(rig_read("a.cert_secret"), "secret-key"));
}

/* Aim: a passphrase can be set, changed and taken away, and the key stays what it is. */
static void relocked(void **state)
{
    uint8_t before[32], after[32];
    promp_auth_key_t *key = make("a", "");
    (void)state;
    memcpy(before, promp_auth_key_public(key), 32);
    promp_auth_key_destroy(&key);
    assert_code(promp_auth_key_relock(rig_folder, "a", none, promp_slice_str("one"), NULL), PROMP_OK);
    assert_code(promp_auth_key_relock(rig_folder, "a", none, promp_slice_str("two"), NULL),
                PROMP_ERR_KEY_LOCKED);
    assert_code(promp_auth_key_relock(rig_folder, "a", promp_slice_str("x"), promp_slice_str("two"), NULL),
                PROMP_ERR_KEY_PASSPHRASE);
    assert_code(load("a", "one"), PROMP_OK);
    assert_code(promp_auth_key_relock(rig_folder, "a", promp_slice_str("one"), promp_slice_str("two"), NULL),
                PROMP_OK);
    assert_code(load("a", "one"), PROMP_ERR_KEY_PASSPHRASE);
    assert_code(promp_auth_key_relock(rig_folder, "a", promp_slice_str("two"), none, NULL), PROMP_OK);
    assert_code(load("a", ""), PROMP_OK);
    assert_code(promp_auth_key_load_public(rig_folder, "a", after, NULL), PROMP_OK);
    assert_memory_equal(before, after, 32);
}

/* Aim: a secret that its group or others can read, or that is no plain file, is refused with its number. */
static void unsafe_files(void **state)
{
    static const unsigned modes[] = {0640, 0604, 0660, 0644, 0610, 0601};
    promp_auth_key_t *key = make("a", "");
    (void)state;
    promp_auth_key_destroy(&key);
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        chmod(rig_path("a.cert_secret"), modes[i]);
        assert_code(load("a", ""), PROMP_ERR_KEY_READABLE);
    }
    chmod(rig_path("a.cert_secret"), 0400);
    assert_code(load("a", ""), PROMP_OK);
    unlink(rig_path("a.cert_secret"));
    assert_int_equal(mkfifo(rig_path("a.cert_secret"), 0600), 0);
    assert_code(load("a", ""), PROMP_ERR_KEY_FORMAT);
    unlink(rig_path("a.cert_secret"));
    assert_int_equal(mkdir(rig_path("a.cert_secret"), 0700), 0);
    assert_code(load("a", ""), PROMP_ERR_KEY_FORMAT);
}

/* Aim: a folder that others can write is not used, nor one that is none; what is missing is made for us alone. */
static void unsafe_folder(void **state)
{
    int fd;
    (void)state;
    assert_code(promp_auth_folder_open(rig_path("x/y/z"), false, &fd, NULL), PROMP_ERR_KEY_MISSING);
    assert_code(promp_auth_folder_open(rig_path("x/y/z"), true, &fd, NULL), PROMP_OK);
    close(fd);
    assert_int_equal(mode_of("x"), 0700);
    assert_int_equal(mode_of("x/y/z"), 0700);
    chmod(rig_path("x/y/z"), 0770);
    assert_code(promp_auth_folder_open(rig_path("x/y/z"), true, &fd, NULL), PROMP_ERR_KEY_FOLDER);
    chmod(rig_path("x/y/z"), 0755);
    assert_code(promp_auth_folder_open(rig_path("x/y/z"), true, &fd, NULL), PROMP_OK);
    close(fd);
    rig_write("file", 0600, "");
    assert_code(promp_auth_folder_open(rig_path("file"), true, &fd, NULL), PROMP_ERR_SYSTEM);
}

static promp_err_t parse(const char *text)
{
    promp_auth_key_t *key = NULL;
    promp_err_t code = promp_auth_key_parse(promp_slice_str(text), promp_slice_str("p"), &key, NULL, NULL);
    promp_auth_key_destroy(&key);
    return code;
}

/* Aim: halves of two keys, a missing half, a half lock and one that asks for too much are no keys. */
static void malformed(void **state)
{
    char text[1024], public_key[41], secret[41], other[41];
    promp_auth_key_t *a, *b;
    (void)state;
    assert_code(promp_auth_key_make(&a, NULL), PROMP_OK);
    assert_code(promp_auth_key_make(&b, NULL), PROMP_OK);
    promp_z85_encode(promp_auth_key_public(a), public_key);
    promp_z85_encode(promp_auth_key_show(a), secret);
    promp_z85_encode(promp_auth_key_show(b), other);
    snprintf(text, sizeof text, "curve\n    public-key = \"%s\"\n    secret-key = \"%s\"\n", public_key,
             secret);
    assert_code(parse(text), PROMP_OK);
    snprintf(text, sizeof text, "curve\n    public-key = \"%s\"\n    secret-key = \"%s\"\n", public_key,
             other);
    assert_code(parse(text), PROMP_ERR_KEY_FORMAT);
    snprintf(text, sizeof text, "curve\n    public-key = \"%s\"\n", public_key);
    assert_code(parse(text), PROMP_ERR_KEY_FORMAT);
    snprintf(text, sizeof text, "curve\n    secret-key = \"%s\"\n", secret);
    assert_code(parse(text), PROMP_ERR_KEY_FORMAT);
    snprintf(text, sizeof text, "curve\n    public-key = \"%s\"\nlock\n    kdf = \"argon2id13\"\n",
             public_key);
    assert_code(parse(text), PROMP_ERR_KEY_FORMAT);
    snprintf(text, sizeof text, "curve\n    public-key = \"%s\"\nlock\n    memory = \"99999999999\"\n",
             public_key);
    assert_code(parse(text), PROMP_ERR_KEY_FORMAT);
    snprintf(text, sizeof text, "curve\n    public-key = \"%s\"\nlock\n    rounds = \"65\"\n", public_key);
    assert_code(parse(text), PROMP_ERR_KEY_FORMAT);
    promp_auth_key_destroy(&a);
    promp_auth_key_destroy(&b);
}

/* Whether X25519 gives everybody the same secret with this point. */
static bool is_low_order(const uint8_t *key)
{
    static const uint8_t any[32] = {8, 1};
    uint8_t shared[32];
    return crypto_scalarmult(shared, any, key) != 0;
}

/* Aim: points that would give a key to everybody, or two names to one key, are no keys; libsodium says which are the first. */
static void weak_keys(void **state)
{
    static const char *const weak[] = {"0000000000000000000000000000000000000000000000000000000000000000",
                                       "0100000000000000000000000000000000000000000000000000000000000000",
                                       "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
                                       "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
                                       "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                                       "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
                                       "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"};
    uint8_t key[32];
    (void)state;
    for (size_t i = 0; i < sizeof weak / sizeof *weak; i++) {
        assert_int_equal(sodium_hex2bin(key, 32, weak[i], 64, NULL, NULL, NULL), 0);
        assert_true(is_low_order(key));
        assert_false(promp_auth_key_valid(key));
        key[31] |= 0x80;
        assert_false(promp_auth_key_valid(key));
    }
    for (int i = 0; i < 1000; i++) {
        promp_auth_entry_t entry = rig_entry("a", PROMP_AUTH_NODE, NULL);
        assert_true(promp_auth_key_valid(entry.key) && !is_low_order(entry.key));
        entry.key[31] |= 0x80;
        assert_false(promp_auth_key_valid(entry.key));
    }
    memset(key, 0xFF, 32);
    key[31] = 0x7F;
    assert_false(promp_auth_key_valid(key)); /* 18 by another name */
    key[0] = 0xEB;
    assert_true(promp_auth_key_valid(key));
}

/* Aim: a certificate of czmq is a key of ours, and the other way round. */
static void as_czmq(void **state)
{
    promp_auth_key_t *key, *back;
    (void)state;
    key = make("ours", "");
    zcert_t *cert = zcert_load(rig_path("ours.cert"));
    assert_non_null(cert);
    assert_memory_equal(zcert_public_key(cert), promp_auth_key_public(key), 32);
    assert_memory_equal(zcert_secret_key(cert), promp_auth_key_show(key), 32);
    assert_string_equal(zcert_meta(cert, "name"), "ours");
    zcert_destroy(&cert);
    promp_auth_key_destroy(&key);

    cert = zcert_new();
    zcert_set_meta(cert, "name", "%s", "somebody else's # name");
    assert_int_equal(zcert_save(cert, rig_path("theirs.cert")), 0);
    assert_code(promp_auth_key_load(rig_folder, "theirs", none, &back, NULL, NULL), PROMP_OK);
    assert_memory_equal(zcert_secret_key(cert), promp_auth_key_show(back), 32);
    assert_memory_equal(zcert_public_key(cert), promp_auth_key_public(back), 32);
    zcert_destroy(&cert);
    promp_auth_key_destroy(&back);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {WITH_FOLDER(saved_and_loaded), WITH_FOLDER(relocked),
                                       WITH_FOLDER(unsafe_files),     WITH_FOLDER(unsafe_folder),
                                       cmocka_unit_test(malformed),   cmocka_unit_test(weak_keys),
                                       WITH_FOLDER(as_czmq)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
