/* counters.h - THE table of a broker's figures. From its rows come the fields of COUNTERS (messages.def), what `promp status`
 * and SIGUSR1 show, and the broker's metrics: who adds a row and counts it has it in all of them.
 *
 *   ROW(field, KIND, metric, label, value, group, text, doc)
 *
 * field   of promp_msg_counters_t
 * KIND    GAUGE: what there is now; MILLI: the same in thousandths; TOTAL: what has happened since the broker began
 * metric  its name behind `promp_`, with a base unit and, of a TOTAL, `_total`; rows of the same name stand together and differ
 *         by the value of one label ("": a metric with one row)
 * group   for people; rows of a group stand together
 * text    for people, within the group; short
 * doc     what it means; the help of a metric with one row. No backslash, no quote
 *
 * Rows of a metric that has been released keep name, kind and label. Any thread. */
#ifndef PROMP_PROTO_COUNTERS_H
#define PROMP_PROTO_COUNTERS_H

#include <stddef.h>
#include <stdint.h>

#define PROMP_COUNTERS(ROW)                                                                                  \
    ROW(connections, GAUGE, "connections", "", "", "connections", "in all",                                  \
        "connections, those whose handshake is under way or that are about to end as well")                  \
    ROW(connections_limit, GAUGE, "connections_limit", "", "", "connections", "at most",                     \
        "connections that the broker takes")                                                                 \
    ROW(managers, GAUGE, "peers", "role", "manager", "connections", "managers", "connections of managers")   \
    ROW(nodes, GAUGE, "peers", "role", "node", "connections", "nodes", "connections of nodes")               \
    ROW(others, GAUGE, "peers", "role", "observer", "connections", "observers and admins",                   \
        "connections of observers and admins")                                                               \
    ROW(joiners, GAUGE, "peers", "role", "joiner", "connections", "with a token",                            \
        "connections of those who join with a token")                                                        \
    ROW(handshakes, GAUGE, "peers", "role", "new", "connections", "not yet greeted",                         \
        "connections that have not said HELLO")                                                              \
    ROW(nodes_ready, GAUGE, "nodes", "state", "ready", "nodes", "ready", "nodes that take workers")          \
    ROW(nodes_starting, GAUGE, "nodes", "state", "starting", "nodes", "starting",                            \
        "nodes that tell what runs there, before they get more")                                             \
    ROW(nodes_draining, GAUGE, "nodes", "state", "draining", "nodes", "draining",                            \
        "nodes that take no new workers")                                                                    \
    ROW(nodes_away, GAUGE, "nodes", "state", "away", "nodes", "away",                                        \
        "nodes whose connection has ended and whose workers may live")                                       \
    ROW(sessions, GAUGE, "sessions", "", "", "sessions", "in all", "sessions of any state")                  \
    ROW(waiting, GAUGE, "starts_waiting", "", "", "sessions", "waiting for a place",                         \
        "starts that wait for room on a node")                                                               \
    ROW(waiting_nowhere, GAUGE, "starts_waiting_nowhere", "", "", "sessions", "of them: no such node",       \
        "starts that wait and that no node could serve, of those that have come")                            \
    ROW(asked, GAUGE, "starts_asked", "", "", "sessions", "asked of a node",                                 \
        "starts that a node has been given and has not answered")                                            \
    ROW(running, GAUGE, "workers_running", "", "", "sessions", "running", "workers that run")                \
    ROW(ended, GAUGE, "workers_ended", "", "", "sessions", "ended, record waits",                            \
        "workers that have ended and whose manager has not taken note of it")                                \
    ROW(unrooted, GAUGE, "sessions_unrooted", "", "", "sessions", "parent not known yet",                    \
        "sessions of children whose parent is not known yet")                                                \
    ROW(places, GAUGE, "places", "", "", "room", "places", "workers that the nodes take at the same time")   \
    ROW(places_used, GAUGE, "places_used", "", "", "room", "places in use", "places that are taken")         \
    ROW(cpus, MILLI, "cpus", "", "", "room", "processors", "processors that the nodes offer")                \
    ROW(cpus_used, MILLI, "cpus_used", "", "", "room", "processors in use",                                  \
        "processors that workers have asked for and got")                                                    \
    ROW(memory, GAUGE, "memory_bytes", "", "", "room", "bytes of memory", "memory that the nodes offer")     \
    ROW(memory_used, GAUGE, "memory_used_bytes", "", "", "room", "memory in use",                            \
        "memory that workers have asked for and got")                                                        \
    ROW(gpus, GAUGE, "gpus", "", "", "room", "graphics processors",                                          \
        "graphics processors that the nodes offer")                                                          \
    ROW(gpus_used, GAUGE, "gpus_used", "", "", "room", "of them in use",                                     \
        "graphics processors that workers have asked for and got")                                           \
    ROW(data_waiting, GAUGE, "data_waiting_bytes", "", "", "waiting here", "bytes of data",                  \
        "data of sessions that waits here for slow readers")                                                 \
    ROW(starts_bytes, GAUGE, "starts_waiting_bytes", "", "", "waiting here", "bytes of starts",              \
        "size of the starts that no node has answered")                                                      \
    ROW(starts, TOTAL, "starts_total", "", "", "since its start", "workers asked for",                       \
        "workers that were asked for")                                                                       \
    ROW(starts_refused, TOTAL, "starts_refused_total", "", "", "since its start", "refused",                 \
        "starts that were refused in the end")                                                               \
    ROW(relayed_frames, TOTAL, "relayed_frames_total", "", "", "since its start", "frames passed on",        \
        "frames of sessions that were passed on")                                                            \
    ROW(relayed_bytes, TOTAL, "relayed_bytes_total", "", "", "since its start", "bytes passed on",           \
        "bytes of the frames that were passed on")                                                           \
    ROW(congested, TOTAL, "congested_total", "", "", "since its start", "answered: congested",               \
        "frames that were dropped as their reader is slow, and that their sender sends again")               \
    ROW(no_route, TOTAL, "no_route_total", "", "", "since its start", "answered: no route",                  \
        "answers that the other end of a session cannot be reached at the moment")                           \
    ROW(orphans, TOTAL, "orphans_total", "", "", "since its start", "workers without owner",                 \
        "workers that nodes were told to end, as nobody may own them")                                       \
    ROW(kicked_broken, TOTAL, "peers_dropped_total", "reason", "broken", "peers dropped", "broke a rule",    \
        "peers dropped for what they sent")                                                                  \
    ROW(kicked_silent, TOTAL, "peers_dropped_total", "reason", "silent", "peers dropped", "silent",          \
        "peers dropped for silence")                                                                         \
    ROW(kicked_key, TOTAL, "peers_dropped_total", "reason", "key", "peers dropped", "key",                   \
        "peers dropped because of their key")                                                                \
    ROW(refused_key, TOTAL, "connections_refused_total", "reason", "key", "turned away", "key",              \
        "connections turned away because of their key")                                                      \
    ROW(refused_stranger, TOTAL, "connections_refused_total", "reason", "stranger", "turned away",           \
        "not one of ours", "connections of those who do not know the broker's key, or speak otherwise")      \
    ROW(refused_cut, TOTAL, "connections_refused_total", "reason", "cut", "turned away",                     \
        "handshake not ended", "connections whose handshake was not ended")                                  \
    ROW(refused_limit, TOTAL, "connections_refused_total", "reason", "limit", "turned away",                 \
        "over the limit", "connections beyond the limit")                                                    \
    ROW(refused_descriptors, TOTAL, "connections_refused_total", "reason", "descriptors", "turned away",     \
        "no descriptors", "connections that could not be accepted, most likely for want of descriptors")     \
    ROW(joined, TOTAL, "joins_total", "", "", "joins", "let in", "keys that have joined with a token")       \
    ROW(join_token, TOTAL, "joins_refused_total", "reason", "token", "joins refused", "token or key",        \
        "joins refused because of the token, or of the key that was shown")                                  \
    ROW(join_version, TOTAL, "joins_refused_total", "reason", "version", "joins refused", "version",         \
        "joins refused because of the version of the protocol")                                              \
    ROW(join_away, TOTAL, "joins_refused_total", "reason", "away", "joins refused", "broker ends",           \
        "joins refused as the broker was about to end")                                                      \
    ROW(join_broken, TOTAL, "joins_refused_total", "reason", "broken", "joins refused", "broke a rule",      \
        "joins refused for what was sent")                                                                   \
    ROW(join_silent, TOTAL, "joins_refused_total", "reason", "silent", "joins refused", "silent",            \
        "joins refused for silence")

/* The same rows as fields of a message. */
#define PROMP_COUNTERS_FIELD(field, kind, metric, label, value, group, text, doc)                            \
    U64(field, doc PROMP_COUNTERS_UNIT_##kind)
#define PROMP_COUNTERS_UNIT_GAUGE
#define PROMP_COUNTERS_UNIT_MILLI ", in thousandths"
#define PROMP_COUNTERS_UNIT_TOTAL

typedef enum { PROMP_COUNTERS_GAUGE, PROMP_COUNTERS_MILLI, PROMP_COUNTERS_TOTAL } promp_counters_kind_t;

typedef struct {
    const char *field;
    promp_counters_kind_t kind;
    const char *metric, *label, *value, *group, *text, *doc;
    size_t at; /* in promp_msg_counters_t */
} promp_counters_row_t;

/* All rows, *count of them. */
const promp_counters_row_t *promp_counters_rows(size_t *count);

/* What a promp_msg_counters_t holds in that row. */
uint64_t promp_counters_value(const void *counters, const promp_counters_row_t *row);

#endif
