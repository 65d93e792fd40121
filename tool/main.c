/* promp: the user's tool. `promp -r script.py` becomes a Python interpreter that runs the script as any other does, with the
 * package Pro on its path; `promp join` brings the user into a cluster. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmd_drain.h"
#include "cmd_join.h"
#include "cmd_status.h"
#include "interpreter.h"
#include "package.h"
#include "promp.h"

#define EXIT_USAGE 2

static const char help[] =
    "promp - Python scripts as root managers, and a cluster as its users and operators see it\n"
    "\n"
    "usage: promp [--python EXE] -r SCRIPT [ARGUMENTS]\n"
    "       promp join - | FILE       joins a cluster with a token of its broker\n"
    "       promp status [--nodes]    shows what a cluster does, and its nodes\n"
    "       promp drain NODE          takes a node out of service\n"
    "\n"
    "  -r, --run SCRIPT   the script, which can `from Pro.MP import *` wherever promp is installed; what "
    "follows it are\n"
    "                     its arguments\n"
    "  --python EXE       the interpreter (default: $PROMP_PYTHON, the python3 beside promp, python3 of "
    "$PATH)\n"
    "  --help, --version  of promp; each command has a --help of its own\n"
    "\n"
    "Exits with the script's exit code; 2: wrong usage, or the script cannot be read; 4: the interpreter "
    "cannot be run.\n"
    "example: promp -r survey.py --workers 4 /usr/lib\n";

static int wrong(const char *what, const char *which)
{
    fprintf(stderr, "promp: %s%s; try promp --help\n", what, which);
    return EXIT_USAGE;
}

/* $PROMP_PYTHON, the virtual environment that promp is in, $PATH. */
static const char *find_python(const char *folder, char *path, size_t size)
{
    const char *named = getenv("PROMP_PYTHON");
    if (named && *named)
        return named;
    snprintf(path, size, "%s/python3", folder);
    return *folder && access(path, X_OK) == 0 ? path : "python3";
}

/* In a build folder and an installed tree the package is not on the interpreter's path; a wheel's is. Behind what the user has
 * put there. */
static int set_path(const char *folder)
{
    char root[PATH_MAX], *whole;
    const char *before = getenv("PYTHONPATH");
    if (!promp_package_find(folder, root))
        return 0;
    if (asprintf(&whole, "%s%s%s", before ? before : "", before && *before ? ":" : "", root) < 0)
        return -1;
    int result = setenv("PYTHONPATH", whole, 1);
    free(whole);
    return result;
}

static int run(const char *python, char **rest, int count)
{
    char folder[PATH_MAX] = "", path[PATH_MAX + 16];
    promp_package_bin(folder, sizeof folder);
    if (access(rest[0], R_OK) != 0) {
        fprintf(stderr, "promp: cannot read the script '%s': %s\n", rest[0], strerror(errno));
        return EXIT_USAGE;
    }
    if (set_path(folder) < 0) {
        fprintf(stderr, "promp: no memory left\n");
        return 1;
    }
    promp_interpreter_t interpreter = {.program = "promp", .rest = rest, .count = count};
    interpreter.python = python ? python : find_python(folder, path, sizeof path);
    return promp_interpreter_run(&interpreter);
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {{"run", no_argument, NULL, 'r'},
                                          {"python", required_argument, NULL, 'p'},
                                          {"help", no_argument, NULL, 'h'},
                                          {"version", no_argument, NULL, 'V'},
                                          {NULL, 0, NULL, 0}};
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {{"join", promp_cmd_join}, {"status", promp_cmd_status}, {"drain", promp_cmd_drain}};
    const char *python = NULL;
    int c, wanted = 0;

    for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof *commands; i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    opterr = 0;
    while ((c = getopt_long(argc, argv, "+:rhV", longs, NULL)) != -1) {
        switch (c) {
        case 'r':
            wanted = 1;
            break;
        case 'p':
            python = optarg;
            break;
        case 'h':
            fputs(help, stdout);
            return 0;
        case 'V':
            puts("promp " PROMP_VERSION);
            return 0;
        default:
            return wrong(c == ':' ? "a value is missing behind " : "there is no option ", argv[optind - 1]);
        }
    }
    if (wanted && optind == argc)
        return wrong("-r needs a script", "");
    if (!wanted && optind == argc)
        return wrong("no script is given", "");
    if (!wanted)
        return wrong("-r is missing before the script, or this is no command: ", argv[optind]);
    return run(python, argv + optind, argc - optind);
}
