/* promp-worker: runs Python workers. It loads the interpreter that its manager runs, when that is a shared library, and
 * becomes it otherwise; the package Pro does the rest (python/Pro/_worker.py). */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "interpreter.h"

#define EXIT_USAGE 2

static void usage(FILE *out)
{
    fputs("usage: promp-worker [--python EXE] [--library LIBPYTHON] [--version X.Y] -- ARGUMENTS\n"
          "Runs a Python worker; managers start it, it is of no use by hand. Without --python it takes\n"
          "$PROMP_PYTHON, which a cluster's node sets to the interpreter that fits, else python3.\n"
          "example: promp-worker --python venv/bin/python3 -- -c CODE PACKAGE_FOLDER\n",
          out);
}

int main(int argc, char **argv)
{
    static const struct option longs[] = {{"python", required_argument, NULL, 'p'},
                                          {"library", required_argument, NULL, 'l'},
                                          {"version", required_argument, NULL, 'v'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    const char *python = getenv("PROMP_PYTHON");
    promp_interpreter_t interpreter = {.program = "promp-worker",
                                       .python = python && *python ? python : "python3"};
    int c;
    while ((c = getopt_long(argc, argv, "+p:l:v:h", longs, NULL)) != -1) {
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
        case 'h':
            usage(stdout);
            return 0;
        default:
            usage(stderr);
            return EXIT_USAGE;
        }
    }
    interpreter.rest = argv + optind;
    interpreter.count = argc - optind;
    return promp_interpreter_run(&interpreter);
}
