#include "operator.h"

#include <stdio.h>

int promp_operator_fail(const promp_error_t *error, const char *who)
{
    fprintf(stderr, "promp: %d %s: %s\n", (int)error->code, promp_error_name(error->code), error->text);
    if (error->code == PROMP_ERR_NO_BROKER || error->code == PROMP_ERR_KEY_MISSING)
        fprintf(stderr, "promp: join as %s first: promp join - < token\n", who);
    return PROMP_OPERATOR_FAILED;
}

int promp_operator_folder(const char *name, const char *who)
{
    char path[PROMP_LIMIT_PATH + 1];
    promp_error_t error;
    int folder;
    promp_err_t code = promp_auth_folder_path(name, path, &error);

    if (!code)
        code = promp_auth_folder_open(path, false, &folder, &error);
    if (!code)
        return folder;
    promp_operator_fail(&error, who);
    return -1;
}

int promp_operator_done(void)
{
    promp_error_t error;

    if (fflush(stdout) == 0 && !ferror(stdout))
        return PROMP_OPERATOR_DONE;
    promp_error_set(&error, PROMP_ERR_SYSTEM, 0, "standard output cannot be written");
    return promp_operator_fail(&error, "");
}
