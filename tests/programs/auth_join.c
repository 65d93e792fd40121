/* auth_join: joiner and broker in one, without a network: reads a token from standard input, makes a key, and lets it in to the
 * store of folder DIR under a name. Prints the name that the key got; exit code 1 with the number of the error otherwise. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "auth_admit.h"
#include "auth_file.h"
#include "auth_token.h"

static promp_err_t join(int folder, const char *line, const char *name, promp_auth_entry_t *entry,
                        promp_error_t *error)
{
    promp_auth_token_t *token;
    promp_auth_key_t *key;
    promp_err_t code = promp_auth_token_parse(promp_slice_str(line), &token, error);
    if (code)
        return code;
    code = promp_auth_key_make(&key, error);
    if (!code)
        code =
            promp_auth_admit(folder, promp_auth_key_public(token->key), promp_auth_key_public(key),
                             promp_slice_str(name), (int64_t)time(NULL), PROMP_TIME_STORE_LOCK, entry, error);
    promp_auth_key_destroy(&key);
    promp_auth_token_destroy(&token);
    return code;
}

int main(int argc, char **argv)
{
    char line[PROMP_LIMIT_TOKEN + 8];
    promp_auth_entry_t entry;
    promp_error_t error;
    int folder;

    if (argc != 3 || !fgets(line, sizeof line, stdin))
        return 2;
    if (!promp_auth_folder_open(argv[1], false, &folder, &error) &&
        !join(folder, line, argv[2], &entry, &error)) {
        puts(entry.name);
        return 0;
    }
    fprintf(stderr, "%d %s\n", (int)error.code, error.text);
    return 1;
}
