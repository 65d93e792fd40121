/* Times as people write them. */
#include "auth_time.h"

#include <time.h>

#include "auth_rig.h"

/* Aim: text and seconds agree with the C library's calendar, both ways, over 8,000 years. */
static void as_the_c_library(void **state)
{
    (void)state;
    for (int64_t seconds = 0; seconds < PROMP_AUTH_TIME_MAX; seconds += 86399 * 77) {
        char ours[PROMP_AUTH_TIME_TEXT], theirs[32];
        time_t t = (time_t)seconds;
        struct tm tm;
        int64_t back;
        strftime(theirs, sizeof theirs, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
        assert_string_equal(promp_auth_time_text(seconds, ours), theirs);
        assert_true(promp_auth_time_parse(promp_slice_str(ours), &back));
        assert_int_equal(back, seconds);
    }
}

static int64_t read_at(const char *text)
{
    int64_t seconds = -1;
    return promp_auth_time_read(promp_slice_str(text), NOW, &seconds) ? seconds : -1;
}

/* Aim: durations, days, times, never; each unit. */
static void reads(void **state)
{
    (void)state;
    assert_int_equal(read_at("0"), NOW);
    assert_int_equal(read_at("90s"), NOW + 90);
    assert_int_equal(read_at("30m"), NOW + 1800);
    assert_int_equal(read_at("12h"), NOW + 43200);
    assert_int_equal(read_at("7d"), NOW + 7 * 86400);
    assert_int_equal(read_at("2w"), NOW + 14 * 86400);
    assert_int_equal(read_at("2027-01-15"), NOW - NOW % 86400);
    assert_int_equal(read_at("2027-01-15T08:00:00Z"), NOW);
    assert_true(read_at("never") == PROMP_NEVER);
    assert_int_equal(read_at("2028-02-29"), 1835395200);
}

/* Aim: what is no time is none; nothing beyond the year 9999, no day that does not exist. */
static void refuses(void **state)
{
    static const char *const wrong[] = {"",
                                        "d",
                                        "1",
                                        "-1d",
                                        "1.5d",
                                        "1y",
                                        "1dd",
                                        "1 d",
                                        "0x1d",
                                        "99999999999w",
                                        "2027-02-29",
                                        "2027-13-01",
                                        "2027-00-01",
                                        "2027-01-00",
                                        "1969-12-31",
                                        "2027-01-15T08:00:00",
                                        "2027-01-15T24:00:00Z",
                                        "2027-01-15T08:60:00Z",
                                        "2027-1-15",
                                        "Never",
                                        "2027-01-15 "};
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(read_at(wrong[i]), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_the_c_library), cmocka_unit_test(reads),
                                       cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
