#include "core_rig.h"

#include <stdlib.h>

#include "limits.h"
#include "manager_core_share.h"

typedef struct {
    promp_container_t head;
    unsigned *freed;
} probe_t;

static promp_err_t probe_read(promp_container_t *container, uint64_t offset, void *buffer, size_t size,
                              size_t *got, promp_error_t *error)
{
    (void)container, (void)error;
    memset(buffer, (int)(offset & 0xff), size);
    *got = size;
    return PROMP_OK;
}

static void probe_free(promp_container_t *container)
{
    ++*((probe_t *)container)->freed;
    free(container);
}

static const promp_container_ops_t probe_ops = {.read = probe_read, .free = probe_free};

static promp_container_t *probe_new(uint64_t size, unsigned *freed)
{
    probe_t *probe = calloc(1, sizeof *probe);
    assert_non_null(probe);
    assert_int_equal(promp_container_init(&probe->head, &probe_ops, NULL, size), PROMP_OK);
    probe->freed = freed;
    return &probe->head;
}

/* Shares it and leaves the only reference to the manager. */
static promp_id_t share_probe(rig_t *rig, const char *name, uint64_t size, unsigned *freed)
{
    promp_container_t *container = probe_new(size, freed), *before;
    promp_id_t id = container->id;
    assert_int_equal(promp_manager_core_share(rig->core, promp_slice_str(name), container, &before),
                     PROMP_OK);
    promp_container_drop(&before);
    promp_container_drop(&container);
    return id;
}

static void unshare(rig_t *rig, const char *name)
{
    promp_container_t *container = promp_manager_core_unshare(rig->core, promp_slice_str(name));
    promp_container_drop(&container);
}

/* Outlives the test's function: the manager may free what it holds after that. */
static unsigned *counter(void)
{
    static unsigned freed;
    freed = 0;
    return &freed;
}

static void ask_open(rig_t *rig, uint32_t worker, uint32_t request, const char *name)
{
    promp_message_t m = {PROMP_TYPE_OPEN, .open = {.request = request, .name = promp_slice_str(name)}};
    rig_send(rig, worker, PROMP_LANE_BULK, &m);
}

static void ask_read(rig_t *rig, uint32_t worker, uint32_t request, const promp_id_t *id, uint64_t offset,
                     uint32_t size)
{
    promp_message_t m = {PROMP_TYPE_READ,
                         .read = {.request = request, .container = *id, .offset = offset, .size = size}};
    rig_send(rig, worker, PROMP_LANE_BULK, &m);
}

/* The next answer, whose bytes last until the next call. */
static bool hear(rig_t *rig, uint32_t worker, promp_message_t *message)
{
    static promp_record_t record;
    free(record.body);
    record.body = NULL;
    rig_pump(rig);
    if (!promp_session_take(rig->worker[worker - 1].session, PROMP_LANE_BULK, &record))
        return false;
    assert_int_equal(promp_message_decode(record.type, promp_slice(record.body, record.size),
                                          PROMP_WHO_MANAGER, PROMP_WHO_WORKER, PROMP_AT_UP,
                                          PROMP_VERSION_HIGH, message),
                     PROMP_OK);
    return true;
}

/* Does one ask as the shell does. False: there is none. */
static bool serve(rig_t *rig, promp_ask_place_t place)
{
    promp_ask_t ask;
    promp_error_t error = {0};
    if (!promp_manager_core_ask(rig->core, place, UINT64_MAX, &ask))
        return false;
    if (ask.open) {
        promp_msg_opened_t opened = {0};
        error.code = ask.container ? PROMP_OK : PROMP_ERR_CONTAINER_NAME;
        promp_manager_core_opened(rig->core, &ask, &opened, &error);
    } else {
        promp_buf_t data = {0};
        size_t got;
        assert_int_equal(promp_buf_reserve(&data, ask.size), PROMP_OK);
        assert_int_equal(promp_container_read(ask.container, ask.offset, data.data, ask.size, &got, NULL),
                         PROMP_OK);
        data.size = got;
        promp_manager_core_chunk(rig->core, &ask, &data, &error);
        promp_buf_free(&data);
    }
    promp_container_drop(&ask.container);
    return true;
}

static void open_it(rig_t *rig, uint32_t worker, const char *name)
{
    promp_message_t m;
    ask_open(rig, worker, 1, name);
    assert_true(serve(rig, PROMP_ASK_THREAD));
    assert_true(hear(rig, worker, &m));
    assert_int_equal(m.type, PROMP_TYPE_OPENED);
    assert_int_equal(m.opened.error, PROMP_OK);
}

static void drop_all(rig_t *rig)
{
    for (promp_container_t *container; (container = promp_manager_core_dropped(rig->core));)
        promp_container_drop(&container);
}

static void names(void **state)
{
    /* A name means what was shared last under it, until it is unshared; bad names and too many are refused. */
    rig_t *rig = *state;
    unsigned *freed = counter();
    char longest[PROMP_LIMIT_CONTAINER_NAME + 2];
    memset(longest, 'x', sizeof longest);
    longest[PROMP_LIMIT_CONTAINER_NAME + 1] = '\0';
    promp_container_t *container = probe_new(10, freed), *before;
    const struct {
        promp_slice_t name;
        promp_err_t err;
    } cases[] = {{promp_slice("", 0), PROMP_ERR_ARGUMENT},
                 {promp_slice("\xff\xfe", 2), PROMP_ERR_ARGUMENT},
                 {promp_slice_str(longest), PROMP_ERR_CONTAINER_LIMIT},
                 {promp_slice(longest, PROMP_LIMIT_CONTAINER_NAME), PROMP_OK}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(promp_manager_core_share(rig->core, cases[i].name, container, &before),
                         cases[i].err);
    promp_container_drop(&container);
    share_probe(rig, "a", 10, freed);
    assert_true(promp_manager_core_shares(rig->core, promp_slice_str("a")));
    share_probe(rig, "a", 20, freed);
    assert_int_equal(*freed, 1);
    container = promp_manager_core_unshare(rig->core, promp_slice_str("a"));
    assert_int_equal(promp_container_size(container), 20);
    promp_container_drop(&container);
    assert_int_equal(*freed, 2);
    assert_false(promp_manager_core_shares(rig->core, promp_slice_str("a")));
    assert_null(promp_manager_core_unshare(rig->core, promp_slice_str("a")));
}

static void open_and_read(void **state)
{
    /* What is shared is opened and read; it stays open when its name is taken away, until it is closed. */
    rig_t *rig = *state;
    unsigned *freed = counter();
    uint32_t worker = rig_start(rig, 0, true);
    promp_id_t id = share_probe(rig, "a", 1000000, freed);
    promp_message_t m;
    ask_open(rig, worker, 7, "b");
    assert_true(serve(rig, PROMP_ASK_THREAD));
    assert_true(hear(rig, worker, &m));
    assert_int_equal(m.opened.request, 7);
    assert_int_equal(m.opened.error, PROMP_ERR_CONTAINER_NAME);
    open_it(rig, worker, "a");
    unshare(rig, "a");
    assert_int_equal(*freed, 0);
    ask_read(rig, worker, 3, &id, 0x1234, 5000);
    assert_true(serve(rig, PROMP_ASK_THREAD));
    assert_true(hear(rig, worker, &m));
    assert_int_equal(m.type, PROMP_TYPE_CHUNK);
    assert_int_equal(m.chunk.request, 3);
    assert_int_equal(m.chunk.data.size, 5000);
    assert_int_equal(m.chunk.data.data[4999], 0x34);
    promp_message_t close = {PROMP_TYPE_CLOSE, .close.container = id};
    rig_send(rig, worker, PROMP_LANE_BULK, &close);
    assert_true(promp_manager_core_asked(rig->core, PROMP_ASK_THREAD));
    drop_all(rig);
    assert_int_equal(*freed, 1);
}

static void breaks(rig_t *rig, uint32_t worker)
{
    assert_int_equal(rig->worker[worker - 1].killed, PROMP_ERR_WORKER_PROTOCOL);
}

static void hostile(void **state)
{
    /* A worker that reads what it has not opened, beyond the end, nothing or 2^64 bytes, or asks without end, is ended. */
    rig_t *rig = *state;
    unsigned *freed = counter();
    promp_id_t id = share_probe(rig, "a", 1000000, freed), other = {{1}};
    const struct {
        const promp_id_t *id;
        uint64_t offset;
        uint32_t size;
    } reads[] = {{&other, 0, 1},   {&id, 0, 0},          {&id, 1000000, 1},
                 {&id, 999999, 2}, {&id, UINT64_MAX, 2}, {&id, 0, PROMP_CHUNK + 1}};
    for (size_t i = 0; i < sizeof reads / sizeof *reads; i++) {
        uint32_t worker = rig_start(rig, 0, true);
        open_it(rig, worker, "a");
        ask_read(rig, worker, 1, reads[i].id, reads[i].offset, reads[i].size);
        breaks(rig, worker);
    }
    uint32_t worker = rig_start(rig, 0, true);
    promp_message_t close = {PROMP_TYPE_CLOSE, .close.container = id};
    rig_send(rig, worker, PROMP_LANE_BULK, &close);
    breaks(rig, worker);
    worker = rig_start(rig, 0, true);
    for (uint32_t i = 0; i <= 2 * PROMP_LIMIT_READS; i++)
        ask_open(rig, worker, i + 1, "a");
    breaks(rig, worker);
}

static void in_turn(void **state)
{
    /* Workers are served in turn, and none that does not take its answers. */
    rig_t *rig = *state;
    unsigned *freed = counter();
    promp_id_t id = share_probe(rig, "a", 100 * PROMP_CHUNK, freed);
    uint32_t one = rig_start(rig, 0, true), two = rig_start(rig, 0, true);
    open_it(rig, one, "a");
    open_it(rig, two, "a");
    for (uint32_t i = 0; i < 20; i++)
        ask_read(rig, one, i + 1, &id, i * PROMP_CHUNK, PROMP_CHUNK);
    ask_read(rig, two, 1, &id, 0, 1);
    ask_read(rig, two, 2, &id, 0, 1);
    rig->room = 0;
    promp_ask_t ask;
    const uint32_t order[] = {one, two, one};
    for (size_t i = 0; i < 3; i++) {
        assert_true(promp_manager_core_ask(rig->core, PROMP_ASK_THREAD, UINT64_MAX, &ask));
        assert_int_equal(ask.worker, order[i]);
        promp_container_drop(&ask.container);
    }
    unsigned served = 0;
    while (serve(rig, PROMP_ASK_THREAD))
        served++;
    assert_in_range(served, 1 + PROMP_LIMIT_ANSWERS / PROMP_CHUNK, 2 + PROMP_LIMIT_ANSWERS / PROMP_CHUNK);
    rig->room = UINT64_MAX;
    promp_message_t m;
    while (hear(rig, one, &m))
        while (serve(rig, PROMP_ASK_THREAD))
            served++;
    assert_int_equal(served, 18 + 1);
}

static void cancelled(void **state)
{
    /* A READ that is cancelled before its turn is not done, and its container is let go. */
    rig_t *rig = *state;
    unsigned *freed = counter();
    promp_id_t id = share_probe(rig, "a", 100, freed);
    uint32_t worker = rig_start(rig, 0, true);
    open_it(rig, worker, "a");
    ask_read(rig, worker, 1, &id, 0, 10);
    ask_read(rig, worker, 2, &id, 0, 20);
    promp_message_t cancel = {PROMP_TYPE_CANCEL, .cancel.request = 1};
    rig_send(rig, worker, PROMP_LANE_BULK, &cancel);
    drop_all(rig);
    promp_message_t m;
    assert_true(serve(rig, PROMP_ASK_THREAD));
    assert_false(serve(rig, PROMP_ASK_THREAD));
    assert_true(hear(rig, worker, &m));
    assert_int_equal(m.chunk.request, 2);
}

static void gone(void **state)
{
    /* With a worker go its asks and what it had open; an answer to it is ignored. */
    rig_t *rig = *state;
    unsigned *freed = counter();
    promp_id_t id = share_probe(rig, "a", 100, freed);
    uint32_t worker = rig_start(rig, 0, true);
    promp_ask_t ask;
    open_it(rig, worker, "a");
    unshare(rig, "a");
    ask_read(rig, worker, 1, &id, 0, 10);
    assert_true(promp_manager_core_ask(rig->core, PROMP_ASK_THREAD, UINT64_MAX, &ask));
    promp_container_drop(&ask.container);
    ask_read(rig, worker, 2, &id, 0, 10);
    rig_gone(rig, worker, PROMP_ERR_WORKER_EXITED, true);
    assert_false(serve(rig, PROMP_ASK_THREAD));
    promp_manager_core_chunk(rig->core, &ask, &(promp_buf_t){0}, &(promp_error_t){.code = PROMP_ERR_MEMORY});
    assert_int_equal(*freed, 0);
    drop_all(rig);
    assert_int_equal(*freed, 1);
}

typedef struct {
    rig_t *rig;
    unsigned offers;
    uint32_t declines; /* this request */
} driver_t;

static bool answer_now(void *arg, const promp_ask_t *ask)
{
    driver_t *driver = arg;
    promp_error_t error = {.code = ask->container ? PROMP_OK : PROMP_ERR_CONTAINER_NAME};
    driver->offers++;
    if (ask->request == driver->declines)
        return false;
    promp_manager_core_opened(driver->rig->core, ask, &(promp_msg_opened_t){0}, &error);
    return true;
}

static void offered(void **state)
{
    /* Whoever drives answers what it can, in order and up to what it declines, which is offered once only; a last reference
     * is left to be dropped without the lock, any other one costs the thread nothing. */
    rig_t *rig = *state;
    unsigned *freed = counter();
    driver_t driver = {.rig = rig, .declines = 3};
    uint32_t one = rig_start(rig, 0, true), two = rig_start(rig, 0, true);
    promp_message_t m;
    share_probe(rig, "a", 100, freed);
    ask_open(rig, one, 1, "a");
    ask_open(rig, one, 2, "unknown");
    ask_open(rig, one, 3, "a");
    ask_open(rig, one, 4, "a");
    ask_open(rig, two, 5, "a");
    for (int again = 0; again < 2; again++) {
        promp_manager_core_offer(rig->core, answer_now, &driver);
        assert_int_equal(driver.offers, 4);
    }
    assert_true(hear(rig, one, &m) && m.opened.request == 1 && m.opened.error == PROMP_OK);
    assert_true(hear(rig, one, &m) && m.opened.request == 2 && m.opened.error == PROMP_ERR_CONTAINER_NAME);
    assert_true(hear(rig, two, &m) && m.opened.request == 5);
    assert_true(serve(rig, PROMP_ASK_THREAD)); /* as the thread does */
    promp_manager_core_offer(rig->core, answer_now, &driver);
    assert_true(hear(rig, one, &m) && m.opened.request == 3);
    assert_true(hear(rig, one, &m) && m.opened.request == 4);
    assert_false(promp_manager_core_asked(rig->core, PROMP_ASK_THREAD));

    ask_open(rig, one, 6, "a");
    unshare(rig, "a");
    for (uint32_t i = 0; i < 3; i++) {
        promp_message_t close = {PROMP_TYPE_CLOSE, .close.container = m.opened.container};
        rig_send(rig, one, PROMP_LANE_BULK, &close);
    }
    rig_gone(rig, two, PROMP_ERR_WORKER_EXITED, true);
    driver.declines = 6;
    promp_manager_core_offer(rig->core, answer_now, &driver);
    rig_gone(rig, one, PROMP_ERR_WORKER_EXITED, true); /* its ask has the last one */
    assert_int_equal(*freed, 0);
    assert_true(promp_manager_core_asked(rig->core, PROMP_ASK_THREAD));
    drop_all(rig);
    assert_int_equal(*freed, 1);
}

static void in_process(void **state)
{
    /* What is read in promp_manager_process waits there, shows as pending, and a round takes what came by its mark. */
    rig_t *rig = *state;
    unsigned *freed = counter();
    promp_container_t *container = probe_new(100, freed), *before;
    container->reader = PROMP_CONTAINER_PROCESS;
    promp_id_t id = container->id;
    assert_int_equal(promp_manager_core_share(rig->core, promp_slice_str("a"), container, &before), PROMP_OK);
    promp_container_drop(&container);
    uint32_t worker = rig_start(rig, 0, true);
    open_it(rig, worker, "a");
    assert_false(promp_manager_core_pending(rig->core));
    ask_read(rig, worker, 1, &id, 0, 10);
    assert_true(promp_manager_core_pending(rig->core));
    assert_false(promp_manager_core_asked(rig->core, PROMP_ASK_THREAD));
    uint64_t mark = promp_manager_core_mark(rig->core);
    ask_read(rig, worker, 2, &id, 0, 10);
    promp_ask_t ask;
    assert_true(promp_manager_core_ask(rig->core, PROMP_ASK_PROCESS, mark, &ask));
    promp_container_drop(&ask.container);
    assert_false(promp_manager_core_ask(rig->core, PROMP_ASK_PROCESS, mark, &ask));
    assert_true(serve(rig, PROMP_ASK_PROCESS));
    assert_false(promp_manager_core_pending(rig->core));
}

int main(void)
{
    const struct CMUnitTest tests[] = {RIG_CASE(names),   RIG_CASE(open_and_read), RIG_CASE(hostile),
                                       RIG_CASE(in_turn), RIG_CASE(cancelled),     RIG_CASE(gone),
                                       RIG_CASE(offered), RIG_CASE(in_process)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
