#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pthread.h>

#include "reader_rig.h"

#define PAGE PROMP_CHUNK_PAGE

typedef struct {
    promp_fetch_t fetch;
    atomic_bool begun;
    atomic_bool stop;
} copier_t;

/* Returns the fetch when its bytes were right each time. */
static void *copy(void *arg)
{
    copier_t *c = arg;
    static uint8_t right[PAGE];
    bool good = true;

    while (!atomic_load(&c->stop) && good) {
        for (uint64_t at = c->fetch.offset; at < c->fetch.offset + c->fetch.size;) {
            promp_slice_t piece = promp_fetch_piece(&c->fetch, at);
            rig_fill(1, at, right, piece.size < PAGE ? piece.size : PAGE);
            good = good && memcmp(right, piece.data, piece.size < PAGE ? piece.size : PAGE) == 0;
            at += piece.size;
        }
        atomic_store(&c->begun, true);
    }
    return good ? c : NULL;
}

static void bytes_are_copied_without_the_lock(void **state)
{
    /* Aim: while a thread copies what its fetch holds, another reads on: other pages of the same chunks arrive, others are
     * evicted. (The thread sanitizer sees whether that is a race.) */
    (void)state;
    rig_t rig;
    static copier_t c;
    pthread_t thread;
    void *result;
    rig_begin(&rig, 4 * PROMP_CHUNK);
    promp_remote_t *remote = rig_open(&rig, 1, RIG_TIB);
    promp_remote_advise(remote, PROMP_ADVISE_RANDOM, 0, 0);
    rig_read(&rig, remote, 2 * PROMP_CHUNK, 1);
    promp_fetch_begin(rig.reader, remote, 2 * PROMP_CHUNK - 3 * PAGE, 6 * PAGE, &c.fetch);
    rig_settle(&rig);
    rig_check(&c.fetch);
    assert_int_equal(pthread_create(&thread, NULL, copy, &c), 0);
    while (!atomic_load(&c.begun))
        ;
    for (uint64_t i = 0; i < 58; i++) {
        rig_read(&rig, remote, PROMP_CHUNK + i * PAGE, 1);
        rig_read(&rig, remote, 2 * PROMP_CHUNK + (i + 6) * PAGE, 1);
        rig_read(&rig, remote, (100 + i) * PROMP_CHUNK, PROMP_CHUNK);
        rig_read(&rig, remote, 2 * PROMP_CHUNK - PAGE, 2 * PAGE); /* the same pages */
    }
    atomic_store(&c.stop, true);
    pthread_join(thread, &result);
    assert_ptr_equal(result, &c);
    rig_check(&c.fetch);
    promp_fetch_end(rig.reader, &c.fetch);
    promp_reader_close(rig.reader, &remote);
    rig_end(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bytes_are_copied_without_the_lock)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
