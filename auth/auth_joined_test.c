/* What a folder knows about its broker: as text, as a file, and what NEXT_KEY does to it. */
#include "auth_joined.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "auth_file.h"
#include "auth_rig.h"
#include "auth_time.h"

static char text[PROMP_LIMIT_KEY_FILE];

static void random_key(uint8_t key[PROMP_AUTH_KEY_SIZE])
{
    promp_auth_key_t *pair;
    assert_code(promp_auth_key_make(&pair, NULL), PROMP_OK);
    memcpy(key, promp_auth_key_public(pair), PROMP_AUTH_KEY_SIZE);
    promp_auth_key_destroy(&pair);
}

static promp_auth_joined_t some(bool whole)
{
    promp_auth_joined_t joined = {.address = "tcp://[fe80::1%eth0]:5599"};
    random_key(joined.key);
    if (whole) {
        joined.has_next = true;
        random_key(joined.next);
        joined.from = NOW;
        promp_id_make(&joined.broker);
        strcpy(joined.name, "node-7.a_b");
    }
    return joined;
}

static promp_slice_t formatted(const promp_auth_joined_t *joined)
{
    size_t size;
    assert_code(promp_auth_joined_format(joined, text, &size, NULL), PROMP_OK);
    return promp_slice(text, size);
}

/* Aim: every field comes back, set or not. */
static void round_trip(void **state)
{
    (void)state;
    for (int whole = 0; whole < 2; whole++) {
        promp_auth_joined_t joined = some(whole), back;
        assert_code(promp_auth_joined_parse(formatted(&joined), &back, NULL), PROMP_OK);
        assert_memory_equal(&joined, &back, sizeof joined);
    }
}

static void expect_malformed(const char *changed, const char *what)
{
    promp_auth_joined_t back;
    promp_err_t code = promp_auth_joined_parse(promp_slice_str(changed), &back, NULL);
    if (code != PROMP_ERR_KEY_FORMAT)
        fail_msg("%s: %s", what, promp_error_name(code));
}

/* Aim: a property that is missing, doubled or unknown makes the file malformed, where it must not be missing. */
static void lines_of_it(void **state)
{
    static const struct {
        const char *begin;
        bool needed;
    } lines[] = {{"    format", true},    {"    name", false},      {"    address", true},
                 {"    identity", false}, {"    public-key", true}, {"    from", false}};
    char changed[2 * PROMP_LIMIT_KEY_FILE];
    promp_auth_joined_t joined = some(true), back;
    (void)state;
    formatted(&joined);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        const char *line = strstr(text, lines[i].begin);
        assert_non_null(line);
        const char *next = strchr(line, '\n') + 1;
        const int size = (int)(next - line);
        snprintf(changed, sizeof changed, "%.*s%s", (int)(line - text), text, next);
        assert_code(promp_auth_joined_parse(promp_slice_str(changed), &back, NULL),
                    lines[i].needed ? PROMP_ERR_KEY_FORMAT : PROMP_OK);
        snprintf(changed, sizeof changed, "%.*s%.*s%s", (int)(line - text), text, size, line, line);
        expect_malformed(changed, lines[i].begin);
        snprintf(changed, sizeof changed, "%.*s    unknown = \"1\"\n%s", (int)(line - text), text, line);
        expect_malformed(changed, "unknown");
    }
    const char *next = strstr(text, "next\n");
    snprintf(changed, sizeof changed, "%.*snext\n    from = \"2027-01-15T08:00:00Z\"\n", (int)(next - text),
             text);
    expect_malformed(changed, "a time without a key");
}

/* Replaces what stands in quotes behind a name by a value and expects that it is refused. */
static void expect_refused(const char *name, const char *value)
{
    char changed[2 * PROMP_LIMIT_KEY_FILE];
    const char *at = strstr(text, name);
    assert_non_null(at);
    at = strchr(at, '"') + 1;
    snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, value, strchr(at, '"'));
    expect_malformed(changed, value);
}

/* Aim: a value that is none is refused, when it is read and when it is to be written. */
static void values(void **state)
{
    promp_auth_joined_t joined = some(true), bad;
    size_t size;
    (void)state;
    formatted(&joined);
    expect_refused("format", "2");
    expect_refused("name", "-x");
    expect_refused("address", "ipc:///x");
    expect_refused("address", "tcp://x:0");
    expect_refused("identity", "00112233445566778899aabbccddeef");
    expect_refused("identity", "00112233445566778899aabbccddeegg");
    expect_refused("public-key", "0000000000000000000000000000000000000000"); /* the point 0 */
    expect_refused("public-key", "short");
    expect_refused("from", "yesterday");

    bad = joined;
    strcpy(bad.name, "a\"b");
    assert_code(promp_auth_joined_format(&bad, text, &size, NULL), PROMP_ERR_ARGUMENT);
    bad = joined;
    bad.address[0] = '\0';
    assert_code(promp_auth_joined_format(&bad, text, &size, NULL), PROMP_ERR_ARGUMENT);
    bad = joined;
    bad.from = PROMP_AUTH_TIME_MAX + 1;
    assert_code(promp_auth_joined_format(&bad, text, &size, NULL), PROMP_ERR_ARGUMENT);
    bad = joined;
    bad.has_next = false;
    assert_code(promp_auth_joined_format(&bad, text, &size, NULL), PROMP_ERR_ARGUMENT);
    bad = joined;
    memset(bad.next, 0, sizeof bad.next);
    assert_code(promp_auth_joined_format(&bad, text, &size, NULL), PROMP_ERR_ARGUMENT);
}

/* Aim: a next key is taken, replaced and withdrawn; one that may be in use by now is not withdrawn, and what is known changes
 * nothing. */
static void next_key(void **state)
{
    promp_auth_joined_t joined = some(false);
    uint8_t a[PROMP_AUTH_KEY_SIZE], b[PROMP_AUTH_KEY_SIZE];
    const promp_slice_t none = {0}, first = promp_slice(a, sizeof a), second = promp_slice(b, sizeof b);
    (void)state;
    random_key(a);
    random_key(b);
    assert_false(promp_auth_joined_take_next(&joined, none, 0, NOW));
    assert_false(promp_auth_joined_take_next(&joined, promp_slice(joined.key, 32), NOW, NOW));

    assert_true(promp_auth_joined_take_next(&joined, first, NOW + 10, NOW));
    assert_true(joined.has_next && joined.from == NOW + 10);
    assert_memory_equal(joined.next, a, sizeof a);
    assert_false(promp_auth_joined_take_next(&joined, first, NOW + 10, NOW));
    assert_true(promp_auth_joined_take_next(&joined, first, NOW + 20, NOW));
    assert_true(promp_auth_joined_take_next(&joined, second, NOW + 20, NOW));
    assert_memory_equal(joined.next, b, sizeof b);

    assert_false(promp_auth_joined_take_next(&joined, none, 0, NOW + 20));
    assert_true(joined.has_next);
    assert_true(promp_auth_joined_take_next(&joined, none, 0, NOW + 19));
    assert_true(!joined.has_next && !joined.from);

    assert_true(promp_auth_joined_take_next(&joined, first, INT64_MAX, NOW));
    formatted(&joined);
    assert_true(promp_auth_joined_take_next(&joined, first, -1, NOW));
    formatted(&joined);
}

static struct stat look(void)
{
    struct stat s;
    assert_int_equal(fstatat(rig_folder, "manager.broker", &s, 0), 0);
    return s;
}

/* Aim: what is saved is loaded, in its role only, and nobody else can read it. */
static void saved_and_loaded(void **state)
{
    promp_auth_joined_t joined = some(true), back;
    promp_error_t error;
    (void)state;
    assert_code(promp_auth_joined_load(rig_folder, PROMP_AUTH_MANAGER, &back, &error), PROMP_ERR_NO_BROKER);
    assert_non_null(strstr(error.text, "manager.broker"));
    umask(0);
    assert_code(promp_auth_joined_save(rig_folder, PROMP_AUTH_MANAGER, &joined, NULL), PROMP_OK);
    umask(022);
    assert_int_equal(look().st_mode & 07777, 0600);
    assert_code(promp_auth_joined_load(rig_folder, PROMP_AUTH_MANAGER, &back, NULL), PROMP_OK);
    assert_memory_equal(&joined, &back, sizeof joined);
    assert_code(promp_auth_joined_load(rig_folder, PROMP_AUTH_NODE, &back, NULL), PROMP_ERR_NO_BROKER);

    joined.address[0] = '\0';
    assert_code(promp_auth_joined_save(rig_folder, PROMP_AUTH_MANAGER, &joined, NULL), PROMP_ERR_ARGUMENT);
    assert_code(promp_auth_joined_load(rig_folder, PROMP_AUTH_MANAGER, &back, NULL), PROMP_OK);
}

/* Aim: a file that others can read or write, that is no file, or is damaged is refused with its own number and its name. */
static void unsafe(void **state)
{
    promp_auth_joined_t joined = some(true), back;
    promp_error_t error;
    (void)state;
    assert_code(promp_auth_joined_save(rig_folder, PROMP_AUTH_NODE, &joined, NULL), PROMP_OK);
    for (unsigned mode = 01; mode <= 040; mode <<= 1) {
        assert_int_equal(fchmodat(rig_folder, "node.broker", 0600 | mode, 0), 0);
        assert_code(promp_auth_joined_load(rig_folder, PROMP_AUTH_NODE, &back, NULL), PROMP_ERR_KEY_READABLE);
    }
    if (geteuid() == 0) {
        assert_int_equal(fchmodat(rig_folder, "node.broker", 0600, 0), 0);
        assert_int_equal(fchownat(rig_folder, "node.broker", 12345, 12345, 0), 0);
        assert_code(promp_auth_joined_load(rig_folder, PROMP_AUTH_NODE, &back, NULL), PROMP_ERR_KEY_READABLE);
    }
    unlinkat(rig_folder, "node.broker", 0);
    rig_write("node.broker", 0600, "metadata\n    format = \"1\"\nbroker\n  x\n");
    assert_code(promp_auth_joined_load(rig_folder, PROMP_AUTH_NODE, &back, &error), PROMP_ERR_KEY_FORMAT);
    assert_non_null(strstr(error.text, "node.broker: line 4"));
    unlinkat(rig_folder, "node.broker", 0);
    assert_int_equal(mkfifoat(rig_folder, "node.broker", 0600), 0);
    assert_code(promp_auth_joined_load(rig_folder, PROMP_AUTH_NODE, &back, NULL), PROMP_ERR_KEY_FORMAT);
}

/* Aim: NEXT_KEY is kept, heard twice it writes nothing, and the key that got us in becomes the key. */
static void told_and_used(void **state)
{
    promp_auth_joined_t joined = some(false), back;
    uint8_t key[PROMP_AUTH_KEY_SIZE];
    const promp_slice_t next = promp_slice(key, sizeof key);
    const int64_t from = (int64_t)time(NULL) + 3600;
    (void)state;
    random_key(key);
    assert_code(promp_auth_joined_next(rig_folder, PROMP_AUTH_MANAGER, next, from, NULL),
                PROMP_ERR_NO_BROKER);
    assert_code(promp_auth_joined_save(rig_folder, PROMP_AUTH_MANAGER, &joined, NULL), PROMP_OK);
    assert_code(promp_auth_joined_next(rig_folder, PROMP_AUTH_MANAGER, promp_slice(key, 31), from, NULL),
                PROMP_ERR_ARGUMENT);
    assert_code(promp_auth_joined_change(rig_folder, PROMP_AUTH_MANAGER, joined.key, NULL), PROMP_OK);
    assert_code(promp_auth_joined_next(rig_folder, PROMP_AUTH_MANAGER, next, from, NULL), PROMP_OK);
    assert_code(promp_auth_joined_load(rig_folder, PROMP_AUTH_MANAGER, &back, NULL), PROMP_OK);
    assert_true(back.has_next && back.from == from);
    assert_memory_equal(back.next, key, sizeof key);

    const struct stat before = look();
    assert_code(promp_auth_joined_next(rig_folder, PROMP_AUTH_MANAGER, next, from, NULL), PROMP_OK);
    assert_code(promp_auth_joined_change(rig_folder, PROMP_AUTH_MANAGER, joined.key, NULL), PROMP_OK);
    assert_int_equal(look().st_ino, before.st_ino);

    assert_code(promp_auth_joined_change(rig_folder, PROMP_AUTH_MANAGER, key, NULL), PROMP_OK);
    assert_code(promp_auth_joined_load(rig_folder, PROMP_AUTH_MANAGER, &back, NULL), PROMP_OK);
    assert_false(back.has_next);
    assert_memory_equal(back.key, key, sizeof key);
    const struct stat after = look();
    assert_code(promp_auth_joined_change(rig_folder, PROMP_AUTH_MANAGER, key, NULL), PROMP_OK);
    assert_code(promp_auth_joined_next(rig_folder, PROMP_AUTH_MANAGER, next, from, NULL), PROMP_OK);
    assert_int_equal(look().st_ino, after.st_ino);
}

/* Aim: who finds the folder locked gives up soon and has changed nothing; what needs no writing needs no lock. */
static void locked(void **state)
{
    promp_auth_joined_t joined = some(false), back;
    uint8_t key[PROMP_AUTH_KEY_SIZE];
    int lock;
    (void)state;
    random_key(key);
    assert_code(promp_auth_joined_save(rig_folder, PROMP_AUTH_MANAGER, &joined, NULL), PROMP_OK);
    assert_code(promp_auth_folder_lock(rig_folder, 1000, &lock, NULL), PROMP_OK);
    assert_code(promp_auth_joined_next(rig_folder, PROMP_AUTH_MANAGER, promp_slice(key, 32), NOW, NULL),
                PROMP_ERR_STORE_BUSY);
    assert_code(promp_auth_joined_next(rig_folder, PROMP_AUTH_MANAGER, promp_slice(NULL, 0), 0, NULL),
                PROMP_OK);
    assert_code(promp_auth_joined_load(rig_folder, PROMP_AUTH_MANAGER, &back, NULL), PROMP_OK);
    assert_memory_equal(&joined, &back, sizeof joined);
    close(lock);
}

#define WRITERS 4

/* Aim: while several processes tell it new keys, whoever loads finds a whole file, and the last word of one of them stays. */
static void many_writers(void **state)
{
    promp_auth_joined_t joined = some(false), back;
    uint8_t keys[WRITERS][PROMP_AUTH_KEY_SIZE];
    pid_t children[WRITERS];
    int status, ended = 0;
    (void)state;
    assert_code(promp_auth_joined_save(rig_folder, PROMP_AUTH_MANAGER, &joined, NULL), PROMP_OK);
    for (int i = 0; i < WRITERS; i++) {
        random_key(keys[i]);
        children[i] = fork();
        assert_true(children[i] >= 0);
        for (int n = 0; !children[i] && n < 20; n++) {
            promp_err_t code = promp_auth_joined_next(rig_folder, PROMP_AUTH_MANAGER,
                                                      promp_slice(keys[i], 32), NOW + n, NULL);
            if (code && code != PROMP_ERR_STORE_BUSY)
                _exit(1);
        }
        if (!children[i])
            _exit(0);
    }
    while (ended < WRITERS) {
        assert_code(promp_auth_joined_load(rig_folder, PROMP_AUTH_MANAGER, &back, NULL), PROMP_OK);
        while (ended < WRITERS && waitpid(children[ended], &status, WNOHANG) == children[ended]) {
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
            ended++;
        }
    }
    assert_code(promp_auth_joined_load(rig_folder, PROMP_AUTH_MANAGER, &back, NULL), PROMP_OK);
    assert_true(back.has_next);
    assert_memory_equal(back.key, joined.key, sizeof joined.key);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip), cmocka_unit_test(lines_of_it), cmocka_unit_test(values),
        cmocka_unit_test(next_key),   WITH_FOLDER(saved_and_loaded), WITH_FOLDER(unsafe),
        WITH_FOLDER(told_and_used),   WITH_FOLDER(locked),           WITH_FOLDER(many_writers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
