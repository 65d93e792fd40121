/* The link: descriptors, honest and hostile ones, and the peer's credentials. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "link_rig.h"

static int open_fds(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* Writes raw bytes with descriptors to the socket behind a link. */
static void write_fds(promp_link_t *link, const void *data, size_t size, const int *fds, size_t count)
{
    char control[CMSG_SPACE(sizeof(int) * 16)] = {0};
    struct iovec iov = {(void *)data, size};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control};
    message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
    struct cmsghdr *c = CMSG_FIRSTHDR(&message);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int) * count);
    memcpy(CMSG_DATA(c), fds, sizeof(int) * count);
    assert_int_equal(sendmsg(promp_link_fd(link), &message, 0), size);
}
static ino_t inode(int fd)
{
    struct stat st;
    assert_int_equal(fstat(fd, &st), 0);
    return st.st_ino;
}

static void test_fds(void **state)
{
    /* Descriptors arrive with their own frames, close-on-exec, whether these leave at once, corked or from
     * the queue. */
    for (int way = 0; way < 3; way++) {
        link_pair_t *pair = *state;
        int pipes[6];
        ino_t inodes[6];
        for (int i = 0; i < 6; i += 2)
            assert_int_equal(pipe(pipes + i), 0);
        for (int i = 0; i < 6; i++)
            inodes[i] = inode(pipes[i]);
        if (way == 1)
            promp_link_cork(pair->a);
        uint64_t n = 0;
        while (way == 2 && !promp_link_wants_write(pair->a))
            assert_int_equal(link_rig_send(pair->a, PROMP_LANE_MESSAGES, n++, 100000, 0), PROMP_OK);
        uint8_t *body = link_rig_body(1, 20);
        for (size_t i = 0; i < 6; i += 1 + i) { /* 1, 2 and 3 of them; a frame without in between */
            promp_out_t out = link_rig_out(PROMP_LANE_MESSAGES, 1000 + i, body, 20);
            size_t count = i == 3 ? 3 : i + 1;
            assert_int_equal(promp_link_send(pair->a, &out, pipes + i, count, 0), PROMP_OK);
            assert_int_equal(link_rig_send(pair->a, PROMP_LANE_MESSAGES, 5, 5, 0), PROMP_OK);
        }
        free(body);
        for (int i = 0; i < 6; i++)
            close(pipes[i]);
        if (way == 1)
            assert_int_equal(promp_link_uncork(pair->a), PROMP_OK);
        for (uint64_t i = 0; i < n; i++) {
            assert_int_equal(promp_link_flush(pair->a), PROMP_OK);
            link_rig_expect_data(pair->b, i, 100000);
        }
        assert_int_equal(promp_link_flush(pair->a), PROMP_OK);
        for (size_t i = 0; i < 6; i += 1 + i) {
            promp_frame_t frame;
            int fds[PROMP_LIMIT_FRAME_FDS];
            link_rig_expect(pair->b, &frame, fds);
            assert_int_equal(frame.offset, 1000 + i);
            assert_int_equal(frame.fds, i == 3 ? 3 : i + 1);
            for (size_t k = 0; k < frame.fds; k++) {
                assert_int_equal(inode(fds[k]), inodes[i + k]);
                assert_int_equal(fcntl(fds[k], F_GETFD), FD_CLOEXEC);
                close(fds[k]);
            }
            link_rig_expect_data(pair->b, 5, 5);
        }
        link_rig_teardown(state);
        link_rig_setup(state);
    }
}

static void test_fds_of_nobody(void **state)
{
    /* Descriptors that no frame announced, or fewer than announced, spoil the link, and none stays open. */
    for (int way = 0; way < 3; way++) {
        int before = open_fds();
        link_pair_t *pair = *state;
        uint8_t bytes[2 * PROMP_FRAME_HEADER];
        int fds[PROMP_LIMIT_FRAME_FDS] = {0, 0};
        promp_frame_t frame;
        bool got;
        link_rig_pack(bytes, PROMP_TYPE_BYE, PROMP_FRAME_HEADER, way == 0 ? 0 : way == 1 ? 3 : 2);
        link_rig_pack(bytes + PROMP_FRAME_HEADER, PROMP_TYPE_BYE, PROMP_FRAME_HEADER, 0);
        if (way == 2) /* they come inside the frame, not with its first byte */
            link_rig_write(pair->a, bytes, 8), link_rig_expect_none(pair->b);
        size_t at = way == 2 ? 8 : 0;
        write_fds(pair->a, bytes + at, PROMP_FRAME_HEADER - at, fds, 2);
        assert_int_equal(promp_link_read(pair->b, NULL), PROMP_OK);
        promp_err_t err = promp_link_next(pair->b, &frame, fds, &got);
        if (way == 0) { /* found when the next frame begins */
            assert_int_equal(err, PROMP_OK);
            link_rig_write(pair->a, bytes + PROMP_FRAME_HEADER, PROMP_FRAME_HEADER);
            assert_int_equal(promp_link_read(pair->b, NULL), PROMP_OK);
            err = promp_link_next(pair->b, &frame, fds, &got);
        }
        if (way == 2) { /* harmless: they are claimed all the same */
            assert_int_equal(err, PROMP_OK);
            close(fds[0]);
            close(fds[1]);
        } else {
            assert_int_equal(err, PROMP_ERR_DESCRIPTOR_COUNT);
        }
        link_rig_teardown(state);
        link_rig_setup(state);
        assert_int_equal(open_fds(), before);
    }
}

static void test_too_many_fds(void **state)
{
    /* More descriptors at once than a frame may have, and more unclaimed ones than the limit, are errors
     * without a leak. */
    int before = open_fds();
    link_pair_t *pair = *state;
    int fds[16] = {0};
    write_fds(pair->a, "x", 1, fds, 5);
    assert_int_equal(promp_link_read(pair->b, NULL), PROMP_ERR_DESCRIPTOR_COUNT);
    link_rig_teardown(state);
    link_rig_setup(state);
    assert_int_equal(open_fds(), before);

    pair = *state;
    promp_err_t err = PROMP_OK;
    int reads = 0;
    while (!err && reads < 100) {
        write_fds(pair->a, "\x28", 1, fds, 4);
        err = promp_link_read(pair->b, NULL);
        reads++;
    }
    assert_int_equal(err, PROMP_ERR_DESCRIPTOR_COUNT);
    assert_int_equal(reads, PROMP_LIMIT_LINK_FDS / 4 + 1);
    link_rig_teardown(state);
    link_rig_setup(state);
    assert_int_equal(open_fds(), before);
}

static void test_no_room_for_fds(void **state)
{
    /* When this process has no descriptors left, that is told as such and not as the peer's fault. */
    link_pair_t *pair = *state;
    int fds[2] = {0, 0};
    struct rlimit before, none;
    link_rig_expect_none(pair->b);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    write_fds(pair->a, "x", 1, fds, 2);
    none = (struct rlimit){3, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    promp_err_t err = promp_link_read(pair->b, NULL);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(err, PROMP_ERR_DESCRIPTORS);
}

/* The limit of open files with which so many can still be opened. */
static rlim_t limit_for(int room)
{
    rlim_t limit = 0;
    for (; room > 0 || fcntl((int)limit, F_GETFD) >= 0; limit++)
        room -= fcntl((int)limit, F_GETFD) < 0;
    return limit;
}

static void test_lost_fds(void **state)
{
    /* Who goes on without them gets their frame, with -1 for each that was lost, and the frames behind it whole. */
    for (int room = 0; room < 3; room++) {
        link_pair_t *pair = *state;
        int before = open_fds();
        struct rlimit limit, small;
        uint8_t bytes[PROMP_FRAME_HEADER];
        int fds[PROMP_LIMIT_FRAME_FDS] = {0, 0, 0, 0};
        promp_frame_t frame;
        bool again;
        link_rig_expect_none(pair->b);
        for (int i = 2; i > 0; i--) {
            link_rig_pack(bytes, PROMP_TYPE_BYE, PROMP_FRAME_HEADER, (uint8_t)i);
            write_fds(pair->a, bytes, sizeof bytes, fds, (size_t)i);
        }
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        small = (struct rlimit){limit_for(room), limit.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &small), 0);
        promp_err_t err = promp_link_read(pair->b, &again);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        assert_int_equal(err, room < 2 ? PROMP_ERR_DESCRIPTORS : PROMP_OK);
        assert_true(again);
        assert_int_equal(promp_link_read(pair->b, NULL), PROMP_OK);
        link_rig_expect(pair->b, &frame, fds);
        assert_int_equal(frame.fds, 2);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(fds[i] >= 0, i < room);
            if (fds[i] >= 0)
                close(fds[i]);
        }
        link_rig_expect(pair->b, &frame, fds);
        assert_int_equal(frame.fds, 1);
        assert_true(fds[0] >= 0);
        close(fds[0]);
        assert_int_equal(open_fds(), before);
        link_rig_expect_none(pair->b);
    }
}

static void test_fds_dropped(void **state)
{
    /* Descriptors queued behind a full socket are closed with the link, those of the caller are not touched. */
    int before = open_fds();
    link_pair_t *pair = *state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    while (!promp_link_wants_write(pair->a))
        assert_int_equal(link_rig_send(pair->a, PROMP_LANE_MESSAGES, 0, 100000, 0), PROMP_OK);
    uint8_t *body = link_rig_body(1, 20);
    promp_out_t out = link_rig_out(PROMP_LANE_MESSAGES, 1, body, 20);
    assert_int_equal(promp_link_send(pair->a, &out, ends, 2, 0), PROMP_OK);
    assert_int_equal(promp_link_send(pair->a, &out, ends, PROMP_LIMIT_FRAME_FDS + 1, 0), PROMP_ERR_ARGUMENT);
    free(body);
    assert_int_equal(open_fds(), before + 4);
    link_rig_teardown(state);
    link_rig_setup(state);
    assert_int_equal(open_fds(), before + 2);
    close(ends[0]);
    close(ends[1]);
}

static void test_peer(void **state)
{
    /* The kernel tells who is at the other end. */
    link_pair_t *pair = *state;
    pid_t pid = 0;
    uid_t uid = 12345;
    assert_int_equal(promp_link_peer(pair->a, &pid, &uid), PROMP_OK);
    assert_int_equal(pid, getpid());
    assert_int_equal(uid, geteuid());
}

static void test_flags(void **state)
{
    /* A link never blocks and is not inherited; what is no descriptor gives no link. */
    link_pair_t *pair = *state;
    assert_true(fcntl(promp_link_fd(pair->a), F_GETFL) & O_NONBLOCK);
    assert_int_equal(fcntl(promp_link_fd(pair->a), F_GETFD), FD_CLOEXEC);
    assert_null(promp_link_new(-1));
    promp_link_t *none = NULL;
    promp_link_destroy(&none);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, link_rig_setup, link_rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_fds),         TEST(test_fds_of_nobody),   TEST(test_too_many_fds),
        TEST(test_fds_dropped), TEST(test_no_room_for_fds), TEST(test_peer),
        TEST(test_flags),       TEST(test_lost_fds),
    };
    return cmocka_run_group_tests_name("link_fds", tests, NULL, NULL);
}
