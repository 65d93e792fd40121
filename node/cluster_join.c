/* Joining a cluster with a token. */
#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth_read.h"
#include "cluster.h"
#include "detach.h"
#include "join.h"

static promp_err_t join(const promp_options_t *options, int folder, promp_error_t *error)
{
    promp_join_config_t config = {.folder = folder,
                                  .name = options->name,
                                  .roles = PROMP_JOIN_ROLE(PROMP_AUTH_NODE),
                                  .replace = options->replace};
    promp_join_result_t result;
    promp_err_t code = promp_auth_read(options->join, PROMP_LIMIT_TOKEN, &config.token, error);

    if (code)
        return code;
    code = promp_join(&config, &result, error);
    promp_auth_read_free(&config.token);
    if (!code)
        fprintf(stderr, "promp-node: joined %s%s%s\n", result.joined.address,
                *result.joined.name ? " as " : "", result.joined.name);
    return code;
}

int promp_cluster_join(const promp_options_t *options, int folder)
{
    promp_error_t error;
    int status = 0;
    pid_t pid = fork();

    if (pid < 0) {
        promp_error_set(&error, PROMP_ERR_PROCESSES, errno, "fork");
        promp_detach_complain(&error);
        return 1;
    }
    if (pid == 0) {
        promp_auth_harden();
        if (!join(options, folder, &error))
            _exit(0);
        promp_detach_complain(&error);
        if (error.code == PROMP_ERR_KEY_EXISTS)
            fprintf(stderr, "promp-node: without --join it serves the cluster that it has joined; --replace "
                            "puts a new key "
                            "in place of the old one\n");
        fflush(stderr);
        _exit(promp_detach_code(error.code));
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
