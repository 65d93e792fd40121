/* tool.h - what the commands of promp-auth share: options, errors, the folder. One thread. */
#ifndef PROMP_AUTH_TOOL_H
#define PROMP_AUTH_TOOL_H

#include <getopt.h>

#include "auth_entry.h"

/* Exit codes */
enum {
    PROMP_TOOL_DONE = 0,
    PROMP_TOOL_FAILED = 1,  /* the system refused something */
    PROMP_TOOL_USAGE = 2,   /* the command line is wrong */
    PROMP_TOOL_NOTHING = 3, /* there is no key or token of this name, or no broker's folder */
    PROMP_TOOL_UNSAFE = 4,  /* a file or folder is malformed or can be read or written by others */
    PROMP_TOOL_LOCKED = 5,  /* a passphrase is missing or wrong */
    PROMP_TOOL_EXISTS = 6,  /* it is there already */
    PROMP_TOOL_BUSY = 7     /* another program changes the store; try again */
};

typedef struct promp_tool_command promp_tool_command_t;

/* One run of the program. */
typedef struct {
    const promp_tool_command_t *command;
    const char *config; /* of --config, or NULL */
    int64_t now;        /* seconds since 1970 */
    int code;           /* exit code, when promp_tool_option() says that all is done */
} promp_tool_t;

struct promp_tool_command {
    const char *name;
    const char *summary;                                   /* one line for the list of commands */
    const char *help;                                      /* all about it, with an example */
    int (*run)(promp_tool_t *tool, int argc, char **argv); /* argv[0] is the command; returns the exit code */
};

extern const promp_tool_command_t promp_tool_init, promp_tool_token, promp_tool_list, promp_tool_show,
    promp_tool_revoke, promp_tool_rotate, promp_tool_export, promp_tool_passphrase;

/* Rows of every command's table of options. */
#define PROMP_TOOL_OPTIONS                                                                                   \
    {"config", required_argument, NULL, 'c'}, {"help", no_argument, NULL, 'h'},                              \
    {                                                                                                        \
        NULL, 0, NULL, 0                                                                                     \
    }

#define PROMP_TOOL_END  -1 /* no more options; optind is the first argument */
#define PROMP_TOOL_STOP -2 /* return tool->code */

/* The next option of a command, of options; help, --config and what is unknown are dealt with. */
int promp_tool_option(promp_tool_t *tool, int argc, char **argv, const struct option *options);

/* Says what is wrong with the command line; returns PROMP_TOOL_USAGE. */
int promp_tool_wrong(const promp_tool_t *tool, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Prints an error with its number; returns its exit code. */
int promp_tool_fail(const promp_error_t *error);

/* A remark for the user, on standard error. */
void promp_tool_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Opens the folder of keys; make: creates it. */
promp_err_t promp_tool_open(const promp_tool_t *tool, bool make, int *folder, promp_error_t *error);

/* Writes a line to standard output without leaving a copy of it in memory. */
promp_err_t promp_tool_print_secret(const char *line, promp_error_t *error);

/* Ends the output: PROMP_TOOL_DONE, or the error when not all of it could be written. */
int promp_tool_finish(void);

#endif
