#include "join_rig.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <zmq.h>

#include "auth_admit.h"
#include "auth_broker.h"
#include "auth_file.h"
#include "auth_handler.h"
#include "auth_issue.h"
#include "auth_token.h"
#include "join_rig_broker.h"

promp_id_t rig_identity;
promp_join_config_t rig_config;
promp_error_t rig_error;

static rig_broker_t broker;
static int joiner;

static int64_t seconds(void)
{
    return (int64_t)time(NULL);
}

static void begin(const char *endpoint)
{
    promp_auth_store_t *store = rig_load();
    promp_error_t error;
    promp_auth_key_destroy(&broker.key);
    assert_code(promp_auth_broker_load(rig_folder, promp_slice(NULL, 0), seconds(), &broker.key, NULL),
                PROMP_OK);
    broker.folder = rig_folder;
    broker.context = zmq_ctx_new();
    broker.stop = eventfd(0, EFD_CLOEXEC);
    assert_code(promp_auth_handler_start(broker.context, &store, NULL, NULL, &broker.handler, NULL),
                PROMP_OK);
    const promp_zport_config_t config = {.endpoint = endpoint,
                                         .secret_key = promp_auth_key_show(broker.key),
                                         .zap_domain = PROMP_AUTH_DOMAIN,
                                         .peers = 20};
    if (promp_zport_new(broker.context, &config, &broker.port, &error))
        fail_msg("%s", error.text);
    promp_auth_key_hide(broker.key);
    snprintf(broker.address, sizeof broker.address, "%s", promp_zport_endpoint(broker.port));
    assert_int_equal(pthread_create(&broker.thread, NULL, rig_broker_run, &broker), 0);
}

static void end(void)
{
    const uint64_t one = 1;
    assert_int_equal(write(broker.stop, &one, sizeof one), sizeof one);
    pthread_join(broker.thread, NULL);
    promp_zport_destroy(&broker.port);
    promp_auth_handler_stop(&broker.handler);
    zmq_ctx_term(broker.context);
    close(broker.stop);
}

int rig_broker_setup(void **state)
{
    rig_setup(state);
    promp_id_make(&rig_identity);
    broker.identity = rig_identity;
    rig_config = (promp_join_config_t){0};
    broker.mode = RIG_ANSWER;
    broker.joins = broker.hellos = 0;
    assert_code(promp_auth_broker_make(rig_folder, promp_slice(NULL, 0), "", NULL), PROMP_OK);
    assert_code(promp_auth_folder_open_at(rig_folder, "joiner", true, &joiner, NULL), PROMP_OK);
    begin("tcp://127.0.0.1:0");
    return 0;
}

int rig_broker_teardown(void **state)
{
    end();
    close(joiner);
    promp_auth_key_destroy(&broker.key);
    return rig_teardown(state);
}

void rig_restart(void)
{
    char endpoint[sizeof broker.address];
    strcpy(endpoint, broker.address);
    end();
    begin(endpoint);
}

void rig_mode(rig_mode_t mode)
{
    broker.mode = mode;
}

int rig_joins(void)
{
    return broker.joins;
}

int rig_hellos(void)
{
    return broker.hellos;
}

const char *rig_address(void)
{
    return broker.address;
}

const uint8_t *rig_broker_key(void)
{
    return promp_auth_key_public(broker.key);
}

int rig_joiner(void)
{
    return joiner;
}

bool rig_has(const char *name)
{
    return faccessat(joiner, name, F_OK, 0) == 0;
}

const char *rig_token(promp_auth_role_t role, uint32_t uses)
{
    static char text[PROMP_LIMIT_TOKEN + 1];
    promp_auth_entry_t order;
    static const uint8_t none[PROMP_AUTH_KEY_SIZE];
    promp_auth_entry_start(&order, none, PROMP_AUTH_JOIN, seconds());
    order.grants = role;
    order.uses = uses;
    order.expires = seconds() + 1000;
    assert_code(promp_auth_issue(rig_folder, &order, broker.address, seconds(), text, &rig_error), PROMP_OK);
    rig_broker_reload(&broker);
    return text;
}

const char *rig_changed(const char *token, rig_change_f *change)
{
    static char text[PROMP_LIMIT_TOKEN + 1];
    promp_auth_token_t *parsed;
    assert_code(promp_auth_token_parse(promp_slice_str(token), &parsed, NULL), PROMP_OK);
    change(parsed);
    assert_code(promp_auth_token_format(parsed, text, NULL), PROMP_OK);
    promp_auth_token_destroy(&parsed);
    return text;
}

promp_err_t rig_join(const char *token, promp_join_result_t *result)
{
    promp_join_result_t unused;
    rig_config.folder = joiner;
    rig_config.token = promp_slice_str(token);
    rig_broker_reload(&broker); /* as a broker does when its store has changed */
    return promp_join(&rig_config, result ? result : &unused, &rig_error);
}
