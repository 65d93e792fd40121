#include "spawn_words.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define WORKER_FDS "PROMP_WORKER_FDS=3"
#define PYTHON     "PROMP_PYTHON"

/* What a node's environment has that is the node's own business: how it was started and by whom. */
static const char *const hidden[] = {
    "PWD",           "OLDPWD",         "NOTIFY_SOCKET",         "LISTEN_FDS",
    "LISTEN_PID",    "LISTEN_FDNAMES", "WATCHDOG_USEC",         "WATCHDOG_PID",
    "INVOCATION_ID", "JOURNAL_STREAM", "CREDENTIALS_DIRECTORY", "MAINPID"};

static size_t name_size(const char *variable)
{
    return strcspn(variable, "=");
}

static bool is(const char *variable, const char *name)
{
    size_t size = name_size(variable);

    return variable[size] == '=' && strlen(name) == size && memcmp(variable, name, size) == 0;
}

static bool same_name(const char *a, const char *b)
{
    size_t size = name_size(a);

    return name_size(b) == size && memcmp(a, b, size) == 0;
}

/* Those that we set ourselves. */
static bool is_ours(const char *variable, bool python)
{
    return is(variable, "PROMP_WORKER_FDS") || is(variable, PROMP_TREE_ENV) ||
           (python && is(variable, PYTHON));
}

static bool is_private(const char *variable)
{
    if (strncmp(variable, "PROMP_", 6) == 0)
        return true;
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0]; i++)
        if (is(variable, hidden[i]))
            return true;
    return false;
}

static size_t strings(promp_slice_t run)
{
    size_t count = 0;

    for (size_t i = 0; i < run.size; i++)
        count += run.data[i] == '\0';
    return count;
}

static char *text(promp_slice_t bytes)
{
    char *copy = malloc(bytes.size + 1);

    if (!copy)
        return NULL;
    if (bytes.size)
        memcpy(copy, bytes.data, bytes.size);
    copy[bytes.size] = '\0';
    return copy;
}

/* Points list to the strings of a run, whose last one has its NUL (the decoder has seen to that). */
static size_t point(promp_slice_t run, char **list)
{
    const char *at = (const char *)run.data;
    size_t count = 0;

    for (size_t left = run.size; left;) {
        size_t size = strlen(at) + 1;

        list[count++] = (char *)at;
        at += size;
        left -= size;
    }
    list[count] = NULL;
    return count;
}

/* Takes out of a list of variables those that we set ourselves; returns how many are left. */
static size_t without_ours(char **list, bool python)
{
    size_t count = 0;

    for (size_t i = 0; list[i]; i++)
        if (!is_ours(list[i], python))
            list[count++] = list[i];
    list[count] = NULL;
    return count;
}

/* Adds those of our own variables that a worker may see and that were not given. */
static void complete(char **list, size_t count)
{
    size_t given = count;

    for (char **own = environ; *own; own++) {
        bool found = is_private(*own);

        for (size_t i = 0; i < given && !found; i++)
            found = same_name(list[i], *own);
        if (!found)
            list[count++] = *own;
    }
    list[count] = NULL;
}

static promp_err_t choose_python(promp_spawn_words_t *w, const promp_spawn_order_t *order,
                                 promp_error_t *error)
{
    const promp_slice_t version = order->what->python;
    const char *path = order->pythons ? promp_pythons_fit(order->pythons, version) : NULL;
    char have[PROMP_LIMIT_LABELS + 1] = "";

    if (path && asprintf(&w->python, PYTHON "=%s", path) < 0) {
        w->python = NULL;
        return promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
    }
    if (path || !version.size)
        return PROMP_OK;
    if (order->pythons)
        promp_pythons_text(order->pythons, have);
    return promp_error_set(error, PROMP_ERR_NO_PLACE, 0, "this node has no Python %.*s (it has: %s)",
                           (int)version.size, (const char *)version.data, *have ? have : "none");
}

promp_err_t promp_spawn_words_make(promp_spawn_words_t *w, const promp_spawn_order_t *order,
                                   promp_error_t *error)
{
    const promp_msg_spawn_t *what = order->what;
    bool cluster = !promp_id_is_none(&what->owner);
    bool private_folder = cluster && order->scratch && !what->folder.size;
    size_t own = 0;

    *w = (promp_spawn_words_t){0};
    if (cluster && choose_python(w, order, error))
        return error->code;
    while (cluster && environ[own])
        own++;
    w->program = text(what->program);
    w->folder = private_folder ? NULL : text(what->folder);
    w->argv = calloc(strings(what->argv) + 2, sizeof *w->argv);
    w->env = calloc(strings(what->env) + own + 4, sizeof *w->env);
    if (!w->program || (!w->folder && !private_folder) || !w->argv || !w->env)
        return promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
    if (!point(what->argv, w->argv))
        w->argv[0] = w->program;
    snprintf(w->mark, sizeof w->mark, PROMP_TREE_ENV "=%s", order->mark);

    size_t ours = 0;
    w->env[ours++] = (char *)WORKER_FDS;
    w->env[ours++] = w->mark;
    if (w->python)
        w->env[ours++] = w->python;
    point(what->env, w->env + ours);
    size_t given = without_ours(w->env + ours, w->python);
    if (cluster)
        complete(w->env + ours, given);
    return PROMP_OK;
}

void promp_spawn_words_free(promp_spawn_words_t *w)
{
    free(w->program);
    free(w->folder);
    free(w->argv);
    free(w->env);
    free(w->python);
}
