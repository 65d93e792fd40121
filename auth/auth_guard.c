#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <zmq.h>

#include "auth_handler.h"

#define OLDEST ZMQ_MAKE_VERSION(4, 3, 3) /* before: CVE-2019-13132, CVE-2020-15166 and others, by strangers */

#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN                                                                               \
    93 /* works in packages without the draft interface; the self-test sees whether */
#endif

/* Whether the object that code belongs to names libsodium among what it needs. */
static bool needs_sodium(void *code)
{
    struct link_map *map = NULL;
    Dl_info info;
    const char *strings = NULL;

    if (!dladdr1(code, &info, (void **)&map, RTLD_DL_LINKMAP) || !map)
        return false;
    for (const ElfW(Dyn) *d = map->l_ld; d->d_tag != DT_NULL; d++)
        if (d->d_tag == DT_STRTAB)
            strings = (const char *)d->d_un.d_ptr;
    for (const ElfW(Dyn) *d = map->l_ld; strings && d->d_tag != DT_NULL; d++)
        if (d->d_tag == DT_NEEDED && strncmp(strings + d->d_un.d_val, "libsodium.so", 12) == 0)
            return true;
    return false;
}

promp_err_t promp_auth_zmq_check(promp_error_t *error)
{
    int major, minor, patch;
    zmq_version(&major, &minor, &patch);
    if (ZMQ_MAKE_VERSION(major, minor, patch) < OLDEST)
        return promp_error_set(error, PROMP_ERR_CURVE_MISSING, 0, "this is %d.%d.%d", major, minor, patch);
    if (!zmq_has("curve"))
        return promp_error_set(error, PROMP_ERR_CURVE_MISSING, 0, "it was built without CURVE");
    if (!needs_sodium((void *)(uintptr_t)zmq_version))
        return promp_error_set(error, PROMP_ERR_CURVE_MISSING, 0, "it was built without libsodium");
    return PROMP_OK;
}

promp_err_t promp_auth_guard(void *socket, promp_auth_key_t *key, promp_error_t *error)
{
    const int yes = 1;
    bool good =
        zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, PROMP_AUTH_DOMAIN, sizeof PROMP_AUTH_DOMAIN - 1) == 0 &&
        zmq_setsockopt(socket, ZMQ_ZAP_ENFORCE_DOMAIN, &yes, sizeof yes) == 0 &&
        zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &yes, sizeof yes) == 0;
    if (good) {
        good =
            zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, promp_auth_key_show(key), PROMP_AUTH_KEY_SIZE) == 0;
        promp_auth_key_hide(key);
    }
    return good ? PROMP_OK : promp_error_set(error, PROMP_ERR_CURVE_MISSING, errno, "an option was refused");
}
