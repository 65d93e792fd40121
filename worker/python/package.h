/* package.h - where the package Pro of this build or installation is. */
#ifndef PROMP_WORKER_PYTHON_PACKAGE_H
#define PROMP_WORKER_PYTHON_PACKAGE_H

#include <limits.h>
#include <stddef.h>

/* The folder that this program is in, without links; 0 where /proc is closed, folder is "" then. */
int promp_package_bin(char *folder, size_t size);

/* The folder that holds the package beside the programs in bin (of a build folder, an installed tree or a wheel), without links; 0
 * where there is none. */
int promp_package_find(const char *bin, char root[PATH_MAX]);

#endif
