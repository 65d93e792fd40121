/* The self-test finds both ways in which libzmq lets everybody in. */
#include <zmq.h>

#include "auth_handler.h"
#include "auth_rig.h"

#define WAIT 10000 /* ms, for what has to come */

#ifndef ZMQ_ZAP_ENFORCE_DOMAIN
#define ZMQ_ZAP_ENFORCE_DOMAIN 93
#endif

static void *context;
static promp_auth_handler_t *handler;
static promp_auth_key_t *server_key;

static int setup(void **state)
{
    (void)state;
    context = zmq_ctx_new();
    return promp_auth_key_make(&server_key, NULL);
}

static int teardown(void **state)
{
    (void)state;
    promp_auth_handler_stop(&handler);
    promp_auth_key_destroy(&server_key);
    return zmq_ctx_term(context);
}

static void start_handler(void)
{
    promp_auth_entry_t entry = rig_entry("node1", PROMP_AUTH_NODE, NULL);
    promp_auth_store_t *store;
    assert_code(promp_auth_store_of(&entry, 1, &store, NULL), PROMP_OK);
    assert_code(promp_auth_handler_start(context, &store, NULL, NULL, &handler, NULL), PROMP_OK);
}

static promp_err_t guard(void *socket, void *arg, promp_error_t *error)
{
    (void)arg;
    return promp_auth_guard(socket, server_key, error);
}

/* A CURVE server with this domain and enforcement; what a careless broker would set. */
static promp_err_t careless(void *socket, const char *domain, int enforce)
{
    const int yes = 1;
    if (*domain)
        assert_int_equal(zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, domain, strlen(domain)), 0);
    assert_int_equal(zmq_setsockopt(socket, ZMQ_ZAP_ENFORCE_DOMAIN, &enforce, sizeof enforce), 0);
    assert_int_equal(zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &yes, sizeof yes), 0);
    assert_int_equal(zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, promp_auth_key_show(server_key), 32), 0);
    promp_auth_key_hide(server_key);
    return PROMP_OK;
}

static promp_err_t not_enforced(void *socket, void *arg, promp_error_t *error)
{
    (void)arg, (void)error;
    return careless(socket, PROMP_AUTH_DOMAIN, 0);
}

static promp_err_t empty_domain(void *socket, void *arg, promp_error_t *error)
{
    (void)arg, (void)error;
    return careless(socket, "", 1);
}

static promp_err_t open_to_all(void *socket, void *arg, promp_error_t *error)
{
    (void)socket, (void)arg, (void)error;
    return PROMP_OK;
}

static promp_err_t selftest(promp_auth_prepare_f *prepare, int64_t wait, const char *text)
{
    promp_error_t error = {0};
    promp_err_t code =
        promp_auth_selftest(context, prepare, NULL, promp_auth_key_public(server_key), wait, &error);
    if (code && !strstr(error.text, text))
        fail_msg("%s", error.text);
    return code;
}

/* Aim: with handler and guard the self-test is content, again and again. */
static void selftest_passes(void **state)
{
    (void)state;
    start_handler();
    for (int i = 0; i < 3; i++)
        assert_code(selftest(guard, WAIT, "?"), PROMP_OK);
}

/* Aim: the first way in which libzmq lets everybody in, no handler and no enforcement, is found; with enforcement and no
 * handler nobody gets in, but nobody is told either, and that is found too. */
static void selftest_without_handler(void **state)
{
    (void)state;
    assert_code(selftest(not_enforced, WAIT, "a peer with an unknown key was let in"), PROMP_ERR_SELFTEST);
    assert_code(selftest(guard, 300, "not turned away in time"), PROMP_ERR_SELFTEST);
}

/* Aim: the second way, an empty domain, where libzmq does not ask the handler though it would refuse, is found. */
static void selftest_empty_domain(void **state)
{
    (void)state;
    start_handler();
    assert_code(selftest(empty_domain, WAIT, "a peer with an unknown key was let in"), PROMP_ERR_SELFTEST);
    assert_code(selftest(open_to_all, WAIT, "not turned away in time"), PROMP_ERR_SELFTEST);
}

#define IN_CONTEXT(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {IN_CONTEXT(selftest_passes), IN_CONTEXT(selftest_without_handler),
                                       IN_CONTEXT(selftest_empty_domain)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
