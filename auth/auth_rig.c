#include "auth_rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth_file.h"

int rig_folder;
static char top[64];

int rig_setup(void **state)
{
    (void)state;
    strcpy(top, "/tmp/promp-auth-XXXXXX");
    assert_non_null(mkdtemp(top));
    assert_int_equal(promp_auth_folder_open(top, false, &rig_folder, NULL), PROMP_OK);
    return 0;
}

int rig_teardown(void **state)
{
    char command[256];
    (void)state;
    close(rig_folder);
    snprintf(command, sizeof command, "chmod -R u+rwx %s; rm -rf %s", top, top);
    return system(command) == 0 ? 0 : -1;
}

const char *rig_path(const char *name)
{
    static char paths[4][256];
    static int turn;
    char *path = paths[turn = (turn + 1) % 4];
    snprintf(path, sizeof paths[0], "%s/%s", top, name);
    return path;
}

void rig_write(const char *name, unsigned mode, const char *text)
{
    int fd = openat(rig_folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

const char *rig_read(const char *name)
{
    static char text[16 * 1024 + 1];
    int fd = openat(rig_folder, name, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t size = read(fd, text, sizeof text - 1);
    assert_true(size >= 0);
    text[size] = '\0';
    close(fd);
    return text;
}

promp_auth_entry_t rig_entry(const char *name, promp_auth_role_t role, promp_auth_key_t **key)
{
    promp_auth_entry_t entry;
    promp_auth_key_t *k;
    assert_int_equal(promp_auth_key_make(&k, NULL), PROMP_OK);
    promp_auth_entry_start(&entry, promp_auth_key_public(k), role, NOW);
    strcpy(entry.name, name);
    if (role == PROMP_AUTH_JOIN) {
        entry.grants = PROMP_AUTH_NODE;
        entry.uses = 1;
    }
    if (key)
        *key = k;
    else
        promp_auth_key_destroy(&k);
    return entry;
}

void rig_put(const promp_auth_entry_t *entry)
{
    promp_auth_change_t *change;
    assert_int_equal(promp_auth_change_begin(rig_folder, true, 1000, &change, NULL), PROMP_OK);
    assert_int_equal(promp_auth_change_put(change, entry, NULL), PROMP_OK);
    promp_auth_change_end(&change);
}

promp_auth_store_t *rig_load(void)
{
    promp_auth_store_t *store = NULL;
    assert_int_equal(promp_auth_store_load(rig_folder, &store, NULL), PROMP_OK);
    return store;
}
