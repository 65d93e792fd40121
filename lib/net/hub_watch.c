/* hub_watch.c - other descriptors that whoever drives polls along. */
#include "hub_inside.h"

promp_err_t promp_hub_watch(promp_hub_t *hub, const promp_hub_watch_t *watch, short events)
{
    size_t i = 0;

    while (i < hub->watch_count && hub->watches[i].watch.fd != watch->fd)
        i++;
    if (i == PROMP_LIMIT_HUB_WATCHES || watch->fd < 0)
        return PROMP_ERR_ARGUMENT;
    if (i == hub->watch_count)
        hub->watch_count++;
    hub->watches[i].watch = *watch;
    hub->watches[i].events = events;
    hub->watches[i].serial = ++hub->watch_serial;
    promp_hub_stir(hub);
    return PROMP_OK;
}

void promp_hub_unwatch(promp_hub_t *hub, int fd)
{
    for (size_t i = 0; i < hub->watch_count; i++) {
        if (hub->watches[i].watch.fd == fd) {
            hub->watches[i] = hub->watches[--hub->watch_count];
            promp_hub_stir(hub);
            return;
        }
    }
}

void promp_hub_call_watch(promp_hub_t *hub, uint64_t serial, short revents)
{
    for (size_t i = 0; i < hub->watch_count; i++) {
        if (hub->watches[i].serial == serial) {
            promp_hub_watch_t watch = hub->watches[i].watch;
            watch.ready(watch.arg, watch.fd, revents);
            return;
        }
    }
}
