/* The store: loaded whole, a bad file costs its own key, a change is seen. */
#include "auth_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "auth_rig.h"

static const char *file_of(const promp_auth_entry_t *entry)
{
    static char name[PROMP_AUTH_STORE_FILE + 8] = "store/";
    promp_auth_store_file(entry->key, name + 6);
    return name;
}

/* Aim: each of many keys is found with its state, and no other. */
static void found(void **state)
{
    enum { COUNT = 300 };
    promp_auth_entry_t *entries = calloc(COUNT + 1, sizeof *entries);
    promp_auth_store_t *store;
    const promp_auth_entry_t *entry;
    (void)state;
    for (int i = 0; i <= COUNT; i++)
        entries[i] = rig_entry("x", PROMP_AUTH_NODE, NULL);
    entries[1].revoked = NOW;
    entries[2].expires = NOW;
    entries[3].expires = NOW + 1;
    assert_code(promp_auth_store_of(entries, COUNT, &store, NULL), PROMP_OK);
    assert_int_equal(promp_auth_store_count(store), COUNT);
    for (int i = 0; i < COUNT; i++) {
        promp_err_t wanted = i == 1 ? PROMP_ERR_ACCESS_REVOKED : i == 2 ? PROMP_ERR_ACCESS_EXPIRED : PROMP_OK;
        assert_code(promp_auth_store_check(store, entries[i].key, NOW, &entry), wanted);
        assert_memory_equal(entry, &entries[i], sizeof *entry);
    }
    assert_code(promp_auth_store_check(store, entries[COUNT].key, NOW, &entry), PROMP_ERR_ACCESS_UNKNOWN);
    assert_null(entry);
    promp_auth_store_destroy(&store);
    assert_code(promp_auth_store_of(entries, 0, &store, NULL), PROMP_OK);
    assert_null(promp_auth_store_find(store, entries[0].key));
    promp_auth_store_destroy(&store);
    entries[1] = entries[0];
    assert_code(promp_auth_store_of(entries, 2, &store, NULL), PROMP_ERR_STORE_ENTRY);
    assert_null(store);
    free(entries);
}

/* Aim: tokens count who came with them. */
static void used(void **state)
{
    promp_auth_entry_t e[4] = {rig_entry("t", PROMP_AUTH_JOIN, NULL), rig_entry("a", PROMP_AUTH_NODE, NULL),
                               rig_entry("b", PROMP_AUTH_NODE, NULL), rig_entry("c", PROMP_AUTH_NODE, NULL)};
    promp_auth_store_t *store;
    const promp_auth_entry_t *token;
    (void)state;
    e[0].uses = 2;
    for (size_t count = 1; count <= 3; count++) {
        e[count].has_token = true;
        memcpy(e[count].token, e[0].key, 32);
        assert_code(promp_auth_store_of(e, count + 1, &store, NULL), PROMP_OK);
        assert_code(promp_auth_store_check(store, e[0].key, NOW, &token),
                    count < 2 ? PROMP_OK : PROMP_ERR_TOKEN_USED);
        assert_int_equal(promp_auth_store_used(store, token), count);
        promp_auth_store_destroy(&store);
    }
    e[0].expires = NOW;
    assert_code(promp_auth_store_of(e, 1, &store, NULL), PROMP_OK);
    assert_code(promp_auth_store_check(store, e[0].key, NOW, &token), PROMP_ERR_TOKEN_EXPIRED);
    promp_auth_store_destroy(&store);
    e[0].revoked = NOW;
    assert_code(promp_auth_store_of(e, 1, &store, NULL), PROMP_OK);
    assert_code(promp_auth_store_check(store, e[0].key, NOW, &token), PROMP_ERR_TOKEN_REVOKED);
    promp_auth_store_destroy(&store);
}

/* Aim: hostile and broken files cost their own key only, are told, and the good ones beside them are served. */
static void problems(void **state)
{
    promp_auth_entry_t good = rig_entry("good", PROMP_AUTH_NODE, NULL),
                       open = rig_entry("open", PROMP_AUTH_NODE, NULL),
                       cut = rig_entry("cut", PROMP_AUTH_NODE, NULL),
                       copy = rig_entry("copy", PROMP_AUTH_NODE, NULL);
    char big[20000];
    (void)state;
    rig_put(&good);
    rig_put(&open);
    rig_put(&cut);
    rig_put(&copy);
    chmod(rig_path(file_of(&open)), 0666);
    assert_int_equal(truncate(rig_path(file_of(&cut)), 60), 0);
    rename(rig_path(file_of(&copy)), rig_path("store/copy.cert"));
    memset(big, '#', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    rig_write("store/big.cert", 0644, big);
    rig_write("store/empty.cert", 0644, "");
    rig_write("store/notes.txt", 0644, "not looked at");
    rig_write("store/.hidden.cert", 0644, "nor this");
    assert_int_equal(mkfifo(rig_path("store/pipe.cert"), 0644), 0);
    assert_int_equal(mkdir(rig_path("store/folder.cert"), 0755), 0);
    assert_int_equal(symlink("loop.cert", rig_path("store/loop.cert")), 0);
    assert_int_equal(symlink("/nowhere", rig_path("store/gone.cert")), 0);

    promp_auth_store_t *store = rig_load();
    assert_int_equal(promp_auth_store_count(store), 1);
    assert_non_null(promp_auth_store_find(store, good.key));
    assert_int_equal(promp_auth_store_problems(store), 8);
    for (size_t i = 0; i < 8; i++)
        assert_non_null(strstr(promp_auth_store_problem(store, i), ".cert: "));
    assert_null(promp_auth_store_problem(store, 8));
    assert_null(promp_auth_store_problem(store, 1000));
    promp_auth_store_destroy(&store);
}

/* Aim: a store that cannot be read is an error, never an empty store. */
static void unreadable(void **state)
{
    promp_auth_entry_t entry = rig_entry("a", PROMP_AUTH_NODE, NULL);
    promp_auth_store_t *store = NULL;
    (void)state;
    assert_code(promp_auth_store_load(rig_folder, &store, NULL), PROMP_ERR_KEY_MISSING);
    rig_put(&entry);
    chmod(rig_path("store"), 0777);
    assert_code(promp_auth_store_load(rig_folder, &store, NULL), PROMP_ERR_KEY_FOLDER);
    chmod(rig_path("store"), 0700);

    struct rlimit old, few; /* no descriptors left */
    getrlimit(RLIMIT_NOFILE, &old);
    int next = dup(0);
    few = (struct rlimit){(rlim_t)next + 1, old.rlim_max};
    close(next);
    setrlimit(RLIMIT_NOFILE, &few); /* for the folder, but not for a file in it */
    promp_err_t code = promp_auth_store_load(rig_folder, &store, NULL);
    setrlimit(RLIMIT_NOFILE, &old);
    assert_code(code, PROMP_ERR_DESCRIPTORS);
    assert_null(store);
}

static void settle_folder(int64_t seconds)
{
    struct timespec times[2] = {{.tv_sec = time(NULL) - seconds}, {.tv_sec = time(NULL) - seconds}};
    assert_int_equal(utimensat(rig_folder, "store", times, 0), 0);
}

/* Aim: every change of the folder is seen, also one in the very moment of the loading; without a change there is none. */
static void changed(void **state)
{
    promp_auth_entry_t a = rig_entry("a", PROMP_AUTH_NODE, NULL), b = rig_entry("b", PROMP_AUTH_NODE, NULL);
    (void)state;
    rig_put(&a);
    settle_folder(100);
    promp_auth_store_t *store = rig_load();
    assert_false(promp_auth_store_changed(rig_folder, store));
    rig_put(&b);
    assert_true(promp_auth_store_changed(rig_folder, store));
    promp_auth_store_destroy(&store);

    store = rig_load(); /* just changed: so it says yes once more when times can tell */
    assert_false(promp_auth_store_changed(rig_folder, store));
    promp_auth_store_destroy(&store);
    settle_folder(1);
    store = rig_load();
    for (int64_t end = promp_clock_ms() + 10000; !promp_auth_store_changed(rig_folder, store);) {
        assert_true(promp_clock_ms() < end);
        usleep(20000);
    }
    promp_auth_store_destroy(&store);
    store = rig_load();
    assert_false(promp_auth_store_changed(rig_folder, store));
    unlink(rig_path(file_of(&a)));
    assert_true(promp_auth_store_changed(rig_folder, store));
    promp_auth_store_destroy(&store);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(found), cmocka_unit_test(used), WITH_FOLDER(problems),
                                       WITH_FOLDER(unreadable), WITH_FOLDER(changed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
