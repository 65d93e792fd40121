/* Getting a container of a manager that does not answer. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "worker_rig.h"

static volatile sig_atomic_t signals;

static void on_signal(int number)
{
    (void)number;
    signals++;
}

static void on_interrupt(void *arg, uint64_t task)
{
    (void)task;
    pthread_kill(*(pthread_t *)arg, SIGINT);
}

static int waiting_worker(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    pthread_t main_thread = pthread_self();
    promp_container_t *container = NULL;
    promp_error_t error;
    promp_task_t *task;
    promp_worker_t *worker = promp_worker_open(&error);
    sigaction(SIGINT, &action, NULL);
    if (!worker || promp_worker_on_interrupt(worker, on_interrupt, &main_thread))
        return 50;
    if (promp_worker_next(worker, -1, &task))
        return 51;
    if (promp_worker_container(worker, "a", &container, &error) != PROMP_ERR_STATE || container)
        return 52;
    if (signals != 1)
        return 53;
    if (promp_task_finish(&task, PROMP_TASK_ABORT) ||
        promp_worker_next(worker, -1, &task) != PROMP_ERR_CLOSED)
        return 54;
    promp_worker_close(&worker);
    return 0;
}

static void test_interrupted(void **state)
{
    /* Aim: an abort's interrupt ends the wait, although the thread that waits is the one that drives and so makes the signal
     * itself; the answer that comes after all is taken back. */
    (void)state;
    promp_worker_rig_t rig;
    promp_worker_rig_start(&rig, 0, waiting_worker);
    promp_worker_rig_task(&rig, "x");
    promp_message_t m = promp_worker_rig_take(&rig, PROMP_LANE_BULK);
    assert_int_equal(m.type, PROMP_TYPE_OPEN);
    promp_message_t late = {PROMP_TYPE_OPENED,
                            .opened = {.request = m.open.request, .container = {{5}}, .size = 100}};
    promp_session_urge(rig.session, PROMP_SLOT_ABORT, 1, 400);
    promp_worker_rig_done(&rig, 1, 2);
    promp_worker_rig_post(&rig, &late);
    m = promp_worker_rig_take(&rig, PROMP_LANE_BULK);
    assert_int_equal(m.type, PROMP_TYPE_CLOSE);
    assert_int_equal(m.close.container.b[0], 5);
    promp_session_urge(rig.session, PROMP_SLOT_STOP, 0, 0);
    int status = promp_worker_rig_wait(&rig);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    promp_worker_rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_interrupted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
