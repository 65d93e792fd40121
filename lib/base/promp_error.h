/* promp_error.h - every error promp can report: one public enum, each value with a lasting number.
 *
 * The table is the source: the enum, promp_error_name(), promp_error_text() and the test that holds docs/errors.md
 * against it are made from it. Numbers are never reused; a number that is retired stays here as retired.
 */
#ifndef PROMP_ERROR_H
#define PROMP_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

/* X(NAME, number, text) */
#define PROMP_ERRORS(X)                                                                                      \
    /* 10xx: how a call was made */                                                                          \
    X(ARGUMENT, 1001, "an argument is not valid")                                                            \
    X(STATE, 1002, "the call is not possible in this state")                                                 \
    X(THREAD, 1003, "a manager is used from another thread than the one that created it")                    \
    X(FORKED, 1004, "the manager belongs to the parent process")                                             \
    X(CLOSED, 1005, "the object is closed")                                                                  \
    X(NO_WORKER, 1006, "there is no living worker with this id")                                             \
    X(MESSAGE_ID, 1007, "message ids above 0x7FFFFFFF are reserved")                                         \
    X(VALUE_TYPE, 1008, "a value has a type that cannot travel")                                             \
    X(VALUE_DEPTH, 1009, "a value is nested too deeply")                                                     \
    X(VALUE_SIZE, 1010, "a value is too large")                                                              \
    X(QUEUE_FULL, 1011, "the queue of unsent data has reached its limit")                                    \
    X(TIMEOUT, 1012, "the time is over")                                                                     \
    X(NO_TASK, 1013, "the worker knows no task of this name or kind")                                        \
    X(TASK_FAILED, 1014, "the task reported a failure")                                                      \
    X(TASK_ABORTED, 1015, "the task was aborted")                                                            \
    X(OUTCOME_UNKNOWN, 1016, "the worker was lost while the task ran: its outcome is unknown")               \
    X(NOT_A_WORKER, 1017, "this process was not started as a worker")                                        \
    X(NOT_FOUND, 1018, "there is nothing of this name")                                                      \
    /* 11xx: what the system refused */                                                                      \
    X(MEMORY, 1101, "no memory left")                                                                        \
    X(DESCRIPTORS, 1102, "no file descriptors left")                                                         \
    X(SYSTEM, 1103, "a system call failed")                                                                  \
    X(DISK_FULL, 1104, "the disk is full")                                                                   \
    /* 12xx: reaching a node */                                                                              \
    X(NODE_PROGRAM, 1201, "the program promp-node was not found")                                            \
    X(NODE_START, 1202, "the local node could not be started")                                               \
    X(NODE_TIMEOUT, 1203, "the node did not answer in time")                                                 \
    X(NODE_GONE, 1204, "the node has ended")                                                                 \
    X(SOCKET_FOLDER, 1205, "the socket folder belongs to somebody else or is open to others")                \
    X(SOCKET_PATH, 1206, "the path of the socket is too long")                                               \
    X(NOT_A_NODE, 1207, "what answers at the socket is not a promp node")                                    \
    X(VERSION, 1208, "the peer speaks no version of the protocol that this program speaks")                  \
    X(FOREIGN_USER, 1209, "the peer runs as another user")                                                   \
    X(LIMIT_WORKERS, 1210, "the limit on workers is reached")                                                \
    X(LIMIT_LINKS, 1211, "the limit on connections is reached")                                              \
    X(NODE_RUNS, 1212, "another node already serves this folder")                                            \
    X(NO_BROKER, 1213, "no broker is configured")                                                            \
    X(ZMQ_MISSING, 1214, "the library libzmq could not be loaded")                                           \
    /* 13xx: starting a worker */                                                                            \
    X(PROGRAM_MISSING, 1301, "the worker program does not exist")                                            \
    X(PROGRAM_DENIED, 1302, "the worker program may not be executed")                                        \
    X(PROGRAM_FAILED, 1303, "the worker program could not be started")                                       \
    X(START_SIZE, 1304, "arguments and environment of the worker are too large")                             \
    X(START_FOLDER, 1305, "the working directory of the worker cannot be entered")                           \
    X(PROCESSES, 1306, "the system allows no more processes")                                                \
    X(NO_PLACE, 1307, "no node can ever serve what the worker asks for")                                     \
    X(START_QUEUE, 1308, "too many starts wait for a place")                                                 \
    X(NO_LIMITS, 1309, "workers have not all limits on this node")                                           \
    /* 14xx: what a peer sent */                                                                             \
    X(FRAME_SIZE, 1401, "a frame is larger or smaller than allowed")                                         \
    X(FRAME_HEADER, 1402, "the header of a frame is malformed")                                              \
    X(FRAME_TRUNCATED, 1403, "the connection ended in the middle of a frame")                                \
    X(MESSAGE_UNKNOWN, 1404, "a message of an unknown type")                                                 \
    X(MESSAGE_FIELD, 1405, "a field of a message is malformed or beyond its limit")                          \
    X(MESSAGE_SENDER, 1406, "a message that this peer may not send")                                         \
    X(MESSAGE_STATE, 1407, "a message that is not allowed in this state")                                    \
    X(MESSAGE_SIZE, 1408, "a message is larger than its kind allows")                                        \
    X(SESSION_FOREIGN, 1409, "a message for a session of somebody else")                                     \
    X(CREDIT, 1410, "the peer sent more than it was granted")                                                \
    X(OFFSET, 1411, "the peer acknowledged what was never sent")                                             \
    X(DESCRIPTOR_COUNT, 1412, "descriptors came that were not announced")                                    \
    X(CBOR, 1413, "a value is not well-formed CBOR")                                                         \
    X(SILENT, 1414, "the peer was silent for too long")                                                      \
    /* 15xx: how a worker ended */                                                                           \
    X(WORKER_EXITED, 1501, "the worker exited")                                                              \
    X(WORKER_SIGNALLED, 1502, "the worker was ended by a signal")                                            \
    X(WORKER_MEMORY, 1503, "the worker ran out of memory")                                                   \
    X(WORKER_TIME_LIMIT, 1504, "the worker reached its time limit")                                          \
    X(WORKER_ABORTED, 1505, "the worker was ended because its task could not be aborted in time")            \
    X(WORKER_NODE_LOST, 1506, "the worker's node was lost")                                                  \
    X(WORKER_UNRESPONSIVE, 1507, "the worker did not answer for a whole time-out")                           \
    X(WORKER_MANAGER_GONE, 1508, "the worker's manager ended")                                               \
    X(WORKER_LEASE, 1509, "the manager was not heard for a whole time-out")                                  \
    X(WORKER_STOPPED, 1510, "the worker was stopped")                                                        \
    X(WORKER_START, 1511, "the worker could not be started")                                                 \
    X(WORKER_PROTOCOL, 1512, "the worker was ended because it broke the protocol")                           \
    X(MANAGER_MEMORY, 1513, "the worker was ended because its manager had no memory for what it sent")       \
    /* 16xx: containers */                                                                                   \
    X(CONTAINER_CHANGED, 1601, "the file of a container was changed since it was made")                      \
    X(CONTAINER_GONE, 1602, "the owner of a container is gone")                                              \
    X(CONTAINER_SOURCE, 1603, "the object behind a container could not be read")                             \
    X(CONTAINER_NAME, 1604, "no container is shared by this name")                                           \
    X(CONTAINER_LIMIT, 1605, "the limit on containers is reached")                                           \
    X(CONTAINER_FILE, 1606, "the file cannot be opened as a container")                                      \
    /* 17xx: keys and who may come in */                                                                     \
    X(KEY_MISSING, 1701, "there is no key (promp join, promp-node --join or promp-auth init makes one)")     \
    X(KEY_READABLE, 1702, "a secret can be read by others (chmod 600 it, or make a new one)")                \
    X(KEY_FORMAT, 1703, "a certificate is malformed")                                                        \
    X(KEY_LOCKED, 1704, "the secret key is locked by a passphrase")                                          \
    X(KEY_PASSPHRASE, 1705, "the passphrase is wrong")                                                       \
    X(KEY_EXISTS, 1706, "there is already a key")                                                            \
    X(KEY_FOLDER, 1707, "the folder of the keys belongs to somebody else or can be written by others")       \
    X(STORE_ENTRY, 1711, "an entry of the key store is malformed")                                           \
    X(STORE_BUSY, 1712, "the key store is being changed by somebody else")                                   \
    X(STORE_FULL, 1713, "the limit on keys is reached")                                                      \
    X(TOKEN_FORMAT, 1721, "this is not a token of promp")                                                    \
    X(TOKEN_CHECKSUM, 1722, "the token was mistyped or cut")                                                 \
    X(TOKEN_EXPIRED, 1723, "the token has expired")                                                          \
    X(TOKEN_USED, 1724, "the token is used up")                                                              \
    X(TOKEN_REVOKED, 1725, "the token was revoked")                                                          \
    X(TOKEN_REFUSED, 1726, "the broker does not accept the token")                                           \
    X(ACCESS_UNKNOWN, 1731, "the key is not in the store")                                                   \
    X(ACCESS_REVOKED, 1732, "the key was revoked")                                                           \
    X(ACCESS_EXPIRED, 1733, "the key has expired")                                                           \
    X(ACCESS_MECHANISM, 1734, "the peer does not use CURVE")                                                 \
    X(ACCESS_REQUEST, 1735, "a question of the handshake is malformed")                                      \
    X(CURVE_MISSING, 1741, "libzmq is older than 4.3.3 or lacks CURVE from libsodium")                       \
    X(SELFTEST, 1742, "the self-test failed: unknown keys might be let in")                                  \
    X(ZAP_TAKEN, 1743, "this process already decides about keys elsewhere")                                  \
    /* 18xx: reaching a broker, and being one */                                                             \
    X(BROKER_NAME, 1801, "the host name of the broker is not known")                                         \
    X(BROKER_ABSENT, 1802, "nobody listens at the broker's address")                                         \
    X(BROKER_SILENT, 1803, "what listens at the broker's address does not answer")                           \
    X(NOT_A_BROKER, 1804, "what listens at the broker's address is not a promp broker")                      \
    X(NOT_CURVE, 1805, "what listens at the broker's address does not encrypt")                              \
    X(BROKER_KEY, 1806, "the broker has another key than it is known by (changed? join with --replace)")     \
    X(KEY_REFUSED, 1807, "the broker does not accept our key (join with a new token and --replace)")         \
    X(KEY_ROLE, 1808, "our key has another role than this needs")                                            \
    X(BROKER_AWAY, 1809, "the broker is about to end")                                                       \
    X(NODE_TWICE, 1810, "another node uses the same key")                                                    \
    X(PORT_TAKEN, 1811, "somebody else listens at this address")                                             \
    X(PORT_ADDRESS, 1812, "this address cannot be listened at")                                              \
    X(PEER_DESCRIPTORS, 1813, "the limit on open files is too low for so many peers")                        \
    X(PEER_LEFT, 1814, "the peer's connection has ended")                                                    \
    X(CONFIG_FILE, 1815, "the configuration file is wrong")

#define PROMP_ERROR_ENUM(name, number, text) PROMP_ERR_##name = number,
typedef enum { PROMP_OK = 0, PROMP_ERRORS(PROMP_ERROR_ENUM) } promp_err_t;
#undef PROMP_ERROR_ENUM

/* What went wrong in words; docs/errors.md has cause, outcome and action for each number. */
typedef struct promp_error {
    promp_err_t code;
    int system;     /* errno where the system refused something, else 0 */
    char text[512]; /* one sentence, UTF-8, no newline; starts with the text of the table */
} promp_error_t;

#ifdef __cplusplus
}
#endif
#endif
