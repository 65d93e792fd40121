/* manager_broker.c - where a root manager's workers are: behind the broker that the user has joined, or on this host. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth_file.h"
#include "auth_joined.h"
#include "manager_inner.h"

static const char *given(const char *value, const char *variable)
{
    if (!value)
        value = getenv(variable);
    return value && *value ? value : NULL;
}

/* The folder of the user's key; *fd is -1 where there is none and nobody named one. */
static promp_err_t open_folder(promp_manager_t *manager, const char *named, bool needed, int *fd)
{
    *fd = -1;
    manager->config = malloc(PROMP_LIMIT_PATH + 1);
    if (!manager->config)
        return promp_manager_fail(manager, PROMP_ERR_MEMORY, 0, NULL);
    promp_err_t err = promp_auth_folder_path(named, manager->config, &manager->error);
    if (err == PROMP_ERR_ARGUMENT && !needed)
        return PROMP_OK;
    if (!err)
        err = promp_auth_folder_open(manager->config, false, fd, &manager->error);
    /* A home that we may not enter is somebody else's: a program that has changed its user, say. */
    bool foreign = err == PROMP_ERR_SYSTEM && manager->error.system == EACCES && !needed && !named;
    if (err != PROMP_ERR_KEY_MISSING && !foreign)
        return err;
    *fd = -1;
    return needed
               ? promp_manager_fail(manager, PROMP_ERR_NO_BROKER, 0, "there is no folder %s", manager->config)
               : PROMP_OK;
}

/* Reads what `promp join` has left, and makes ready to dial. */
static promp_err_t load(promp_manager_t *manager, int folder, const char *address, bool needed)
{
    const char *role = promp_auth_role_text(PROMP_AUTH_MANAGER);
    promp_auth_joined_t joined;
    promp_auth_key_t *key;
    promp_err_t err = promp_auth_joined_load(folder, PROMP_AUTH_MANAGER, &joined, &manager->error);
    if (err == PROMP_ERR_NO_BROKER && !needed)
        return PROMP_OK;
    if (!err)
        err = promp_auth_key_load(folder, role, promp_slice(NULL, 0), &key, NULL, &manager->error);
    if (err)
        return err;
    manager->address = strdup(address ? address : joined.address);
    const promp_zdial_config_t config = {.address = manager->address,
                                         .server_key = joined.key,
                                         .next_key = joined.has_next ? joined.next : NULL,
                                         .next_from = joined.from,
                                         .key = key};
    if (manager->address)
        manager->dial = promp_zdial_new(&config);
    else
        promp_auth_key_destroy(&key);
    manager->remote = manager->dial != NULL;
    return manager->dial ? PROMP_OK : promp_manager_fail(manager, PROMP_ERR_MEMORY, 0, NULL);
}

promp_err_t promp_manager_broker_choose(promp_manager_t *manager, const promp_manager_config_t *config)
{
    const char *address = given(config ? config->broker : NULL, "PROMP_BROKER");
    const char *named = config ? config->config : NULL;
    bool needed = address || named; /* else it may be that nobody thinks of a cluster */
    int folder;
    if (address && strcmp(address, "local") == 0)
        return PROMP_OK;
    promp_err_t err = open_folder(manager, named, needed, &folder);
    if (err || folder < 0)
        return err;
    err = load(manager, folder, address, needed);
    close(folder);
    return err;
}

/* What cannot be written now is told again on the next connection. */
void promp_manager_broker_remember(promp_manager_t *manager, const promp_zdial_news_t *news)
{
    promp_slice_t next = promp_slice(news->next, news->any ? sizeof news->next : 0);
    promp_error_t error;
    int folder;
    if (promp_auth_folder_open(manager->config, false, &folder, &error))
        return;
    if (news->moved)
        (void)promp_auth_joined_change(folder, PROMP_AUTH_MANAGER, news->key, &error);
    if (news->told)
        (void)promp_auth_joined_next(folder, PROMP_AUTH_MANAGER, next, news->from, &error);
    close(folder);
}
