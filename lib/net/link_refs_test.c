/* The link: the kernel takes no descriptors, since too many are under way between processes of this user. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "link_rig.h"

static bool too_many;

ssize_t __real_sendmsg(int fd, const struct msghdr *message, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags);

ssize_t __wrap_sendmsg(int fd, const struct msghdr *message, int flags)
{
    if (too_many && message->msg_control) {
        errno = ETOOMANYREFS;
        return -1;
    }
    return __real_sendmsg(fd, message, flags);
}

static promp_err_t send_with(promp_link_t *link, uint64_t n, size_t fds)
{
    uint8_t *body = link_rig_body(n, 20);
    promp_out_t out = link_rig_out(PROMP_LANE_MESSAGES, n, body, 20);
    promp_err_t err = promp_link_send(link, &out, (int[]){0, 0}, fds, 0);
    free(body);
    return err;
}

static void expect(promp_link_t *link, uint64_t n, size_t fds)
{
    promp_frame_t frame;
    int got[PROMP_LIMIT_FRAME_FDS];
    link_rig_expect(link, &frame, got);
    assert_int_equal(frame.offset, n);
    assert_int_equal(frame.fds, fds);
    for (size_t i = 0; i < fds; i++)
        close(got[i]);
}

static void test_at_once(void **state)
{
    /* A frame whose descriptors the kernel does not take is refused, and the link goes on. */
    link_pair_t *pair = *state;
    too_many = true;
    assert_int_equal(send_with(pair->a, 1, 1), PROMP_ERR_DESCRIPTORS);
    assert_int_equal(send_with(pair->a, 2, 0), PROMP_OK);
    too_many = false;
    assert_int_equal(send_with(pair->a, 3, 2), PROMP_OK);
    expect(pair->b, 2, 0);
    expect(pair->b, 3, 2);
}

static void test_queued(void **state)
{
    /* One that was accepted goes without them, by flush or with a frame that follows, and what is around it arrives. */
    for (int with_next = 0; with_next < 2; with_next++) {
        link_pair_t *pair = *state;
        promp_link_cork(pair->a);
        assert_int_equal(send_with(pair->a, 1, 0), PROMP_OK);
        assert_int_equal(send_with(pair->a, 2, 1), PROMP_OK);
        assert_int_equal(send_with(pair->a, 3, 2), PROMP_OK);
        assert_int_equal(send_with(pair->a, 4, 0), PROMP_OK);
        too_many = true;
        if (with_next) /* a large one takes along what has gathered */
            assert_int_equal(link_rig_send(pair->a, PROMP_LANE_MESSAGES, 5, 100000, 0), PROMP_OK);
        assert_int_equal(promp_link_uncork(pair->a), PROMP_OK);
        too_many = false;
        assert_false(promp_link_wants_write(pair->a) && !with_next);
        for (uint64_t n = 1; n <= 4; n++)
            expect(pair->b, n, 0);
        if (with_next) {
            assert_int_equal(promp_link_flush(pair->a), PROMP_OK);
            expect(pair->b, 5, 0);
        }
        assert_int_equal(send_with(pair->a, 6, 1), PROMP_OK);
        expect(pair->b, 6, 1);
    }
}

static void test_one_queued(void **state)
{
    /* Likewise when it is all that waits, in front of a large frame that takes it along. */
    link_pair_t *pair = *state;
    promp_link_cork(pair->a);
    assert_int_equal(send_with(pair->a, 1, 1), PROMP_OK);
    too_many = true;
    assert_int_equal(link_rig_send(pair->a, PROMP_LANE_MESSAGES, 2, 100000, 0), PROMP_OK);
    too_many = false;
    assert_int_equal(promp_link_uncork(pair->a), PROMP_OK);
    expect(pair->b, 1, 0);
    expect(pair->b, 2, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, link_rig_setup, link_rig_teardown)
    const struct CMUnitTest tests[] = {TEST(test_at_once), TEST(test_queued), TEST(test_one_queued)};
    return cmocka_run_group_tests_name("link_refs", tests, NULL, NULL);
}
