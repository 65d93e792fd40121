#include "tool.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "auth_file.h"

static bool in_colour(void)
{
    const char *no = getenv("NO_COLOR");
    return isatty(2) && !(no && *no);
}

int promp_tool_option(promp_tool_t *tool, int argc, char **argv, const struct option *options)
{
    for (;;) {
        int c = getopt_long(argc, argv, ":", options, NULL);
        switch (c) {
        case 'c':
            tool->config = optarg;
            break;
        case 'h':
            fputs(tool->command->help, stdout);
            tool->code = promp_tool_finish();
            return PROMP_TOOL_STOP;
        case '?':
            tool->code = promp_tool_wrong(tool, "there is no option %s", argv[optind - 1]);
            return PROMP_TOOL_STOP;
        case ':':
            tool->code = promp_tool_wrong(tool, "%s needs a value", argv[optind - 1]);
            return PROMP_TOOL_STOP;
        default:
            return c;
        }
    }
}

int promp_tool_wrong(const promp_tool_t *tool, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "promp-auth %s: ", tool->command->name);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "; try promp-auth %s --help\n", tool->command->name);
    return PROMP_TOOL_USAGE;
}

static int exit_code(promp_err_t code)
{
    switch (code) {
    case PROMP_ERR_ARGUMENT:
        return PROMP_TOOL_USAGE;
    case PROMP_ERR_NOT_FOUND:
    case PROMP_ERR_KEY_MISSING:
        return PROMP_TOOL_NOTHING;
    case PROMP_ERR_KEY_READABLE:
    case PROMP_ERR_KEY_FORMAT:
    case PROMP_ERR_KEY_FOLDER:
    case PROMP_ERR_STORE_ENTRY:
        return PROMP_TOOL_UNSAFE;
    case PROMP_ERR_KEY_LOCKED:
    case PROMP_ERR_KEY_PASSPHRASE:
        return PROMP_TOOL_LOCKED;
    case PROMP_ERR_KEY_EXISTS:
        return PROMP_TOOL_EXISTS;
    case PROMP_ERR_STORE_BUSY:
        return PROMP_TOOL_BUSY;
    default:
        return PROMP_TOOL_FAILED;
    }
}

int promp_tool_fail(const promp_error_t *error)
{
    const bool colour = in_colour();
    fprintf(stderr, "%spromp-auth: %d %s: %s%s\n", colour ? "\033[31m" : "", (int)error->code,
            promp_error_name(error->code), error->text, colour ? "\033[0m" : "");
    return exit_code(error->code);
}

void promp_tool_note(const char *format, ...)
{
    va_list args;
    fputs("promp-auth: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

promp_err_t promp_tool_open(const promp_tool_t *tool, bool make, int *folder, promp_error_t *error)
{
    char path[PROMP_LIMIT_PATH + 1];
    promp_err_t code = promp_auth_folder_path(tool->config, path, error);
    return code ? code : promp_auth_folder_open(path, make, folder, error);
}

static promp_err_t not_written(promp_error_t *error)
{
    int system = errno;
    return promp_error_set(error, promp_error_from_errno(system), system, "standard output");
}

promp_err_t promp_tool_print_secret(const char *line, promp_error_t *error)
{
    size_t left = strlen(line);
    while (left) {
        ssize_t n = write(1, line, left);
        if (n < 0 && errno != EINTR)
            return not_written(error);
        if (n > 0) {
            line += n;
            left -= (size_t)n;
        }
    }
    return PROMP_OK;
}

int promp_tool_finish(void)
{
    promp_error_t error;
    if (fflush(stdout) == 0 && !ferror(stdout))
        return PROMP_TOOL_DONE;
    not_written(&error);
    return promp_tool_fail(&error);
}
