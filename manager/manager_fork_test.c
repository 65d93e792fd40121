/* What destroying a manager does in the child of a fork. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "manager_inner.h"

/* As fork leaves it: the mark is 0, and what the lock guards may be in any state, here in none at all. */
static promp_manager_t *forked(void *page)
{
    promp_manager_t *manager = calloc(1, sizeof *manager);
    assert_non_null(manager);
    manager->mark = calloc(1, 1);
    manager->parent = (promp_worker_t *)page;
    manager->core = (promp_manager_core_t *)page;
    manager->fd = eventfd(0, EFD_CLOEXEC);
    assert_true(manager->fd >= 0);
    return manager;
}

static void destroy_looks_at_nothing(void **state)
{
    /* In a forked child destroy closes the descriptor and touches nothing that a lock guards. */
    (void)state;
    void *page = mmap(NULL, (size_t)sysconf(_SC_PAGESIZE), PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(page != MAP_FAILED);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        promp_manager_t *manager = forked(page);
        int fd = manager->fd;
        promp_manager_destroy(&manager);
        _exit(!manager && close(fd) < 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    munmap(page, (size_t)sysconf(_SC_PAGESIZE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(destroy_looks_at_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
