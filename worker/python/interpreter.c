#include "interpreter.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MINOR_LOWEST 11

/* argv of the interpreter: its own name first, so that it finds its prefix. NULL without memory. */
static char **make_argv(const promp_interpreter_t *interpreter)
{
    char **argv = calloc((size_t)interpreter->count + 2, sizeof *argv);
    if (!argv)
        return NULL;
    argv[0] = (char *)interpreter->python;
    for (int i = 0; i < interpreter->count; i++)
        argv[i + 1] = interpreter->rest[i];
    return argv;
}

/* Every libpython runs with any virtual environment without a word, so the version is checked here. */
static int version_fits(const promp_interpreter_t *interpreter, const char *have)
{
    int major = 0, minor = 0;
    if (sscanf(have, "%d.%d", &major, &minor) != 2 || major != 3 || minor < MINOR_LOWEST) {
        fprintf(stderr, "%s: Python %.16s is too old, 3.%d is the first that works\n", interpreter->program,
                have, MINOR_LOWEST);
        return 0;
    }
    char text[32];
    snprintf(text, sizeof text, "%d.%d", major, minor);
    if (interpreter->version && strcmp(text, interpreter->version) != 0) {
        fprintf(stderr, "%s: the library is Python %s, the manager runs %s\n", interpreter->program, text,
                interpreter->version);
        return 0;
    }
    return 1;
}

/* -1: it could not be loaded, else the interpreter's exit code. */
static int run_library(const promp_interpreter_t *interpreter, char **argv)
{
    /* Global: extension modules are not linked with libpython and look for its symbols in the process. */
    void *library = dlopen(interpreter->library, RTLD_NOW | RTLD_GLOBAL);
    if (!library)
        return -1;
    const char *(*get_version)(void);
    int (*bytes_main)(int, char **);
    *(void **)&get_version = dlsym(library, "Py_GetVersion");
    *(void **)&bytes_main = dlsym(library, "Py_BytesMain");
    if (!get_version || !bytes_main)
        return -1;
    if (!version_fits(interpreter, get_version()))
        return PROMP_INTERPRETER_FAILED;
    return bytes_main(interpreter->count + 1, argv);
}

int promp_interpreter_run(const promp_interpreter_t *interpreter)
{
    char **argv = make_argv(interpreter);
    if (!argv) {
        fprintf(stderr, "%s: no memory left\n", interpreter->program);
        return 1;
    }
    int result = interpreter->library ? run_library(interpreter, argv) : -1;
    if (result < 0) {
        execvp(interpreter->python, argv);
        fprintf(stderr, "%s: cannot run the interpreter '%s': %s\n", interpreter->program,
                interpreter->python, strerror(errno));
        result = PROMP_INTERPRETER_FAILED;
    }
    free(argv);
    return result;
}
