/* promp-worker: runs Python workers. It loads the interpreter that its manager runs, when that is a shared library, and
 * becomes it otherwise; the package Pro does the rest (python/Pro/_worker.py). */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "interpreter.h"
#include "package.h"

#define EXIT_USAGE 2

/* Code for the interpreter; the first finds the package in the folder that is its argument. */
#define BOOT           "from Pro._worker import main; main()"
#define BOOT_IN_FOLDER "import sys; sys.path.insert(0, sys.argv.pop(1)); " BOOT

static const char help[] =
    "usage: promp-worker [--python EXE] [--library LIBPYTHON] [--version X.Y] -- ARGUMENTS\n"
    "       promp-worker --package [--python EXE] [-- OPTIONS]\n"
    "Runs a Python worker; managers start it, it is of no use by hand. --package: the interpreter, with its\n"
    "options, runs the package Pro of the same installation.\n"
    "example: promp-worker --python venv/bin/python3 -- -c CODE PACKAGE_FOLDER\n";

/* The interpreter with these options runs the package beside this program, or where there is none, the one that is installed
 * for it. */
static int run_package(promp_interpreter_t *interpreter)
{
    char folder[PATH_MAX], root[PATH_MAX];
    size_t count = (size_t)interpreter->count;
    char **arguments = calloc(count + 3, sizeof *arguments);
    if (!arguments) {
        fprintf(stderr, "%s: no memory left\n", interpreter->program);
        return 1;
    }
    memcpy(arguments, interpreter->rest, count * sizeof *arguments);
    int found = promp_package_bin(folder, sizeof folder) && promp_package_find(folder, root);
    arguments[count++] = (char *)"-c";
    arguments[count++] = (char *)(found ? BOOT_IN_FOLDER : BOOT);
    if (found)
        arguments[count++] = root;
    interpreter->rest = arguments;
    interpreter->count = (int)count;
    int result = promp_interpreter_run(interpreter);
    free(arguments);
    return result;
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {
        {"python", required_argument, NULL, 'p'},  {"library", required_argument, NULL, 'l'},
        {"version", required_argument, NULL, 'v'}, {"package", no_argument, NULL, 'P'},
        {"help", no_argument, NULL, 'h'},          {NULL, 0, NULL, 0}};
    const char *given = getenv("PROMP_PYTHON"); /* a node's choice */
    promp_interpreter_t interpreter = {.program = "promp-worker",
                                       .python = given && *given ? given : "python3"};
    int c, package = 0;
    opterr = 0;
    while ((c = getopt_long(argc, argv, "+:p:l:v:h", longs, NULL)) != -1) {
        switch (c) {
        case 'p':
            interpreter.python = optarg;
            break;
        case 'l':
            interpreter.library = optarg;
            break;
        case 'v':
            interpreter.version = optarg;
            break;
        case 'P':
            package = 1;
            break;
        case 'h':
            fputs(help, stdout);
            return 0;
        default:
            fprintf(stderr, "promp-worker: %s%s; try promp-worker --help\n",
                    c == ':' ? "a value is missing behind " : "there is no option ", argv[optind - 1]);
            return EXIT_USAGE;
        }
    }
    interpreter.rest = argv + optind;
    interpreter.count = argc - optind;
    return package ? run_package(&interpreter) : promp_interpreter_run(&interpreter);
}
