/* Every allocation of the reader is made to fail once (the linker sends malloc, calloc and realloc here). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "reader_rig.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);

static bool armed;         /* in the code under test */
static uint64_t countdown; /* the allocation that fails; 0: none */
static bool failed;

static bool fails(void)
{
    if (!armed || countdown == 0 || --countdown > 0)
        return false;
    failed = true;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}

static promp_remote_t *open_any(rig_t *rig, unsigned container)
{
    promp_id_t id = rig_id(container);
    promp_remote_t *remote;

    armed = true;
    while (!(remote = promp_reader_open(rig->reader, &id, RIG_TIB)))
        assert_true(failed);
    armed = false;
    return remote;
}

/* Reads until it is OK; only MEMORY may come before, and only by an allocation that failed meanwhile. */
static void read_any(rig_t *rig, promp_remote_t *remote, uint64_t offset, size_t size)
{
    promp_fetch_t fetch;
    promp_err_t state;

    do {
        bool before = failed;
        armed = true;
        promp_fetch_begin(rig->reader, remote, offset, size, &fetch);
        while ((state = promp_fetch_state(&fetch)) == PROMP_ERR_TIMEOUT) {
            armed = true;
            rig_take(rig);
            armed = false;
            rig_answer(rig, 0, PROMP_OK);
        }
        armed = false;
        assert_true(state == PROMP_OK || (state == PROMP_ERR_MEMORY && failed && !before));
        if (state == PROMP_OK)
            rig_check(&fetch);
        promp_fetch_end(rig->reader, &fetch);
        rig_take(rig);
    } while (state);
}

static void each_allocation_may_fail(void **state)
{
    /* Aim: whichever allocation fails: NULL or MEMORY where it is, right bytes the next time, read-ahead gives up silently,
     * nothing leaks. */
    (void)state;
    uint64_t at = 0;

    for (failed = true; failed;) {
        rig_t rig = {.inside = &armed};
        promp_remote_t *remote[20];
        failed = false;
        countdown = ++at;
        armed = true;
        while (!(rig.reader = promp_reader_new(8 * PROMP_CHUNK)))
            assert_true(failed);
        armed = false;
        for (unsigned i = 0; i < 20; i++) { /* so many that the map of them grows */
            remote[i] = open_any(&rig, i + 16);
            read_any(&rig, remote[i], 7 * PROMP_GIB, 1000);
        }
        read_any(&rig, remote[0], PROMP_CHUNK - 10, PROMP_LIMIT_FETCH);
        for (uint64_t i = 0; i < 30; i++)
            read_any(&rig, remote[1], i * 20000, 20000);
        armed = true;
        promp_remote_advise(remote[2], PROMP_ADVISE_SOON, 0, PROMP_MIB);
        armed = false;
        rig_settle(&rig);
        for (unsigned i = 0; i < 20; i++)
            promp_reader_close(rig.reader, &remote[i]);
        rig_end(&rig);
    }
    assert_true(at > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
