/* local.c - the folder of the local node, and connecting to it. */
#include "local.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "buf.h"
#include "limits.h"
#include "local_inside.h"
#include "message.h"

#define STARTS      3  /* of a node, in one call */
#define LINE_PAUSE  10 /* ms between tries while too many wait in line */
#define SUFFIX_ROOM 4  /* of a socket that is bound under a temporary name */

const char *promp_local_build(void)
{
    return PROMP_BUILD;
}

/* --- the key --- */

static void add_text(crypto_generichash_state *hash, const char *text, size_t size)
{
    uint8_t head[8];
    promp_put64(head, size); /* so that "ab" "c" is not "a" "bc" */
    crypto_generichash_update(hash, head, sizeof head);
    crypto_generichash_update(hash, (const uint8_t *)text, size);
}

/* What cannot be read counts as empty: some containers hide it, and then it is hidden from all. */
static void add_file(crypto_generichash_state *hash, const char *path)
{
    char text[4096];
    size_t size = 0;
    ssize_t n;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    while (fd >= 0 && size < sizeof text && (n = read(fd, text + size, sizeof text - size)) > 0)
        size += (size_t)n;
    if (fd >= 0)
        close(fd);
    add_text(hash, text, size);
}

static void add_link(crypto_generichash_state *hash, const char *path)
{
    char text[256];
    ssize_t n = readlink(path, text, sizeof text);
    add_text(hash, text, n > 0 ? (size_t)n : 0);
}

static void make_key(char key[17])
{
    static const char *const namespaces[] = {"/proc/self/ns/pid", "/proc/self/ns/mnt", "/proc/self/ns/net",
                                             "/proc/self/ns/ipc", "/proc/self/ns/user"};
    const char *instance = secure_getenv("PROMP_INSTANCE");
    crypto_generichash_state hash;
    uint8_t digest[crypto_generichash_BYTES_MIN];
    char major[16];

    snprintf(major, sizeof major, "%d", PROMP_PROTOCOL_MAJOR);
    crypto_generichash_init(&hash, NULL, 0, sizeof digest);
    add_text(&hash, major, strlen(major));
    add_text(&hash, PROMP_BUILD, strlen(PROMP_BUILD));
    add_file(&hash, "/proc/self/cgroup");
    for (size_t i = 0; i < sizeof namespaces / sizeof namespaces[0]; i++)
        add_link(&hash, namespaces[i]);
    add_text(&hash, instance ? instance : "", instance ? strlen(instance) : 0);
    crypto_generichash_final(&hash, digest, sizeof digest);
    for (int i = 0; i < 8; i++)
        snprintf(key + 2 * i, 3, "%02x", digest[i]);
}

/* --- the folder --- */

/* A directory, ours, and nobody else's business. */
static promp_err_t check_folder(const char *path, promp_error_t *error)
{
    struct stat st;

    if (lstat(path, &st) < 0)
        return promp_error_set(error, errno == ENOENT ? PROMP_ERR_NODE_GONE : promp_error_from_errno(errno),
                               errno, "%s", path);
    if (!S_ISDIR(st.st_mode))
        return promp_error_set(error, PROMP_ERR_SOCKET_FOLDER, 0, "%s is not a directory", path);
    if (st.st_uid != geteuid())
        return promp_error_set(error, PROMP_ERR_SOCKET_FOLDER, 0, "%s belongs to user %u", path,
                               (unsigned)st.st_uid);
    if (st.st_mode & 077)
        return promp_error_set(error, PROMP_ERR_SOCKET_FOLDER, 0, "%s has mode %04o, which must be 0700",
                               path, (unsigned)st.st_mode & 07777);
    return PROMP_OK;
}

static promp_err_t have_folder(const char *path, bool make, promp_error_t *error)
{
    if (make && mkdir(path, 0700) == 0) {
        if (chmod(path, 0700) < 0) /* the umask may have taken something away from us */
            return promp_error_set(error, promp_error_from_errno(errno), errno, "%s", path);
    } else if (make && errno != EEXIST) {
        return promp_error_set(error, promp_error_from_errno(errno), errno, "cannot make %s", path);
    }
    return check_folder(path, error);
}

/* XDG_RUNTIME_DIR may be a leftover of the user who became us; then it is of no use. */
static bool usable(const char *folder)
{
    struct stat st;
    return folder && folder[0] == '/' && stat(folder, &st) == 0 && S_ISDIR(st.st_mode) &&
           st.st_uid == geteuid();
}

static promp_err_t too_long(const char *path, promp_error_t *error)
{
    return promp_error_set(error, PROMP_ERR_SOCKET_PATH, 0, "%.200s: set PROMP_RUNTIME_DIR to a shorter one",
                           path);
}

static promp_err_t base_folder(char *path, size_t room, promp_error_t *error)
{
    const char *own = secure_getenv("PROMP_RUNTIME_DIR"), *xdg = secure_getenv("XDG_RUNTIME_DIR");
    int n;

    if (own && own[0] && own[0] != '/')
        return promp_error_set(error, PROMP_ERR_SOCKET_FOLDER, 0,
                               "PROMP_RUNTIME_DIR is no absolute path: %.200s", own);
    if (own && own[0])
        n = snprintf(path, room, "%s", own);
    else if (usable(xdg))
        n = snprintf(path, room, "%s/promp", xdg);
    else
        n = snprintf(path, room, "/tmp/promp-%u", (unsigned)geteuid());
    return n < 0 || (size_t)n >= room ? too_long(own && own[0] ? own : xdg, error) : PROMP_OK;
}

promp_err_t promp_local_find(promp_local_t *local, bool make, promp_error_t *error)
{
    char base[sizeof local->folder], key[17];
    promp_err_t err = base_folder(base, sizeof base, error);

    if (err)
        return err;
    make_key(key);
    if (strlen(base) + sizeof "/0123456789abcdef/socket" + SUFFIX_ROOM > sizeof local->socket)
        return too_long(base, error);
    (void)snprintf(local->folder, sizeof local->folder, "%.*s/%s", 80, base, key);
    (void)snprintf(local->socket, sizeof local->socket, "%.*s/socket", 100, local->folder);
    (void)snprintf(local->lock, sizeof local->lock, "%.*s/lock", 100, local->folder);
    (void)snprintf(local->log, sizeof local->log, "%.*s/log", 100, local->folder);
    err = have_folder(base, make, error);
    return err ? err : have_folder(local->folder, make, error);
}

/* --- connecting --- */

/* Who listens must be us: the folder is ours alone, and root does not run our workers. */
static promp_err_t check_peer(int fd, promp_error_t *error)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0)
        return promp_error_set(error, promp_error_from_errno(errno), errno, "SO_PEERCRED");
    if (peer.uid != geteuid())
        return promp_error_set(error, PROMP_ERR_FOREIGN_USER, 0, "process %ld, user %u", (long)peer.pid,
                               (unsigned)peer.uid);
    return PROMP_OK;
}

static promp_err_t connect_error(int e, const char *path, promp_error_t *error)
{
    promp_err_t err = promp_error_from_errno(e);

    if (e == ENOENT || e == ECONNREFUSED)
        err = PROMP_ERR_NODE_GONE;
    else if (e == EAGAIN)
        err = PROMP_ERR_NODE_TIMEOUT;
    else if (e == EPROTOTYPE || e == ENOTSOCK)
        err = PROMP_ERR_NOT_A_NODE;
    return promp_error_set(error, err, e, "%s", path);
}

promp_err_t promp_local_open(const char *path, int *fd, promp_error_t *error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    promp_err_t err;

    *fd = -1;
    if (strlen(path) >= sizeof address.sun_path)
        return too_long(path, error);
    memcpy(address.sun_path, path, strlen(path) + 1);
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s < 0)
        return promp_error_set(error, promp_error_from_errno(errno), errno, "socket");
    if (connect(s, (struct sockaddr *)&address, sizeof address) < 0)
        err = connect_error(errno, path, error);
    else
        err = check_peer(s, error);
    if (err)
        close(s);
    else
        *fd = s;
    return err;
}

/* Waits in line, should that be long. */
static promp_err_t open_patiently(const char *path, int64_t deadline, int *fd, promp_error_t *error)
{
    promp_err_t err;

    while ((err = promp_local_open(path, fd, error)) == PROMP_ERR_NODE_TIMEOUT && promp_clock_ms() < deadline)
        poll(NULL, 0, LINE_PAUSE);
    return err;
}

promp_err_t promp_local_connect(const promp_local_t *local, const char *program, bool start, int timeout,
                                int *fd, promp_error_t *error)
{
    int64_t deadline = promp_clock_ms() + timeout;
    promp_err_t err = open_patiently(local->socket, deadline, fd, error);

    /* A node that ends at this very moment refuses the next; then another is started. */
    for (int i = 0; err == PROMP_ERR_NODE_GONE && start && i < STARTS; i++) {
        err = promp_local_start(program, deadline, error);
        if (!err)
            err = open_patiently(local->socket, deadline, fd, error);
    }
    return err;
}
