/* join_status.h - a broker's figures, for who joined as observer or admin. Blocks. One thread. */
#ifndef PROMP_JOIN_STATUS_H
#define PROMP_JOIN_STATUS_H

#include "auth_joined.h"
#include "message.h"

/* Asks the broker that the folder (of promp_auth_folder_open()) has joined, as observer or else as admin, for at most timeout ms.
 * joined: whom it asked. NO_BROKER: the folder has joined in neither role; errors of promp_auth_joined_load() and
 * promp_auth_key_load(); of promp_zlink_why(), BROKER_AWAY, or what else the broker says. */
promp_err_t promp_join_status(int folder, int64_t timeout, promp_auth_joined_t *joined,
                              promp_msg_counters_t *counters, promp_error_t *error);

#endif
