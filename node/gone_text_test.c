/* How a worker ended, in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "gone_text.h"
#include "limits.h"

static void words(void **state)
{
    /* Each cause has its particulars; of memory the limit that was reached, else what it held. */
    static const struct {
        promp_msg_gone_t gone;
        uint64_t limit;
        const char *text;
    } rows[] = {
        {{.cause = PROMP_ERR_WORKER_EXITED, .code = 3}, 0, "the worker exited with code 3"},
        {{.cause = PROMP_ERR_WORKER_SIGNALLED, .signal = 11},
         0,
         "the worker was ended by signal 11 (SIGSEGV)"},
        {{.cause = PROMP_ERR_WORKER_SIGNALLED, .signal = 200}, 0, "the worker was ended by signal 200"},
        {{.cause = PROMP_ERR_WORKER_MEMORY, .memory = 300 * PROMP_MIB},
         0,
         "the worker was killed by the kernel: out of memory; it held 300 MiB"},
        {{.cause = PROMP_ERR_WORKER_MEMORY, .memory = 300 * PROMP_MIB},
         96 * PROMP_MIB,
         "the worker was killed by the kernel: out of memory; it and what it started may have 96.0 MiB"},
        {{.cause = PROMP_ERR_WORKER_UNRESPONSIVE}, 0, "the worker did not answer for 700 ms and was ended"},
        {{.cause = PROMP_ERR_WORKER_TIME_LIMIT}, 0, "the worker reached its time limit"}};
    char text[128];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        promp_gone_text(&rows[i].gone, rows[i].limit, 700, text, sizeof text);
        assert_string_equal(text, rows[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(words)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
