/* The decision of who may come in. */
#include "auth_zap.h"

#include "auth_rig.h"

static promp_auth_store_t *store;
static promp_auth_entry_t node, gone, old, join;

static int setup(void **state)
{
    (void)state;
    node = rig_entry("node1", PROMP_AUTH_NODE, NULL);
    gone = rig_entry("gone", PROMP_AUTH_ADMIN, NULL);
    old = rig_entry("old", PROMP_AUTH_MANAGER, NULL);
    join = rig_entry("token-1", PROMP_AUTH_JOIN, NULL);
    gone.revoked = NOW - 1;
    old.expires = NOW;
    promp_auth_entry_t entries[] = {node, gone, old, join};
    return promp_auth_store_of(entries, 4, &store, NULL);
}

static int teardown(void **state)
{
    (void)state;
    promp_auth_store_destroy(&store);
    return 0;
}

static promp_auth_decision_t decide(const char *domain, const char *mechanism, size_t credentials,
                                    const uint8_t *key, size_t size)
{
    promp_auth_request_t request = {.domain = promp_slice_str(domain),
                                    .mechanism = promp_slice_str(mechanism),
                                    .credentials = credentials,
                                    .key = promp_slice(key, size)};
    promp_auth_decision_t decision;
    promp_auth_zap_decide(store, &request, NOW, &decision);
    return decision;
}

static void assert_refused(promp_auth_decision_t decision, promp_err_t reason)
{
    assert_int_equal(decision.status, 400);
    assert_string_equal(decision.user_id, "");
    assert_int_equal(decision.role, PROMP_AUTH_NO_ROLE);
    assert_code(decision.reason, reason);
}

/* Aim: known keys come in with their own key as user id and their role, a token's as one that may join. */
static void known(void **state)
{
    char z85[PROMP_Z85_KEY + 1];
    (void)state;
    promp_auth_decision_t decision = decide("promp", "CURVE", 1, node.key, 32);
    assert_int_equal(decision.status, 200);
    assert_string_equal(decision.user_id, promp_z85_encode(node.key, z85));
    assert_int_equal(decision.role, PROMP_AUTH_NODE);
    assert_string_equal(decision.name, "node1");
    assert_code(decision.reason, PROMP_OK);
    assert_int_equal(decide("promp", "CURVE", 1, join.key, 32).role, PROMP_AUTH_JOIN);
}

/* Aim: everything else stays out, with its reason for the log and 400 for everybody. */
static void refused(void **state)
{
    promp_auth_entry_t stranger = rig_entry("s", PROMP_AUTH_NODE, NULL);
    (void)state;
    assert_refused(decide("promp", "CURVE", 1, stranger.key, 32), PROMP_ERR_ACCESS_UNKNOWN);
    assert_refused(decide("promp", "CURVE", 1, gone.key, 32), PROMP_ERR_ACCESS_REVOKED);
    assert_string_equal(decide("promp", "CURVE", 1, gone.key, 32).name, "gone");
    assert_refused(decide("promp", "CURVE", 1, old.key, 32), PROMP_ERR_ACCESS_EXPIRED);
    assert_refused(decide("promp", "NULL", 0, NULL, 0), PROMP_ERR_ACCESS_MECHANISM);
    assert_refused(decide("promp", "PLAIN", 2, node.key, 32), PROMP_ERR_ACCESS_MECHANISM);
    assert_refused(decide("promp", "PLAIN", 1, node.key, 32), PROMP_ERR_ACCESS_MECHANISM);
    assert_refused(decide("promp", "curve", 1, node.key, 32), PROMP_ERR_ACCESS_MECHANISM);
    assert_refused(decide("promp", "CURVEX", 1, node.key, 32), PROMP_ERR_ACCESS_MECHANISM);
    assert_refused(decide("", "CURVE", 1, node.key, 32), PROMP_ERR_ACCESS_REQUEST);
    assert_refused(decide("other", "CURVE", 1, node.key, 32), PROMP_ERR_ACCESS_REQUEST);
    assert_refused(decide("prom", "CURVE", 1, node.key, 32), PROMP_ERR_ACCESS_REQUEST);
    assert_refused(decide("promp", "CURVE", 1, node.key, 31), PROMP_ERR_ACCESS_REQUEST);
    assert_refused(decide("promp", "CURVE", 1, node.key, 0), PROMP_ERR_ACCESS_REQUEST);
    assert_refused(decide("promp", "CURVE", 0, node.key, 32), PROMP_ERR_ACCESS_REQUEST);
    assert_refused(decide("promp", "CURVE", 2, node.key, 32), PROMP_ERR_ACCESS_REQUEST);
    promp_auth_store_destroy(&store);
    assert_refused(decide("promp", "CURVE", 1, node.key, 32), PROMP_ERR_ACCESS_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(known, setup, teardown),
                                       cmocka_unit_test_setup_teardown(refused, setup, teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
