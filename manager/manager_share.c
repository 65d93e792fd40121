/* manager_share.c - sharing containers: the calls, and what of them is done in the user's thread or by whoever drives. The
 * rest is manager_serve.c's. */
#include <errno.h>

#include "manager_answer.h"
#include "manager_serve.h"

/* Waking the thread would cost more than most openings do. With no thread nothing was ever shared, so all names are
 * unknown. */
static bool answer_now(void *arg, const promp_ask_t *ask)
{
    promp_manager_t *manager = arg;
    promp_answer_t answer;
    promp_buf_t room;
    promp_manager_core_room(manager->core, ask, &room);
    bool now = ask->open
                   ? promp_manager_answer_open_now(&answer, ask, manager->share && manager->share->stream)
                   : promp_manager_answer_read_now(&answer, ask, &room);
    if (now) {
        promp_manager_answer_send(manager, ask, &answer);
        promp_manager_answer_free(&answer);
    }
    promp_manager_core_spare(manager->core, &room);
    return now;
}

void promp_manager_share_look(promp_manager_t *manager)
{
    if (!promp_manager_core_asked(manager->core, PROMP_ASK_THREAD))
        return;
    promp_manager_core_offer(manager->core, answer_now, manager);
    if (manager->share && promp_manager_core_asked(manager->core, PROMP_ASK_THREAD))
        promp_manager_serve_ring(manager->share, false);
}

void promp_manager_share_end(promp_manager_t *manager)
{
    struct promp_manager_share *share = manager->share;
    if (!share)
        return;
    pthread_mutex_lock(&share->lock);
    share->manager = NULL;
    pthread_mutex_unlock(&share->lock);
    promp_manager_serve_ring(share, true);
    promp_manager_serve_let_go(share);
    manager->share = NULL;
}

void promp_manager_share_hold(promp_manager_t *manager)
{
    if (manager->share)
        pthread_mutex_lock(&manager->share->lock);
}

void promp_manager_share_free(promp_manager_t *manager)
{
    if (manager->share)
        pthread_mutex_unlock(&manager->share->lock);
}

/* --- the calls --- */

/* The thread begins with the first container that is shared. */
static promp_err_t begin(promp_manager_t *manager)
{
    promp_err_t err;
    int system;
    manager->share = promp_manager_serve_new(manager, &err, &system);
    return manager->share ? PROMP_OK
                          : promp_manager_fail(manager, err, system, "the thread that serves containers");
}

promp_err_t promp_manager_share(promp_manager_t *manager, const char *name, promp_container_t *container)
{
    promp_err_t err = promp_manager_usable(manager);
    if (err)
        return err;
    if (!name || !container)
        return promp_manager_fail(manager, PROMP_ERR_ARGUMENT, 0, NULL);
    if (!manager->share && (err = begin(manager)))
        return err;
    promp_container_t *before;
    promp_hub_lock(manager->hub);
    err = promp_manager_core_share(manager->core, promp_slice_str(name), container, &before);
    promp_manager_leave(manager);
    if (err)
        return promp_manager_fail(manager, err, 0, err == PROMP_ERR_ARGUMENT ? "the name" : NULL);
    if (container->ops->loosen && ++manager->files > PROMP_LIMIT_OPEN_FILES)
        promp_container_loosen(container);
    if (before && before->ops->loosen)
        manager->files--;
    promp_container_drop(&before);
    return PROMP_OK;
}

promp_err_t promp_manager_unshare(promp_manager_t *manager, const char *name)
{
    promp_err_t err = promp_manager_usable(manager);
    if (err)
        return err;
    promp_hub_lock(manager->hub);
    promp_container_t *container =
        promp_manager_core_unshare(manager->core, promp_slice_str(name ? name : ""));
    promp_manager_leave(manager);
    if (!container)
        return promp_manager_fail(manager, PROMP_ERR_CONTAINER_NAME, 0, NULL);
    if (container->ops->loosen && manager->files)
        manager->files--;
    promp_container_drop(&container);
    return PROMP_OK;
}

bool promp_manager_shares(promp_manager_t *manager, const char *name)
{
    if (!name || promp_manager_enter(manager))
        return false;
    bool shared = promp_manager_core_shares(manager->core, promp_slice_str(name));
    promp_manager_leave(manager);
    return shared;
}

void promp_manager_share_process(promp_manager_t *manager, uint64_t mark)
{
    promp_ask_t ask;
    while (manager->share && promp_manager_core_ask(manager->core, PROMP_ASK_PROCESS, mark, &ask)) {
        promp_hub_unlock(manager->hub);
        promp_manager_serve_read(manager->share, &ask, false);
        promp_container_drop(&ask.container);
        promp_hub_lock(manager->hub);
    }
}
