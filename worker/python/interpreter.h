/* interpreter.h - running a Python interpreter, for promp-worker and promp. */
#ifndef PROMP_WORKER_PYTHON_INTERPRETER_H
#define PROMP_WORKER_PYTHON_INTERPRETER_H

#define PROMP_INTERPRETER_FAILED 4 /* exit code: no interpreter, or one of another version */

typedef struct {
    const char *program; /* who says what is wrong, on stderr */
    const char *python;  /* the executable: tells the interpreter its prefix and virtual environment */
    const char *library; /* its libpython; NULL: a static one, or unknown */
    const char *version; /* "3.12": what the library must be; NULL: any that is new enough */
    char **rest;         /* arguments for the interpreter */
    int count;
} promp_interpreter_t;

/* Runs it inside this process where there is a library, else becomes it. Returns an exit code. Main thread. */
int promp_interpreter_run(const promp_interpreter_t *interpreter);

#endif
