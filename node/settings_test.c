/* What a node of a cluster can be told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "settings.h"

static void of_this_machine(void **state)
{
    /* Without a word there is a place for each processor. */
    promp_settings_t s;

    (void)state;
    promp_settings_start(&s);
    assert_in_range(s.places, 1, PROMP_LIMIT_WORKERS);
    assert_true(s.cpus >= 1 && s.places >= 1 && s.places <= s.cpus / 1000 + 1);
    assert_true(!s.limit_cpus && s.limit_processes == PROMP_LIMIT_PROCESSES);
    assert_true(s.memory > 16 * PROMP_MIB);
    assert_int_equal(s.gpus, 0);
}

static void values(void **state)
{
    /* Each setting takes what it should, and says no to the rest. */
    static const struct {
        const char *name, *value;
        bool good;
    } cases[] = {{"places", "1", true},
                 {"places", "4096", true},
                 {"places", "0", false},
                 {"places", "4097", false},
                 {"places", "-1", false},
                 {"places", "99999999999999999999", false},
                 {"cpus", "2.5", true},
                 {"cpus", "0.001", true},
                 {"cpus", "2.", false},
                 {"cpus", "2.5555", false},
                 {"cpus", "2,5", false},
                 {"cpus", "", false},
                 {"memory", "16G", true},
                 {"memory", "16X", false},
                 {"memory", "16GG", false},
                 {"memory", "99999999999999T", false},
                 {"gpus", "8", true},
                 {"gpus", "many", false},
                 {"labels", "big  ssd-2", true},
                 {"labels", "", true},
                 {"labels", "a/b", false},
                 {"limit-cpus", "yes", true},
                 {"limit-cpus", "no", true},
                 {"limit-cpus", "maybe", false},
                 {"limit-cpus", "", false},
                 {"limit-processes", "4194304", true},
                 {"limit-processes", "64", true},
                 {"limit-processes", "0", false},
                 {"limit-processes", "4194305", false},
                 {"log", "debug", true},
                 {"log", "loud", false},
                 {"drain-timeout", "0", true},
                 {"drain-timeout", "1d", false},
                 {"passphrase-file", "/x", true},
                 {"passphrase-file", "", false},
                 {"python", "/usr/bin/python3", true},
                 {"nothing", "1", false}};
    promp_settings_t s;

    (void)state;
    promp_settings_start(&s);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *why = promp_settings_set(&s, cases[i].name, promp_slice_str(cases[i].value));

        if (!why != cases[i].good)
            fail_msg("%s = %s: %s", cases[i].name, cases[i].value, why ? why : "taken");
    }
    assert_int_equal(s.places, 4096);
    assert_int_equal(s.limit_processes, 64);
    assert_int_equal(s.cpus, 1);
    assert_int_equal(s.memory, 16 * PROMP_GIB);
    assert_string_equal(s.labels, "");
    promp_settings_set(&s, "labels", promp_slice_str(" big   ssd "));
    assert_string_equal(s.labels, "big ssd");
    promp_settings_set(&s, "cpus", promp_slice_str("2.5"));
    assert_int_equal(s.cpus, 2500);
    char much[PROMP_LIMIT_LABELS + 2];
    memset(much, 'x', sizeof much);
    assert_non_null(promp_settings_set(&s, "labels", promp_slice(much, sizeof much)));
    for (size_t i = s.python_count; i < PROMP_LIMIT_PYTHONS; i++)
        assert_null(promp_settings_set(&s, "python", promp_slice_str("p")));
    assert_non_null(promp_settings_set(&s, "python", promp_slice_str("p")));
}

static void the_file(void **state)
{
    /* Lines of the file; what is wrong is told with the number of its line. */
    static const struct {
        const char *text, *says;
    } bad[] = {{"places = 2\nspeed = 3\n", "line 2: speed: there is no such setting"},
               {"places = 2\nplaces = 3\n", "line 2: places: it is set twice"},
               {"\n\nplaces = two\n", "line 3: places: a number"},
               {"pythons = \"3.11\"\n", "line 1: pythons: there is no such setting"},
               {"node\n    places = 2\n", "line 2: places: there is no such setting"},
               {"places\" 2\n", "line 1: "}};
    promp_settings_t s;
    promp_error_t error;

    (void)state;
    promp_settings_start(&s);
    assert_int_equal(promp_settings_parse(
                         promp_slice_str("# a node\nplaces = 3\npython = a\npython = \"b c\"\n"), &s, &error),
                     PROMP_OK);
    assert_int_equal(s.places, 3);
    assert_int_equal(s.python_count, 2);
    assert_string_equal(s.python[1], "b c");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(promp_settings_parse(promp_slice_str(bad[i].text), &s, &error),
                         PROMP_ERR_CONFIG_FILE);
        if (!strstr(error.text, bad[i].says))
            fail_msg("%s", error.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(of_this_machine), cmocka_unit_test(values),
                                       cmocka_unit_test(the_file)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
