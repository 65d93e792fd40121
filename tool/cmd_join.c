#include "cmd_join.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "auth_file.h"
#include "auth_read.h"
#include "join.h"

/* Exit codes, numbered as promp-auth's where they mean the same */
enum {
    DONE = 0,
    FAILED = 1,
    USAGE = 2,
    TOKEN = 3,
    UNSAFE = 4,
    BROKER = 5,
    EXISTS = 6,
    BUSY = 7,
};

static const char help[] =
    "promp join - brings you into a cluster with a token of its broker\n"
    "\n"
    "usage: promp join [--name NAME] [--replace] [--config DIR] - | FILE\n"
    "\n"
    "  -             read the token from standard input\n"
    "  FILE          read it from a file, which nobody else may be able to read (mode 0600)\n"
    "  --name NAME   what your key is to be called (default: this host's name)\n"
    "  --replace     a key that has joined already gives way to the new one, once that is in\n"
    "  --config DIR  folder of keys (default: $PROMP_CONFIG, ~/.config/promp)\n"
    "\n"
    "On the broker's host `promp-auth token manager` prints a token: one line, good for one key and one "
    "day.\n"
    "Your key is made here, its secret half never leaves the folder. From then on root managers find the\n"
    "broker by themselves; PROMP_BROKER=local in the environment keeps one on this host. Interrupted, it may "
    "be\n"
    "repeated with the same token. `promp-auth passphrase manager` locks the key.\n"
    "\n"
    "examples:\n"
    "  broker$  promp-auth token manager | ssh alice@laptop promp join -\n"
    "  laptop$  promp join --name alice token\n"
    "\n"
    "Exit codes: 0 joined; 1 the system refused something; 2 wrong usage; 3 the token is none, is late, used "
    "up or\n"
    "revoked, or is for nodes; 4 a file or folder is malformed or open to others; 5 the broker cannot be "
    "reached, or\n"
    "another one answers; 6 a key has joined already; 7 another program works in the folder. From 1 on a "
    "line on\n"
    "standard error has the number that docs/errors.md explains.\n";

static int exit_code(promp_err_t code)
{
    switch (code) {
    case PROMP_ERR_ARGUMENT:
    case PROMP_ERR_NOT_FOUND:
        return USAGE;
    case PROMP_ERR_TOKEN_FORMAT:
    case PROMP_ERR_TOKEN_CHECKSUM:
    case PROMP_ERR_TOKEN_EXPIRED:
    case PROMP_ERR_TOKEN_REFUSED:
    case PROMP_ERR_KEY_ROLE:
        return TOKEN;
    case PROMP_ERR_KEY_READABLE:
    case PROMP_ERR_KEY_FORMAT:
    case PROMP_ERR_KEY_LOCKED:
    case PROMP_ERR_KEY_FOLDER:
        return UNSAFE;
    case PROMP_ERR_VERSION:
        return BROKER;
    case PROMP_ERR_KEY_EXISTS:
        return EXISTS;
    case PROMP_ERR_STORE_BUSY:
        return BUSY;
    default:
        return code >= PROMP_ERR_BROKER_NAME ? BROKER : FAILED;
    }
}

static int fail(const promp_error_t *error)
{
    fprintf(stderr, "promp: %d %s: %s\n", (int)error->code, promp_error_name(error->code), error->text);
    if (error->code == PROMP_ERR_KEY_ROLE)
        fputs("promp: a node joins by itself: promp-node --join -\n", stderr);
    if (error->code == PROMP_ERR_KEY_EXISTS)
        fputs("promp: --replace puts a new key in its place, --config names another folder\n", stderr);
    return exit_code(error->code);
}

static int wrong(const char *what, const char *which)
{
    fprintf(stderr, "promp join: %s%s; try promp join --help\n", what, which);
    return USAGE;
}

static int say(const promp_join_result_t *result)
{
    promp_error_t error;
    const char *name = result->joined.name;
    printf("joined as %s %s%s%s at %s\n", promp_auth_role_text(result->role), *name ? "'" : "",
           *name ? name : "(the broker has its name)", *name ? "'" : "", result->joined.address);
    if (fflush(stdout) == 0 && !ferror(stdout))
        return DONE;
    promp_error_set(&error, PROMP_ERR_SYSTEM, 0, "joined, but standard output cannot be written");
    return fail(&error);
}

static int join(promp_join_config_t *config, const char *source, const char *folder)
{
    char path[PROMP_LIMIT_PATH + 1];
    promp_join_result_t result;
    promp_error_t error;
    promp_err_t code = promp_auth_read(source, PROMP_LIMIT_TOKEN, &config->token, &error);
    if (code)
        return fail(&error);
    code = promp_auth_folder_path(folder, path, &error);
    if (!code)
        code = promp_auth_folder_open(path, true, &config->folder, &error);
    if (!code) {
        code = promp_join(config, &result, &error);
        close(config->folder);
    }
    promp_auth_read_free(&config->token);
    return code ? fail(&error) : say(&result);
}

int promp_cmd_join(int argc, char **argv)
{
    static const struct option options[] = {{"name", required_argument, NULL, 'n'},
                                            {"replace", no_argument, NULL, 'r'},
                                            {"config", required_argument, NULL, 'c'},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    promp_join_config_t config = {.roles = PROMP_JOIN_ROLE(PROMP_AUTH_MANAGER) |
                                           PROMP_JOIN_ROLE(PROMP_AUTH_OBSERVER) |
                                           PROMP_JOIN_ROLE(PROMP_AUTH_ADMIN)};
    const char *folder = NULL;
    int c;

    promp_auth_harden();
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error like a full disk */
    opterr = 0;
    while ((c = getopt_long(argc, argv, ":", options, NULL)) != -1)
        switch (c) {
        case 'n':
            config.name = optarg;
            break;
        case 'r':
            config.replace = true;
            break;
        case 'c':
            folder = optarg;
            break;
        case 'h':
            fputs(help, stdout);
            return DONE;
        default:
            return wrong(c == ':' ? "a value is missing behind " : "there is no option ", argv[optind - 1]);
        }
    if (optind + 1 != argc)
        return wrong("one token is needed: - or a file", "");
    return join(&config, argv[optind], folder);
}
