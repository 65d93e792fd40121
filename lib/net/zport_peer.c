/* zport_peer.c - who the peers are: found by what the handshake said, forgotten when their connection has ended. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "zport_inside.h"

/* --- connections --- */

/* The inode of a connection to our port, 0: fd is none (any more). */
static ino_t connection(const promp_zport_t *port, int fd)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    struct stat status;
    in_port_t number = 0;

    if (fd < 0 || fstat(fd, &status) < 0 || !S_ISSOCK(status.st_mode) ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0)
        return 0;
    if (address.ss_family == AF_INET)
        number = ((struct sockaddr_in *)&address)->sin_port;
    else if (address.ss_family == AF_INET6)
        number = ((struct sockaddr_in6 *)&address)->sin6_port;
    return ntohs(number) == port->tcp_port ? status.st_ino : 0;
}

static bool connected(const promp_zpeer_entry_t *peer)
{
    struct stat status;

    return fstat(peer->fd, &status) == 0 && S_ISSOCK(status.st_mode) && status.st_ino == peer->inode;
}

/* There is no call to drop a peer. libzmq sees the end of the stream and closes the descriptor itself. Should it have closed it
 * between the look and the call, another peer might have to connect again: nothing worse. */
static void disconnect(const promp_zpeer_entry_t *peer)
{
    if (connected(peer))
        (void)shutdown(peer->fd, SHUT_RDWR);
}

/* Turns a connection away that is to be no peer. */
static void refuse(promp_zport_t *port, zmq_msg_t *body)
{
    int fd = zmq_msg_get(body, ZMQ_SRCFD);

    port->refused++;
    if (connection(port, fd))
        (void)shutdown(fd, SHUT_RDWR);
}

/* --- entries --- */

static promp_id_t key_of(const uint8_t id[PROMP_ZPORT_ID])
{
    promp_id_t key = {{0}};

    memcpy(key.b, id, PROMP_ZPORT_ID);
    return key;
}

promp_zpeer_entry_t *promp_zpeer_find(const promp_zport_t *port, promp_zpeer_t name)
{
    uint32_t index = (uint32_t)name;

    if (index >= port->made)
        return NULL;
    promp_zpeer_entry_t *peer = port->peers[index];
    return peer->generation == name >> 32 && peer->state == PROMP_ZPEER_LIVE ? peer : NULL;
}

static int give(void *arg, zmq_msg_t *part)
{
    promp_zpeer_entry_t *peer = arg;
    void *socket = peer->port->socket;

    peer->port->stirred = true;
    if (zmq_send(socket, peer->id, sizeof peer->id, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        return errno;
    return zmq_msg_send(part, socket, ZMQ_DONTWAIT) < 0 ? errno : 0;
}

/* The queues end; what has left libzmq has left. */
static void mute(promp_zpeer_entry_t *peer)
{
    promp_zout_drop(&peer->out, PROMP_ERR_PEER_LEFT);
    promp_list_remove(&peer->port->blocked, &peer->blocked);
}

static void release(promp_zpeer_entry_t *peer)
{
    promp_zport_t *port = peer->port;
    promp_id_t key = key_of(peer->id);

    mute(peer);
    if (promp_map_get(port->by_id, &key) == peer)
        promp_map_remove(port->by_id, &key);
    if ((size_t)peer->fd < port->by_fd_size && port->by_fd[peer->fd] == peer->index + 1)
        port->by_fd[peer->fd] = 0;
    zmq_msg_close(&peer->pin);
    peer->user = NULL;
    peer->state = PROMP_ZPEER_FREE;
    promp_list_append(&port->free, &peer->list);
}

void promp_zpeer_leave(promp_zpeer_entry_t *peer, promp_err_t why)
{
    promp_zport_t *port = peer->port;

    mute(peer);
    if (why != PROMP_ERR_PEER_LEFT)
        disconnect(peer);
    port->live--;
    peer->why = why;
    peer->state = PROMP_ZPEER_LEFT;
    promp_list_append(&port->gone, &peer->list);
}

void promp_zpeer_kick(promp_zpeer_entry_t *peer)
{
    mute(peer);
    disconnect(peer);
    peer->port->live--;
    peer->state = PROMP_ZPEER_KICKED;
    peer->fading = false;
}

void promp_zpeer_told(promp_zpeer_entry_t *peer)
{
    promp_list_remove(&peer->port->gone, &peer->list);
    peer->state = PROMP_ZPEER_KICKED; /* until the sweep has seen that its connection is over */
    peer->fading = false;
}

/* --- a new one --- */

/* Room for descriptor fd in by_fd. */
static bool reserve_fd(promp_zport_t *port, int fd)
{
    size_t size = port->by_fd_size ? port->by_fd_size : 256;

    while (size <= (size_t)fd)
        size *= 2;
    if (size == port->by_fd_size)
        return true;
    uint32_t *by_fd = reallocarray(port->by_fd, size, sizeof *by_fd);
    if (!by_fd)
        return false;
    memset(by_fd + port->by_fd_size, 0, (size - port->by_fd_size) * sizeof *by_fd);
    port->by_fd = by_fd;
    port->by_fd_size = size;
    return true;
}

/* libzmq counts its routing ids up. */
static bool is_later(const uint8_t *id, const uint8_t *than)
{
    uint32_t difference = 0;

    for (size_t i = 1; i < PROMP_ZPORT_ID; i++)
        difference = difference << 8 | id[i];
    for (size_t i = 1; i < PROMP_ZPORT_ID; i++)
        difference -= (uint32_t)than[i] << 8 * (PROMP_ZPORT_ID - 1 - i);
    return (int32_t)difference > 0;
}

/* Two connections that name the same descriptor: the later one has it, and the first frame of an earlier one that is over may
 * be read behind that of the later one. */
static bool is_over(const promp_zport_t *port, const uint8_t *id, int fd, ino_t inode)
{
    const promp_zpeer_entry_t *other = port->by_fd[fd] ? port->peers[port->by_fd[fd] - 1] : NULL;

    return other && other->state == PROMP_ZPEER_LIVE && other->inode == inode && !is_later(id, other->id);
}

/* What was known of this descriptor or this routing id is of a connection that is over. */
static void displace(promp_zpeer_entry_t *before)
{
    if (!before)
        return;
    if (before->state == PROMP_ZPEER_LIVE)
        promp_zpeer_leave(before, PROMP_ERR_PEER_LEFT);
    else if (before->state == PROMP_ZPEER_KICKED)
        release(before);
}

static promp_zpeer_entry_t *entry(promp_zport_t *port)
{
    promp_node_t *node = promp_list_first(&port->free);

    if (node) {
        promp_list_remove(&port->free, node);
        return PROMP_CONTAINER(node, promp_zpeer_entry_t, list);
    }
    /* Kicked ones keep their entries for a moment. */
    if (port->made == 2 * port->config.peers)
        return NULL;
    promp_zpeer_entry_t *peer = calloc(1, sizeof *peer);
    if (!peer)
        return NULL;
    peer->port = port;
    peer->index = port->made;
    port->peers[port->made++] = peer;
    return peer;
}

static void furnish(promp_zpeer_entry_t *peer, const uint8_t *id, zmq_msg_t *body, int fd, ino_t inode)
{
    promp_zport_t *port = peer->port;

    memcpy(peer->id, id, PROMP_ZPORT_ID);
    zmq_msg_init(&peer->pin);
    zmq_msg_copy(&peer->pin, body);
    peer->user = zmq_msg_gets(&peer->pin, "User-Id");
    peer->fd = fd;
    peer->inode = inode;
    peer->generation++;
    peer->state = PROMP_ZPEER_LIVE;
    peer->fading = false;
    peer->window = (promp_window_t){.limit = port->config.window};
    peer->out = (promp_zout_t){.give = give,
                               .arg = peer,
                               .tags = &port->tags,
                               .window = &peer->window,
                               .urgent.limit = PROMP_LIMIT_PEER_CONTROL,
                               .data.limit = PROMP_LIMIT_PEER_DATA};
    port->by_fd[fd] = peer->index + 1;
    port->live++;
}

static promp_zpeer_entry_t *introduce(promp_zport_t *port, const uint8_t *id, zmq_msg_t *body)
{
    int fd = zmq_msg_get(body, ZMQ_SRCFD);
    ino_t inode = connection(port, fd);
    promp_id_t key = key_of(id);

    if (!inode)
        return NULL; /* it is gone already */
    if (!reserve_fd(port, fd)) {
        refuse(port, body);
        return NULL;
    }
    if (is_over(port, id, fd, inode))
        return NULL;
    if (port->by_fd[fd])
        displace(port->peers[port->by_fd[fd] - 1]);
    if (zmq_msg_size(body) > PROMP_LIMIT_PEER_FIRST || port->live >= port->config.peers) {
        refuse(port, body);
        return NULL;
    }
    promp_zpeer_entry_t *peer = entry(port);
    if (!peer || promp_map_put(port->by_id, &key, peer) != PROMP_OK) {
        if (peer)
            promp_list_append(&port->free, &peer->list);
        refuse(port, body);
        return NULL;
    }
    furnish(peer, id, body, fd, inode);
    return peer;
}

promp_zpeer_entry_t *promp_zpeer_of(promp_zport_t *port, zmq_msg_t *id, zmq_msg_t *body, bool *new_one)
{
    const char *user = zmq_msg_gets(body, "User-Id");
    const uint8_t *bytes = zmq_msg_data(id);

    *new_one = false;
    if (!user || !*user || zmq_msg_size(id) != PROMP_ZPORT_ID || bytes[0] != 0) {
        refuse(port, body);
        return NULL;
    }
    promp_id_t key = key_of(bytes);
    promp_zpeer_entry_t *peer = promp_map_get(port->by_id, &key);
    if (peer && peer->user == user)
        return peer->state == PROMP_ZPEER_LIVE ? peer : NULL;
    displace(peer);
    *new_one = true;
    return introduce(port, bytes, body);
}

/* --- time --- */

/* Two sweeps must find a connection ended, and all that libzmq had must have been read in between. */
static void look_at(promp_zpeer_entry_t *peer)
{
    if (connected(peer)) {
        peer->fading = false;
    } else if (!peer->fading) {
        peer->fading = true;
        peer->faded = peer->port->drained;
        peer->port->stirred = true; /* what it has sent is to be read */
    } else if (peer->faded != peer->port->drained) {
        displace(peer);
    }
}

void promp_zpeer_sweep(promp_zport_t *port)
{
    for (uint32_t i = 0; i < port->made; i++)
        if (port->peers[i]->state == PROMP_ZPEER_LIVE || port->peers[i]->state == PROMP_ZPEER_KICKED)
            look_at(port->peers[i]);
}

void promp_zpeer_settle(promp_zpeer_entry_t *peer)
{
    promp_list_t *blocked = &peer->port->blocked;

    if (peer->out.broken || !peer->out.full)
        promp_list_remove(blocked, &peer->blocked);
    else if (!peer->blocked.next)
        promp_list_append(blocked, &peer->blocked);
}

void promp_zpeer_retry(promp_zport_t *port)
{
    for (size_t count = port->blocked.count; count > 0; count--) {
        promp_node_t *node = promp_list_first(&port->blocked);
        promp_zpeer_entry_t *peer = PROMP_CONTAINER(node, promp_zpeer_entry_t, blocked);
        promp_list_remove(&port->blocked, node);
        (void)promp_zout_flush(&peer->out);
        promp_zpeer_settle(peer);
    }
}
