#include "package.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int promp_package_bin(char *folder, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", folder, size - 1);
    char *slash;

    folder[n > 0 ? n : 0] = '\0';
    slash = strrchr(folder, '/');
    if (slash)
        *slash = '\0';
    return slash != NULL;
}

int promp_package_find(const char *bin, char root[PATH_MAX])
{
    static const char *const places[] = {"/../python", "/" PROMP_PACKAGE_FROM_BIN, "/../.."};
    for (size_t i = 0; *bin && i < sizeof places / sizeof *places; i++) {
        char folder[PATH_MAX], file[PATH_MAX + 32];
        int size = snprintf(folder, sizeof folder, "%s%s", bin, places[i]);
        if (size < 0 || (size_t)size >= sizeof folder)
            continue;
        snprintf(file, sizeof file, "%s/Pro/_promp.abi3.so", folder);
        if (access(file, R_OK) == 0 && realpath(folder, root))
            return 1;
    }
    return 0;
}
