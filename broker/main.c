/* main.c - promp-broker: the one listening port of a cluster. */
#include "auth_key.h"
#include "serve.h"

int main(int argc, char *argv[])
{
    promp_options_t options;
    int code;

    promp_auth_harden();
    return promp_options_read(argc, argv, &options, &code) ? promp_serve_run(&options) : code;
}
