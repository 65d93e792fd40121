/* serve_inside.h - what the files of the broker's shell share: one thread that polls port and signals, and the handler's
 * thread, which sees nothing of it but `level`, `refused` and its own store. */
#ifndef PROMP_BROKER_SERVE_INSIDE_H
#define PROMP_BROKER_SERVE_INSIDE_H

#include <stdatomic.h>
#include <sys/stat.h>

#include "auth_broker.h"
#include "auth_handler.h"
#include "broker_core.h"
#include "lines.h"
#include "list.h"
#include "map.h"
#include "metrics_http.h"
#include "options.h"
#include "zport.h"

typedef enum {
    PROMP_SERVE_GUEST, /* the core knows it */
    PROMP_SERVE_JOINER, /* it came with a token's key: the core never hears of it. In s->silent until it asks */
    PROMP_SERVE_LEAVING /* nobody listens to it; its last words get a moment to leave. In s->leaving */
} promp_serve_kind_t;

/* What a joiner asks for; while the store's lock is held by others, in s->asking. */
typedef struct {
    uint8_t key[PROMP_AUTH_KEY_SIZE];
    uint8_t name[PROMP_LIMIT_KEY_NAME];
    size_t name_size;
    promp_auth_entry_t entry; /* what it got */
} promp_serve_wish_t;

typedef struct {
    promp_zpeer_t number;
    uint8_t key[PROMP_AUTH_KEY_SIZE]; /* as the handshake has proved it */
    char address[PROMP_LIMIT_PEER_ADDRESS + 1];
    promp_serve_kind_t kind;
    bool up;     /* GUEST: it was welcomed */
    int64_t due; /* JOINER: until then it must have asked, and be answered; LEAVING: then it is kicked */
    promp_node_t member;
    promp_serve_wish_t *wish; /* JOINER that has asked */
} promp_serve_peer_t;

/* What stat(2) says of a file that may be replaced. */
typedef struct {
    ino_t inode; /* 0: there is none */
    struct timespec time;
} promp_serve_stamp_t;

typedef struct {
    const promp_options_t *options;
    promp_config_t config;
    _Atomic int level;      /* of the log; any thread */
    promp_lines_t lines[2]; /* of news, and of warnings: one cannot crowd out the other */
    promp_lines_t refused;  /* the handler's thread */
    atomic_bool testing;    /* the stranger who is refused is ourselves; any thread */

    int folder, signals;
    promp_slice_t passphrase; /* guarded memory */
    promp_id_t identity;
    promp_auth_broker_info_t key; /* what is served, and what comes next */
    promp_serve_stamp_t stamp[2]; /* of the files of key and next key, when they were looked at */
    int64_t key_retry;            /* ms: when a change of keys that failed is tried again */
    promp_auth_store_t *store;
    int64_t expiry;         /* seconds since 1970: when the next key of the store expires */
    int64_t looked;         /* likewise: at the last look at it; a clock may be set back */
    promp_err_t store_said; /* what is wrong with the store, as it was logged */

    void *context;
    promp_auth_handler_t *handler;
    promp_zport_t *port;
    uint32_t peers_most;                    /* connections that it takes */
    promp_zport_counters_t before;          /* what ports before it have counted */
    promp_broker_counters_t joins;          /* of it, those of joining */
    char endpoint[PROMP_LIMIT_ADDRESS + 1]; /* where it listens */
    promp_broker_core_t *core;
    uint64_t seed;
    promp_metrics_http_t *metrics; /* NULL: nobody is told by HTTP */
    uint64_t started;              /* seconds since 1970 */

    promp_map_t *peers;                   /* number -> promp_serve_peer_t */
    promp_list_t silent, asking, leaving; /* each in the order of due */
    int64_t joins_at;                     /* ms: when the store's lock is tried again */
    int64_t look_at;                      /* ms: the next look at files and watchdog */
    int64_t look_each;

    bool draining, ended;
    promp_err_t error; /* why it ended; PROMP_OK: it was told to */
} promp_serve_t;

/* serve_say.c */
void promp_serve_say(promp_serve_t *s, promp_log_level_t level, promp_err_t code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* About a peer, with its name and address; at most so many lines as lines.h lets through. what may be "". */
void promp_serve_say_peer(promp_serve_t *s, promp_log_level_t level, promp_err_t code,
                          const promp_serve_peer_t *peer, const char *what);
/* An address as people write it: IPv4 that came by an IPv6 socket without its prefix. */
const char *promp_serve_address(const char *address);
/* For promp_auth_handler_start; arg is the promp_serve_t. */
void promp_serve_told(void *arg, const promp_auth_decision_t *decision, const char *address);
/* All counters, whatever the level of the log is. */
void promp_serve_say_figures(promp_serve_t *s);

/* serve_signals.c */
promp_err_t promp_serve_signals_hold(promp_serve_t *s, promp_error_t *error); /* opens s->signals */
/* Does what the signals ask for that came. */
void promp_serve_signals_take(promp_serve_t *s, int64_t now);
/* Reads what s->config says; a file again with each reload, as it may be for the next key. */
promp_err_t promp_serve_signals_passphrase(promp_serve_t *s, promp_error_t *error);

/* serve_keys.c */
/* The broker's 16 random bytes, made when they are missing. */
promp_err_t promp_serve_identity(int folder, promp_id_t *identity, promp_error_t *error);
/* Loads the store and takes it into use; on an error the one before stays. */
promp_err_t promp_serve_keys_load(promp_serve_t *s, promp_error_t *error);
/* The same while serving: tells handler and core, logs what is wrong. */
void promp_serve_keys_reload(promp_serve_t *s, int64_t now);
/* Looks at the store's folder and the clock: what changed or expired counts from now on. */
void promp_serve_keys_look(promp_serve_t *s, int64_t now);
/* For promp_auth_handler_newer; in the handler's thread, of s only the folder. */
promp_auth_store_t *promp_serve_keys_newer(void *arg, const promp_auth_store_t *old);
/* For the core: arg is the promp_serve_t. */
promp_err_t promp_serve_keys_find(void *arg, const promp_id_t *key, promp_broker_key_info_t *info);

/* serve_port.c */
/* Loads the broker's key, proves that strangers are turned away, listens. */
promp_err_t promp_serve_port_open(promp_serve_t *s, promp_error_t *error);
/* Looks at the broker's own key: tells a next one, and changes to it when its time has come. */
void promp_serve_port_look(promp_serve_t *s, int64_t now);

/* Fills in what the ports have counted. */
void promp_serve_port_count(const promp_serve_t *s, promp_broker_counters_t *counters);

/* serve_peers.c */
void promp_serve_peers_event(promp_serve_t *s, const promp_zport_event_t *event, int64_t now);
promp_serve_peer_t *promp_serve_peers_find(const promp_serve_t *s, promp_zpeer_t number);
/* Its last words may still leave, then its connection is ended. */
void promp_serve_peers_leave(promp_serve_t *s, promp_serve_peer_t *peer, int64_t now);
/* Ends its connection at once and forgets it; the core is told where it knows the peer. */
void promp_serve_peers_drop(promp_serve_t *s, promp_serve_peer_t *peer, promp_err_t why, int64_t now);
/* All of them: the port is about to be closed. */
void promp_serve_peers_drop_all(promp_serve_t *s, int64_t now);
/* Kicks who had its moment; returns when it wants to be called next. */
int64_t promp_serve_peers_tick(promp_serve_t *s, int64_t now);
/* Tells welcomed peers what the next key is, or that there is none any more. peer NULL: all of them. */
void promp_serve_peers_next_key(promp_serve_t *s, promp_serve_peer_t *peer);

/* serve_join.c */
void promp_serve_join_frame(promp_serve_t *s, promp_serve_peer_t *peer, const promp_frame_t *frame,
                            int64_t now);
/* Lets in who asked, when the store's lock is free, and drops who did not; returns when it wants to be called next. */
int64_t promp_serve_join_tick(promp_serve_t *s, int64_t now);
/* A peer is there that came with a token's key. */
void promp_serve_join_new(promp_serve_t *s, promp_serve_peer_t *peer, int64_t now);
/* Fills in how many have come and joined. */
void promp_serve_join_count(const promp_serve_t *s, promp_broker_counters_t *counters);
/* Forgets what it asked for; nothing where it is no joiner. */
void promp_serve_join_forget(promp_serve_t *s, promp_serve_peer_t *peer);

/* serve_metrics.c; all but _open do nothing where nobody is told by HTTP. */
promp_err_t promp_serve_metrics_open(promp_serve_t *s, promp_error_t *error);
int promp_serve_metrics_fd(const promp_serve_t *s, int64_t now); /* -1: none to be polled */
int64_t promp_serve_metrics_tick(promp_serve_t *s, int64_t now);

/* serve_do.c */
promp_err_t promp_serve_core_new(promp_serve_t *s, int64_t now);
/* Does what the core wants, until it wants nothing. */
void promp_serve_do(promp_serve_t *s, int64_t now);
/* Tells the core which frames have left; they may be asked for again. */
void promp_serve_flushed(promp_serve_t *s);

#endif
