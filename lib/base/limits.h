/* limits.h - every quantity that a peer or a user can choose has its limit here, and nowhere else. */
/* The system's header of the same name is found through us, more than once: so this stands outside of the guard. */
#include_next <limits.h>

#ifndef PROMP_BASE_LIMITS_H
#define PROMP_BASE_LIMITS_H

#define PROMP_KIB 1024ULL
#define PROMP_MIB (1024ULL * PROMP_KIB)
#define PROMP_GIB (1024ULL * PROMP_MIB)

/* Frames and links */
#define PROMP_LIMIT_FRAME       (256 * PROMP_KIB) /* bytes of one frame, header included */
#define PROMP_LIMIT_FRAME_FDS   4                 /* descriptors with one frame */
#define PROMP_LIMIT_LINK_FDS    64                /* descriptors received and not yet claimed by a frame */
#define PROMP_LIMIT_LINK_WINDOW (4 * PROMP_MIB)   /* data bytes on a link that its reader has not released */
#define PROMP_LIMIT_HUB_WATCHES 16                /* other descriptors that a hub polls */
#define PROMP_LIMIT_LINK_QUEUE  (64 * PROMP_MIB) /* bytes waiting at one link; beyond it the link is dropped */
#define PROMP_LIMIT_RELAY_SESSION                                                                            \
    (2 * PROMP_MIB) /* data bytes of one session and direction waiting in a relay */

/* Sessions: bytes a sender may have under way, per lane */
#define PROMP_WINDOW_CONTROL  (256 * PROMP_KIB)
#define PROMP_WINDOW_MESSAGES (1 * PROMP_MIB)
#define PROMP_WINDOW_OUTPUT   (1 * PROMP_MIB)
#define PROMP_WINDOW_BULK     (1 * PROMP_MIB)

/* Records and values */
#define PROMP_LIMIT_RECORD      (2 * PROMP_GIB + PROMP_MIB) /* bytes of one record */
#define PROMP_LIMIT_VALUE       (2 * PROMP_GIB)             /* bytes of one encoded value */
#define PROMP_LIMIT_VALUE_DEPTH 64                          /* lists and dicts inside one another */
#define PROMP_LIMIT_VALUE_ITEMS (64 * 1024 * 1024)          /* items of one value, all levels together */
#define PROMP_LIMIT_NAME        1024                        /* bytes of a task's or function's name */
#define PROMP_LIMIT_PATH        4096                        /* bytes of a path */
#define PROMP_LIMIT_CODE        (64 * PROMP_MIB)            /* bytes of source text in one task */
#define PROMP_LIMIT_TEXT        (64 * PROMP_KIB)            /* bytes of a progress text or an error's text */
#define PROMP_LIMIT_TRACE       (1 * PROMP_MIB)             /* bytes of a traceback */
#define PROMP_LIMIT_START       (224 * PROMP_KIB) /* bytes of arguments and environment of a start */
#define PROMP_LIMIT_TAIL        (64 * PROMP_KIB)  /* bytes of a worker's last output that are kept */
#define PROMP_LIMIT_EXTRA       (64 * PROMP_KIB)  /* bytes of what a start gives to the worker's language */

/* A worker's output */
#define PROMP_LIMIT_OUTPUT_QUEUE                                                                             \
    (1 * PROMP_MIB) /* bytes queued beyond the lane's window; then the writer waits */
#define PROMP_LIMIT_OUTPUT_READ                                                                              \
    (64 * PROMP_KIB) /* bytes taken from a pipe at once: the longest native record */
#define PROMP_LIMIT_OUTPUT_PART                                                                              \
    (4 * PROMP_KIB)                /* an unfinished line of native output that long waits for no end */
#define PROMP_TIME_OUTPUT_PART 100 /* nor does one that old, ms */

/* What one manager may hold */
#define PROMP_LIMIT_UNSENT       (1 * PROMP_GIB) /* bytes queued and not yet sent; one message always fits */
#define PROMP_LIMIT_INBOX        (1 * PROMP_GIB) /* bytes of messages and results not yet taken; then credit stops */
#define PROMP_LIMIT_INBOX_PARTS  1024 /* such a part of it, and one record, each worker may have in any case */
#define PROMP_LIMIT_OUTPUT_INBOX (64 * PROMP_MIB) /* bytes of output not yet processed, per manager */
#define PROMP_LIMIT_FAILURES     10000            /* failures not yet taken; the oldest go first */
#define PROMP_LIMIT_FAILURE_TEXT (64 * PROMP_MIB) /* bytes of their texts, likewise */
#define PROMP_LIMIT_EXITS        1024             /* exit records of dead workers; the oldest are forgotten */

/* Containers */
#define PROMP_CHUNK                  (256 * PROMP_KIB) /* what is read, asked for and kept at most in one piece */
#define PROMP_CHUNK_PAGE             (4 * PROMP_KIB) /* the least that is asked for; 64 of them are a chunk */
#define PROMP_CACHE                  (64 * PROMP_MIB)   /* bytes of chunks one process keeps */
#define PROMP_CACHE_MOST             (1024 * PROMP_GIB) /* what a user may set it to */
#define PROMP_READ_AHEAD             (4 * PROMP_MIB)    /* largest window of one stream */
#define PROMP_READ_WINDOW            (8 * PROMP_MIB)    /* bytes one worker may have asked for */
#define PROMP_SEALED_FROM            (256 * PROMP_KIB)  /* bytes from here on lie in a sealed memory file */
#define PROMP_LIMIT_FETCH            (2 * PROMP_MIB) /* bytes of one fetch; longer reads are made of several */
#define PROMP_LIMIT_READS            64              /* reads that one worker may have asked for */
#define PROMP_LIMIT_ANSWERS          (512 * PROMP_KIB) /* unsent answers to one worker; no more is read then */
#define PROMP_LIMIT_INLINE           (64 * PROMP_KIB) /* a container up to this size comes along when it is opened */
#define PROMP_LIMIT_CONTAINER_NAME   1024             /* bytes of a name */
#define PROMP_LIMIT_CONTAINERS       (1024 * 1024) /* names that one manager shares */
#define PROMP_LIMIT_CONTAINERS_OPEN  (64 * 1024)   /* containers that one worker has open */
#define PROMP_LIMIT_CONTAINER_STREAM 4 /* sequential readers of one container that are told apart */
#define PROMP_LIMIT_OPEN_FILES                                                                               \
    256 /* files that one manager keeps open to share, and descriptors a worker keeps */

/* A node */
#define PROMP_LIMIT_WORKERS       4096 /* workers of one node */
#define PROMP_LIMIT_LINKS         1024 /* managers connected to one node */
#define PROMP_LIMIT_WORKER_STARTS 64   /* sessions one worker, as a manager, may have on its link */
#define PROMP_LIMIT_PYTHONS       16   /* interpreters that one node offers */
#define PROMP_LIMIT_PROCESSES                                                                                \
    4096 /* processes and threads of one worker, where the node's settings say no other */
#define PROMP_LIMIT_STARTS_NODE                                                                              \
    (32 * PROMP_MIB) /* bytes of starts of its workers that the broker has not answered */

/* A broker */
#define PROMP_LIMIT_LABELS      256 /* bytes of the labels of a node or a start, with the spaces between them */
#define PROMP_LIMIT_BUILD       128               /* bytes of a program's name and version */
#define PROMP_LIMIT_SESSIONS    (1024 * 1024)     /* sessions of all nodes together */
#define PROMP_LIMIT_WAITING     4096              /* starts that wait for a place */
#define PROMP_LIMIT_WAITING_KEY 1024              /* those of one key */
#define PROMP_LIMIT_STARTS      (256 * PROMP_MIB) /* bytes of starts that no node has answered */
#define PROMP_LIMIT_STARTS_KEY  (32 * PROMP_MIB)  /* those of one key */
#define PROMP_LIMIT_START_TRIES 4                 /* nodes that one start is offered to */
#define PROMP_LIMIT_KEY_DATA                                                                                 \
    (512 * PROMP_MIB) /* data and starts of one key that wait at the broker, where its entry says no less */
#define PROMP_LIMIT_BROKER_DATA                                                                              \
    (2 * PROMP_GIB) /* data bytes that wait at the broker, for all peers together */

#define PROMP_LIMIT_NODES_PAGE     64 /* nodes that one NODES is answered with */
#define PROMP_LIMIT_BROKER_THREADS 16 /* of libzmq: each encrypts about 0.8 GB/s */
#define PROMP_LIMIT_BROKER_JOINS   8  /* tokens that are looked at in a row, while peers wait */

/* Its metrics */
#define PROMP_LIMIT_METRICS_CONNECTIONS 32              /* at the same time */
#define PROMP_LIMIT_METRICS_ADDRESS     8               /* those of one address */
#define PROMP_LIMIT_METRICS_MEMORY      (8 * PROMP_KIB) /* bytes of one connection, its request's head included */

/* Links over ZeroMQ */
#define PROMP_LIMIT_ZMQ_FRAMES       1000 /* frames of one connection and direction inside libzmq */
#define PROMP_LIMIT_ZMQ_UNREAD       128  /* frames of one peer that the broker has not read yet */
#define PROMP_LIMIT_ZMQ_BACKLOG      4096 /* connections that the kernel accepts ahead of the broker */
#define PROMP_LIMIT_BROKER_ADDRESSES 4    /* addresses of the broker's name that are tried */
#define PROMP_LIMIT_PEERS            65536
#define PROMP_LIMIT_PEERS_KEY        1024             /* those of one key */
#define PROMP_LIMIT_PEER_ADDRESS     63               /* bytes of a peer's address, for the log */
#define PROMP_LIMIT_PEER_FIRST       (1 * PROMP_KIB)  /* bytes of a peer's first frame, its HELLO */
#define PROMP_LIMIT_PEER_DATA        (16 * PROMP_MIB) /* data bytes that wait at the broker for one peer */
#define PROMP_LIMIT_PEER_CONTROL     (16 * PROMP_MIB) /* other bytes, likewise */
#define PROMP_PEERS_SPARE                                                                                    \
    160 /* descriptors beside those of peers: handshakes, files, metrics, libzmq's own */

/* Keys and tokens */
#define PROMP_LIMIT_KEYS       65536            /* entries of the broker's store */
#define PROMP_LIMIT_KEY_FILE   (16 * PROMP_KIB) /* bytes of a certificate or an entry */
#define PROMP_LIMIT_KEY_NAME   64               /* bytes of the name of a key */
#define PROMP_LIMIT_KEY_LABELS 256              /* bytes of a key's labels, with the spaces between them */
#define PROMP_LIMIT_ADDRESS    255              /* bytes of a broker's address */
#define PROMP_LIMIT_TOKEN      1024             /* bytes of a token */
#define PROMP_LIMIT_TOKEN_USES 65535            /* keys that may join with one token */
#define PROMP_LIMIT_PASSPHRASE 1024             /* bytes of a passphrase */
#define PROMP_LIMIT_KDF_MEMORY (1 * PROMP_GIB)  /* bytes that unlocking a key may ask for */
#define PROMP_LIMIT_KDF_ROUNDS 64               /* passes over them */

/* Times, milliseconds */
#define PROMP_TIMEOUT_DEFAULT 10000 /* the manager time-out: lease of a session */
#define PROMP_TIMEOUT_MIN     500
#define PROMP_TIMEOUT_MAX     86400000
#define PROMP_TIME_START      5000 /* startWorker waits at most this long for the node's answer */
#define PROMP_TIME_HANDSHAKE  5000 /* a link that has not said HELLO by then is dropped */
#define PROMP_TIME_LINGER     1000 /* destroying a manager: from asking its workers to stop to killing them */
#define PROMP_TIME_ABORT      1000 /* default time-out of an abort */
#define PROMP_TIME_NODE_IDLE                                                                                 \
    10000                       /* a node that was started by a library ends so long after its last manager */
#define PROMP_TIME_ACK       25 /* an acknowledgement waits at most this long for company */
#define PROMP_TIME_PROBE     200 /* unacknowledged for so long: ask; doubles up to PROBE_MAX */
#define PROMP_TIME_PROBE_MAX 2000
#define PROMP_TIME_ATTACH_MAX                                                                                \
    1000 /* ATTACH and REATTACH are repeated from RECONNECT on, doubling up to this */
#define PROMP_TIME_CONGESTED     5 /* a congested lane pauses so long; doubles up to CONGESTED_MAX */
#define PROMP_TIME_CONGESTED_MAX 200
#define PROMP_TIME_NO_LEASE      30000 /* stands for the smallest lease of a link without sessions */
#define PROMP_TIME_RECONNECT     20    /* first back-off; doubles up to lease/10 */
#define PROMP_TIME_REDIAL        100   /* likewise for a broker; 30 s where no session lives */
#define PROMP_TIME_GATHER        35000 /* after a broker's start: so long nodes may take to come back */
#define PROMP_TIME_DRAIN         2000  /* what waits at a broker that ends has so long to leave */
#define PROMP_TIME_METRICS       5000  /* a connection to its metrics, from its beginning to its end */
#define PROMP_TIME_AWAY          500   /* peers of a broker that ends dial again after this */
#define PROMP_TIME_REVIEW        1000  /* between looks at waiting starts that nobody may serve any more */
#define PROMP_TIME_CONNECT       4500  /* from dialling a broker to the end of its handshake */
#define PROMP_TIME_JOIN          4700  /* all of joining; what is being closed comes on top */
#define PROMP_TIME_GREETING      1000  /* asking a port what it is, after it turned us away */
#define PROMP_TIME_ZMQ_BEAT      10000 /* between ZMTP heartbeats; three unanswered ones end a connection */
#define PROMP_TIME_ZMQ_LINGER    200   /* last frames of a connection that is being closed */
#define PROMP_TIME_ZMQ_END       50    /* what a broken connection has brought is there by then */
#define PROMP_TIME_ZMQ_RETRY     5     /* a peer that libzmq took nothing more for is tried again */
#define PROMP_TIME_SWEEP         1000  /* peers whose connection has ended are found */
#define PROMP_TIME_STORE_LOCK    10000 /* waiting for others who change the key store */
#define PROMP_TIME_JOINED_LOCK   200   /* likewise, for who has frames to move meanwhile */
#define PROMP_TIME_SELFTEST      5000 /* an unknown key is turned away by then, or the broker does not start */
#define PROMP_TIME_PYTHON        10000 /* an interpreter tells its version by then */
#define PROMP_TIME_TICK          5 /* after so long without the user's thread the network thread takes over */
#define PROMP_TIME_GAP           1000 /* a tick this late means we slept ourselves: nobody else is blamed for it */

#endif
