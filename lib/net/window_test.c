/* The window: what is counted, when it is told, what is a breach. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "buf.h"
#include "window.h"

static promp_frame_t data(uint32_t size)
{
    return (promp_frame_t){.type = PROMP_TYPE_DATA, .lane = PROMP_LANE_BULK, .size = size};
}

static void test_in(void **state)
{
    /* Bytes that arrive count until they are released; a quarter of the window is told at once; one frame of grace, then CREDIT. */
    (void)state;
    promp_window_t window = {.limit = 1000};
    promp_frame_t frame = data(100), control = frame;
    promp_out_t ack;
    bool keep;
    for (int i = 0; i < 10; i++)
        assert_int_equal(promp_window_take(&window, &frame, &keep), PROMP_OK);
    assert_true(keep);
    promp_window_release(&window, 249);
    assert_false(promp_window_due(&window, &ack));
    promp_window_release(&window, 1);
    assert_true(promp_window_due(&window, &ack));
    assert_int_equal(ack.frame.type, PROMP_TYPE_LINK_ACK);
    assert_true(ack.urgent);
    promp_window_told(&window);
    assert_false(promp_window_due(&window, &ack));
    promp_window_release(&window, 100000); /* more than there is */
    assert_int_equal(window.in_released, 1000);

    frame = data(PROMP_LIMIT_FRAME);
    for (uint64_t held = 0; held < 1000 + PROMP_LIMIT_FRAME; held += frame.size)
        assert_int_equal(promp_window_take(&window, &frame, &keep), PROMP_OK);
    assert_int_equal(promp_window_take(&window, &frame, &keep), PROMP_ERR_CREDIT);
    control.lane = PROMP_LANE_CONTROL;
    assert_int_equal(promp_window_take(&window, &control, &keep), PROMP_OK); /* control apart */
}

static promp_err_t acknowledge(promp_window_t *window, uint64_t released, size_t size)
{
    uint8_t body[8];
    bool keep = true;
    promp_frame_t frame = {.type = PROMP_TYPE_LINK_ACK, .size = promp_frame_size(size), .body = {body, size}};
    promp_put64(body, released);
    promp_err_t err = promp_window_take(window, &frame, &keep);
    assert_false(keep);
    return err;
}

static void test_out(void **state)
{
    /* Acknowledgements open the window, late ones do not close it, and none goes beyond what was sent. */
    (void)state;
    promp_window_t window = {.limit = 1000, .out_windowed = 1200};
    assert_int_equal(promp_window_room(&window), 0);
    assert_int_equal(acknowledge(&window, 600, 8), PROMP_OK);
    assert_int_equal(promp_window_room(&window), 400);
    assert_int_equal(acknowledge(&window, 500, 8), PROMP_OK);
    assert_int_equal(promp_window_room(&window), 400);
    assert_int_equal(acknowledge(&window, 1201, 8), PROMP_ERR_OFFSET);
    assert_int_equal(acknowledge(&window, 1200, 7), PROMP_ERR_MESSAGE_FIELD);
    assert_int_equal(acknowledge(&window, 1200, 8), PROMP_OK);
    assert_int_equal(promp_window_room(&window), 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_in), cmocka_unit_test(test_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
