/* join_rig.h - for the tests of joining: a broker's folder with its store, and a thread that listens at a free port of 127.0.0.1
 * and answers joiners as a broker does, or as the test says. */
#ifndef PROMP_JOIN_RIG_H
#define PROMP_JOIN_RIG_H

#include "join.h"

#include "auth_rig.h"

typedef enum {
    RIG_ANSWER,  /* as a broker does */
    RIG_LOSE,    /* lets the next joiner's key in and closes the connection without a word; then RIG_ANSWER */
    RIG_LET_IN,  /* lets joiners' keys in and says nothing */
    RIG_SILENT,  /* says nothing */
    RIG_AWAY,    /* says BROKER_AWAY to the next one; then RIG_ANSWER */
    RIG_VERSION, /* refuses with VERSION */
    RIG_UNKNOWN, /* refuses with a number that nobody knows */
    RIG_OTHER,   /* says JOINED in another role */
    RIG_NONSENSE, /* answers with something else */
} rig_mode_t;

extern promp_id_t rig_identity;

/* setup makes: rig_folder as the broker's folder (auth_rig.h) with its key, a running broker, and an empty folder to join in. */
int rig_broker_setup(void **state);
int rig_broker_teardown(void **state);

void rig_mode(rig_mode_t mode);
int rig_joins(void);  /* JOINs that came */
int rig_hellos(void); /* HELLOs that came, in a role that fits the key */

/* Ends the broker, and starts it at the same port with the key that the folder has now. */
void rig_restart(void);
const char *rig_address(void);
const uint8_t *rig_broker_key(void);

int rig_joiner(void); /* the folder to join in; a name in it: */
bool rig_has(const char *name);

/* A token of the store, in static memory. */
const char *rig_token(promp_auth_role_t role, uint32_t uses);
/* The same with something else in its text. */
typedef void rig_change_f(void *token); /* a promp_auth_token_t */
const char *rig_changed(const char *token, rig_change_f *change);

/* Joins; timeout as in promp_join. */
promp_err_t rig_join(const char *token, promp_join_result_t *result);
extern promp_join_config_t rig_config; /* what rig_join uses; setup clears it */
extern promp_error_t rig_error;        /* what it said */

#endif
