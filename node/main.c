/* main.c - promp-node: owns the worker processes of one machine. Two processes: the keeper, which this program becomes, and
 * the agent, which it starts. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agent.h"
#include "auth_key.h"
#include "cluster.h"
#include "serve.h"
#include "stop.h"

static int run_agent(const promp_options_t *options)
{
    promp_settings_t settings;
    promp_error_t error;

    prctl(PR_SET_NAME, "promp-node"); /* it was started as /proc/self/exe */
    (void)promp_options_settings(options, -1, &settings, &error);
    if (!options->config && !options->verbose)
        settings.level = PROMP_LOG_WARNING;

    const promp_log_t log = {.fd = 2, .level = settings.level, .program = "promp-agent"};
    const promp_agent_run_t config = {.idle = options->idle,
                                      .folder = options->config,
                                      .offer = {.places = settings.places,
                                                .cpus = settings.cpus,
                                                .memory = settings.memory,
                                                .gpus = settings.gpus,
                                                .labels = settings.labels,
                                                .pythons = settings.pythons},
                                      .log = &log};

    if (options->config)
        promp_auth_harden();
    if (!promp_agent_run(&config, &error))
        return 0;
    promp_log(&log, PROMP_LOG_ERROR, error.code, "%s", error.text);
    return 1;
}

/* What we were started with and do not know is not ours to hold open; keep: one that we do know, or -1. */
static void close_others(int keep)
{
    if (keep > 3)
        close_range(3, (unsigned)keep - 1, 0);
    closefrom(keep >= 3 ? keep + 1 : 3);
}

int main(int argc, char *argv[])
{
    promp_options_t options;
    int code;

    if (!promp_options_read(argc, argv, &options, &code))
        return code;
#ifndef __SANITIZE_ADDRESS__ /* its search for leaks has to look into us */
    prctl(PR_SET_DUMPABLE, 0);
#endif
    if (options.what == PROMP_OPTIONS_AGENT)
        return run_agent(&options);
    close_others(options.passphrase_fd);
    if (options.instance && setenv("PROMP_INSTANCE", options.instance, 1) < 0)
        return 1;
    if (options.stop)
        return promp_stop_run(&options);
    if (options.what == PROMP_OPTIONS_CLUSTER)
        return promp_cluster_run(&options);
    return options.what == PROMP_OPTIONS_STATUS ? promp_serve_status() : promp_serve_run(&options);
}
