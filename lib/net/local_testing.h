/* local_testing.h - a folder for each test of local.h, with PROMP_RUNTIME_DIR in it. */
#ifndef PROMP_NET_LOCAL_TESTING_H
#define PROMP_NET_LOCAL_TESTING_H

/* cmocka wants these first */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Of cmocka: make the folder, and remove it. */
int setup(void **state);
int teardown(void **state);

/* The folder; and the path of name in it, static, four at a time. */
const char *top(void);
const char *in_top(const char *name);

/* A Unix socket there that listens. */
int listen_at(const char *path);

#endif
