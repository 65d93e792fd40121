/* Objects: one call of the user's read at a time, what its failures become, and reads that wait for a user's thread. */
#include <pthread.h>
#include <stdatomic.h>

#include "container_rig.h"

/* --- reading --- */

typedef struct {
    promp_container_t *reads; /* what its read reads from, if anything */
    promp_err_t result;
    promp_error_t error; /* what it fills, if code is not OK */
    promp_err_t inner;   /* what the inner read returned */
    atomic_int inside, calls;
    atomic_bool overlapped;
} user_t;

static promp_err_t user_read(void *arg, uint64_t offset, void *buffer, size_t size, promp_error_t *error)
{
    user_t *user = arg;
    size_t got;

    if (atomic_fetch_add(&user->inside, 1) != 0)
        atomic_store(&user->overlapped, true);
    atomic_fetch_add(&user->calls, 1);
    memset(buffer, 'u', size);
    if (user->reads) {
        user->inner = promp_container_read(user->reads, offset, buffer, size, &got, error);
        user->result = user->inner;
    }
    if (user->error.code)
        *error = user->error;
    atomic_fetch_sub(&user->inside, 1);
    return user->result;
}

static promp_container_t *object_of(user_t *user)
{
    promp_container_object_t object = {.size = 1000, .read = user_read, .arg = user};
    promp_container_t *container = promp_container_object(&object, NULL);

    assert_non_null(container);
    return container;
}

static void *reads(void *arg)
{
    uint8_t bytes[64];
    size_t got;

    for (int i = 0; i < 3000; i++)
        if (promp_container_read(arg, (uint64_t)i % 900, bytes, sizeof bytes, &got, NULL) ||
            got != sizeof bytes)
            return "a read failed";
    return NULL;
}

static void one_call_at_a_time(void **state)
{
    /* Aim: threads that read at the same time, also through a range, come to the user's code one after the other. */
    user_t user = {.result = PROMP_OK};
    promp_container_t *container = object_of(&user);
    promp_container_t *part = promp_container_range(container, 1, 990, NULL);
    pthread_t threads[4];
    void *wrong;
    (void)state;

    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, reads, i % 2 ? part : container), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
    assert_false(user.overlapped);
    assert_int_equal(user.calls, 4 * 3000);
    promp_container_drop(&part);
    promp_container_drop(&container);
}

static void reading_from_itself(void **state)
{
    /* Aim: an object whose read reads from itself fails, directly, through a range or another object, and in a search: it
     * neither waits for itself nor is asked again and again. */
    user_t user = {.result = PROMP_OK}, outer = {.result = PROMP_OK};
    promp_container_t *container = object_of(&user);
    promp_container_t *part = promp_container_range(container, 1, 990, NULL);
    promp_container_t *other = object_of(&outer);
    promp_container_t *const ways[] = {container, part, other};
    promp_error_t error;
    uint8_t byte;
    size_t got;
    uint64_t at;
    (void)state;

    outer.reads = container;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        user.reads = ways[i];
        assert_int_equal(promp_container_read(container, 3, &byte, 1, &got, &error),
                         PROMP_ERR_CONTAINER_SOURCE);
        assert_int_equal(user.inner, PROMP_ERR_CONTAINER_SOURCE);
        assert_non_null(strstr(error.text, "reads from itself"));
        assert_int_equal(got, 0);
        assert_int_equal(promp_container_find(container, "x", 1, 0, 1000, NULL, NULL, &at, &error),
                         PROMP_ERR_CONTAINER_SOURCE);
    }
    user.reads = NULL;
    user.result = PROMP_OK;
    assert_int_equal(promp_container_read(container, 3, &byte, 1, &got, &error), PROMP_OK);
    promp_container_drop(&other);
    promp_container_drop(&part);
    promp_container_drop(&container);
}

static void what_failures_become(void **state)
{
    /* Aim: whatever a user's read returns and fills, the reader has an error of the table with its text, gets no bytes and is
     * not asked to try again; and the next read goes on. */
    static const struct {
        promp_err_t result;
        promp_error_t filled;
        promp_err_t code;
        const char *text;
    } cases[] = {
        {PROMP_ERR_TASK_FAILED,
         {.code = PROMP_OK},
         PROMP_ERR_CONTAINER_SOURCE,
         "read: the task reported a failure"},
        {(promp_err_t)-1, {.code = PROMP_OK}, PROMP_ERR_CONTAINER_SOURCE, "read: an unknown error"},
        {(promp_err_t)7,
         {.code = (promp_err_t)7, .text = "my own"},
         PROMP_ERR_CONTAINER_SOURCE,
         "read: my own"},
        {PROMP_ERR_SYSTEM, {.code = PROMP_ERR_MEMORY}, PROMP_ERR_MEMORY, "no memory left"},
        {PROMP_ERR_SYSTEM,
         {.code = PROMP_ERR_MEMORY, .text = "gone"},
         PROMP_ERR_MEMORY,
         "no memory left: gone"},
        {PROMP_ERR_SYSTEM,
         {.code = PROMP_ERR_SYSTEM, .system = 5, .text = "a system call failed: tape\nline"},
         PROMP_ERR_SYSTEM,
         "a system call failed: tape line"},
        {PROMP_ERR_STATE, {.code = PROMP_OK}, PROMP_ERR_CONTAINER_SOURCE, "read: the call is not possible"},
        {PROMP_ERR_STATE, {.code = PROMP_ERR_STATE, .text = "no"}, PROMP_ERR_CONTAINER_SOURCE, "read: no"},
    };
    user_t user = {.result = PROMP_OK};
    promp_container_t *container = object_of(&user);
    (void)state;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        promp_error_t error = {.text = ""};
        uint8_t byte;
        size_t got = 7;
        user.result = cases[i].result;
        user.error = cases[i].filled;
        assert_int_equal(promp_container_read(container, 0, &byte, 1, &got, &error), cases[i].code);
        assert_int_equal(error.code, cases[i].code);
        assert_int_equal(got, 0);
        if (!strstr(error.text, cases[i].text))
            fail_msg("case %zu: '%s' is not in '%s'", i, cases[i].text, error.text);
        assert_int_equal(promp_container_read(container, 0, &byte, 1, &got, NULL), cases[i].code);
        user.result = PROMP_OK;
        assert_int_equal(promp_container_read(container, 0, &byte, 1, &got, &error), PROMP_OK);
        assert_int_equal(got, 1);
    }
    user.result = PROMP_ERR_SYSTEM; /* a text without its end */
    user.error.code = PROMP_ERR_TIMEOUT;
    memset(user.error.text, 'x', sizeof user.error.text);
    promp_error_t error;
    uint8_t byte;
    size_t got;
    assert_int_equal(promp_container_read(container, 0, &byte, 1, &got, &error), PROMP_ERR_TIMEOUT);
    assert_true(strnlen(error.text, sizeof error.text) < sizeof error.text);
    promp_container_drop(&container);
}

static void bad_objects(void **state)
{
    /* Aim: an object without read, or larger than offsets can be, is refused, and its free not called. */
    int freed = 0;
    promp_error_t error;
    promp_container_t *good = rig_object(INT64_MAX, false, &freed);
    promp_container_object_t object = {.size = (uint64_t)INT64_MAX + 1, .read = user_read};
    uint8_t buffer[2];
    size_t got;
    (void)state;

    assert_int_equal(promp_container_read(good, INT64_MAX - 1, buffer, 2, &got, NULL), PROMP_OK);
    assert_int_equal(got, 1);
    assert_int_equal(buffer[0], rig_byte(INT64_MAX - 1));
    promp_container_drop(&good);
    assert_int_equal(freed, 1);
    assert_null(promp_container_object(&object, &error));
    assert_error(error, ARGUMENT);
    object = (promp_container_object_t){.size = 1};
    assert_null(promp_container_object(&object, &error));
    assert_error(error, ARGUMENT);
    assert_null(promp_container_object(NULL, &error));
    assert_error(error, ARGUMENT);
}

/* --- serving --- */

typedef struct {
    promp_container_job_t head;
    atomic_int done, gone;
    uint8_t byte; /* at offset 10 */
    pthread_t by;
} job_t;

static void job_done(promp_container_job_t *head)
{
    job_t *job = (job_t *)head;
    size_t got;

    job->by = pthread_self();
    if (head->gone)
        atomic_fetch_add(&job->gone, 1);
    else
        promp_container_read(head->container, 10, &job->byte, 1, &got, NULL);
    atomic_fetch_add(&job->done, 1);
}

static void queue(promp_container_t *container, job_t *job)
{
    *job = (job_t){.head = {.container = container, .done = job_done}};
    promp_container_queue(container, &job->head);
}

static void serving(void **state)
{
    /* Aim: queued reads wait until somebody serves, are done in that thread, through ranges too; time-outs are kept. */
    promp_container_t *container = rig_object(1000, true, NULL);
    promp_container_t *part = promp_container_range(container, 100, 100, NULL);
    promp_container_t *deep = promp_container_range(part, 100 - 50, 50, NULL);
    job_t jobs[3];
    (void)state;

    assert_int_equal(promp_container_serve(container, 0), PROMP_ERR_TIMEOUT);
    int64_t start = promp_clock_ms();
    assert_int_equal(promp_container_serve(container, 1020), PROMP_ERR_TIMEOUT);
    assert_true(promp_clock_ms() - start >= 1020);
    queue(container, &jobs[0]);
    queue(part, &jobs[1]);
    queue(deep, &jobs[2]);
    for (int i = 0; i < 3; i++)
        assert_int_equal(jobs[i].done, 0);
    assert_int_equal(promp_container_serve(part, 0), PROMP_OK);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(jobs[i].done, 1);
        assert_int_equal(jobs[i].gone, 0);
    }
    assert_int_equal(jobs[0].byte, rig_byte(10));
    assert_int_equal(jobs[1].byte, rig_byte(110));
    assert_int_equal(jobs[2].byte, rig_byte(160));
    assert_int_equal(promp_container_serve(container, 0), PROMP_ERR_TIMEOUT);
    queue(part, &jobs[0]);
    assert_int_equal(promp_container_serve(container, 0), PROMP_OK);
    assert_int_equal(jobs[0].done, 1);
    promp_container_drop(&deep);
    promp_container_drop(&part);
    promp_container_drop(&container);
}

static void the_end_of_serving(void **state)
{
    /* Aim: after the end what waits and what comes is told that nobody serves, once, and serving is CLOSED. */
    promp_container_t *container = rig_object(1000, true, NULL);
    promp_container_t *part = promp_container_range(container, 1, 10, NULL);
    job_t jobs[4];
    (void)state;

    queue(container, &jobs[0]);
    queue(part, &jobs[1]);
    promp_container_serve_end(part);
    promp_container_serve_end(container);
    queue(container, &jobs[2]);
    queue(part, &jobs[3]);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(jobs[i].done, 1);
        assert_int_equal(jobs[i].gone, 1);
    }
    assert_int_equal(promp_container_serve(container, -1), PROMP_ERR_CLOSED);
    assert_int_equal(promp_container_serve(part, 0), PROMP_ERR_CLOSED);
    promp_container_drop(&part);
    promp_container_drop(&container);
}

static void nothing_to_serve(void **state)
{
    /* Aim: containers that are not served refuse it, and a read that waits there is told so. */
    promp_container_t *const containers[] = {rig_object(10, false, NULL),
                                             promp_container_bytes("abc", 3, NULL)};
    (void)state;

    assert_int_equal(promp_container_serve(NULL, 0), PROMP_ERR_ARGUMENT);
    promp_container_serve_end(NULL);
    for (int i = 0; i < 2; i++) {
        promp_container_t *container = containers[i];
        job_t job;
        assert_int_equal(promp_container_serve(container, -1), PROMP_ERR_ARGUMENT);
        promp_container_serve_end(container);
        queue(container, &job);
        assert_int_equal(job.done, 1);
        assert_int_equal(job.gone, 1);
        promp_container_drop(&container);
    }
}

static void *serves(void *arg)
{
    promp_err_t e;

    while ((e = promp_container_serve(arg, -1)) == PROMP_OK)
        ;
    return (void *)promp_error_name(e);
}

enum { JOBS = 2000 };

typedef struct {
    promp_container_t *container;
    job_t jobs[JOBS];
} asker_t;

static void *asks(void *arg)
{
    asker_t *asker = arg;

    for (int i = 0; i < JOBS; i++)
        queue(asker->container, &asker->jobs[i]);
    return NULL;
}

static void many_ask_many_serve(void **state)
{
    /* Aim: with threads that ask and threads that serve each read is done once, and the end wakes all that wait. */
    static asker_t askers[2];
    promp_container_t *container = rig_object(1000, true, NULL);
    pthread_t asking[2], serving[3];
    void *result;
    int served = 0;
    (void)state;

    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&serving[i], NULL, serves, container), 0);
    for (int i = 0; i < 2; i++) {
        askers[i].container = container;
        assert_int_equal(pthread_create(&asking[i], NULL, asks, &askers[i]), 0);
    }
    pthread_join(asking[0], NULL);
    while (!atomic_load(&askers[0].jobs[JOBS - 1].done))
        ;
    promp_container_serve_end(container); /* the other asker may be at it still */
    pthread_join(asking[1], NULL);
    for (int i = 0; i < 3; i++) {
        pthread_join(serving[i], &result);
        assert_string_equal(result, "CLOSED");
    }
    for (int a = 0; a < 2; a++)
        for (int i = 0; i < JOBS; i++) {
            job_t *job = &askers[a].jobs[i];
            assert_int_equal(job->done, 1);
            assert_true(job->gone || job->byte == rig_byte(10));
            served += !job->gone;
        }
    assert_true(served >= 1);
    promp_container_drop(&container);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(one_call_at_a_time),
        RIG_TEST(reading_from_itself),
        RIG_TEST(what_failures_become),
        RIG_TEST(bad_objects),
        RIG_TEST(serving),
        RIG_TEST(the_end_of_serving),
        RIG_TEST(nothing_to_serve),
        RIG_TEST(many_ask_many_serve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
