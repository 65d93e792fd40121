#include "local_testing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[64];

const char *top(void)
{
    return folder;
}

int setup(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/promp-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    char base[80];
    snprintf(base, sizeof base, "%s/run", folder);
    setenv("PROMP_RUNTIME_DIR", base, 1);
    unsetenv("PROMP_INSTANCE");
    unsetenv("PROMP_NODE");
    unsetenv("XDG_RUNTIME_DIR");
    return 0;
}

int teardown(void **state)
{
    char command[128];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) == 0 ? 0 : -1;
}

const char *in_top(const char *name)
{
    static char paths[4][128];
    static int turn;
    char *path = paths[turn = (turn + 1) % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    assert_true(strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 1), 0);
    return fd;
}
