/* zline.h - a connection to a broker as a hub's line. */
#ifndef PROMP_NET_ZLINE_H
#define PROMP_NET_ZLINE_H

#include "auth_key.h"
#include "line.h"
#include "zlink.h"

/* As promp_zlink_dial; key: ours, in place of config's secret one, borrowed and readable until the line is up or over. */
promp_err_t promp_zline_dial(const promp_zlink_config_t *config, promp_auth_key_t *key, int64_t now,
                             promp_line_t *line, promp_error_t *error);

#endif
