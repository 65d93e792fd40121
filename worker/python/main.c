/* promp-worker: runs Python workers. It loads the interpreter that its manager runs, when that is a shared library, and
 * becomes it otherwise; the package Pro does the rest (python/Pro/_worker.py). */
#include <dlfcn.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_USAGE   2
#define EXIT_PYTHON  4 /* no interpreter, or one of another version */
#define MINOR_LOWEST 11

typedef struct {
    const char *python;  /* the executable: tells the interpreter its prefix and virtual environment */
    const char *library; /* its libpython, NULL: static */
    const char *version; /* "3.12": what it must be, NULL: any that is new enough */
    char **rest;         /* arguments for the interpreter, NULL-ended */
    int count;
} options_t;

static void usage(FILE *out)
{
    fputs("usage: promp-worker [--python EXE] [--library LIBPYTHON] [--version X.Y] -- ARGUMENTS\n"
          "Runs a Python worker; managers start it, it is of no use by hand.\n"
          "example: promp-worker --python venv/bin/python3 -- -c CODE PACKAGE_FOLDER\n",
          out);
}

/* 0, or an exit code + 1. */
static int parse(int argc, char **argv, options_t *options)
{
    static const struct option longs[] = {{"python", required_argument, NULL, 'p'},
                                          {"library", required_argument, NULL, 'l'},
                                          {"version", required_argument, NULL, 'v'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    *options = (options_t){.python = "python3"};
    int c;
    while ((c = getopt_long(argc, argv, "+p:l:v:h", longs, NULL)) != -1) {
        switch (c) {
        case 'p':
            options->python = optarg;
            break;
        case 'l':
            options->library = optarg;
            break;
        case 'v':
            options->version = optarg;
            break;
        case 'h':
            usage(stdout);
            return 1;
        default:
            usage(stderr);
            return EXIT_USAGE + 1;
        }
    }
    options->rest = argv + optind;
    options->count = argc - optind;
    return 0;
}

/* argv of the interpreter: its own name first, so that it finds its prefix. NULL without memory. */
static char **interpreter_argv(const options_t *options)
{
    char **argv = calloc((size_t)options->count + 2, sizeof *argv);
    if (!argv)
        return NULL;
    argv[0] = (char *)options->python;
    for (int i = 0; i < options->count; i++)
        argv[i + 1] = options->rest[i];
    return argv;
}

/* Every libpython runs with any virtual environment without a word, so the version is checked here. */
static int version_fits(const char *have, const char *want)
{
    int major = 0, minor = 0;
    if (sscanf(have, "%d.%d", &major, &minor) != 2 || major != 3 || minor < MINOR_LOWEST) {
        fprintf(stderr, "promp-worker: Python %.16s is too old, 3.%d is the first that works\n", have,
                MINOR_LOWEST);
        return 0;
    }
    char text[16];
    snprintf(text, sizeof text, "%d.%d", major, minor);
    if (want && strcmp(text, want) != 0) {
        fprintf(stderr, "promp-worker: the library is Python %s, the manager runs %s\n", text, want);
        return 0;
    }
    return 1;
}

/* The interpreter inside this process; returns only when it could not be loaded: -1, else its exit code. */
static int run_library(const options_t *options, char **argv)
{
    /* Global: extension modules are not linked with libpython and look for its symbols in the process. */
    void *library = dlopen(options->library, RTLD_NOW | RTLD_GLOBAL);
    if (!library)
        return -1;
    const char *(*get_version)(void);
    int (*bytes_main)(int, char **);
    *(void **)&get_version = dlsym(library, "Py_GetVersion");
    *(void **)&bytes_main = dlsym(library, "Py_BytesMain");
    if (!get_version || !bytes_main)
        return -1;
    if (!version_fits(get_version(), options->version))
        return EXIT_PYTHON;
    return bytes_main(options->count + 1, argv);
}

int main(int argc, char **argv)
{
    options_t options;
    int result = parse(argc, argv, &options);
    if (result)
        return result - 1;
    char **arguments = interpreter_argv(&options);
    if (!arguments)
        return 1;
    result = options.library ? run_library(&options, arguments) : -1;
    if (result < 0) {
        execvp(options.python, arguments);
        fprintf(stderr, "promp-worker: cannot run the interpreter '%s'\n", options.python);
        result = EXIT_PYTHON;
    }
    free(arguments);
    return result;
}
