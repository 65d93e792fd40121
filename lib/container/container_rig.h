/* container_rig.h - what the tests of containers share: bytes known at each offset, a folder, counted descriptors. */
#ifndef PROMP_CONTAINER_RIG_H
#define PROMP_CONTAINER_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "container.h"
#include "limits.h"

/* Before and after each test: a folder of its own; afterwards no descriptor more than before. */
int rig_setup(void **state);
int rig_teardown(void **state);
#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

const char *rig_path(const char *name); /* in the folder; static, four at a time */
int rig_fds(void);                      /* how many descriptors are open */
void rig_limit_fds(int limit);          /* RLIMIT_NOFILE; undone by the teardown */

/* The byte at each offset of the tests' containers, and size of them from offset on (malloc'd). */
uint8_t rig_byte(uint64_t offset);
uint8_t *rig_bytes(uint64_t offset, size_t size);

/* A file of the folder with these bytes, whose last modification is long ago; returns its path. */
const char *rig_file(const char *name, const void *data, size_t size);

/* The container of a file of the folder that holds the first RIG_SIZE known bytes, and whether it can be read. */
#define RIG_SIZE ((size_t)300000)
promp_container_t *rig_known(const char *name);
void rig_check_good(promp_container_t *container);
/* A read fails with this error, whose text holds this, and gives nothing; so does lending. */
void rig_check_bad(promp_container_t *container, promp_err_t expected, const char *text);

/* A sealed (as told) memory file with size of the bytes. */
int rig_memory(size_t size, int seals);

/* An object over the bytes; each call of free counts *freed up (may be NULL). */
promp_container_t *rig_object(uint64_t size, bool own_thread, int *freed);

/* The same random numbers in each run. */
uint64_t rig_random(uint64_t *seed, uint64_t below);

#define assert_error(error, expected)                                                                        \
    assert_string_equal(promp_error_name((error).code), promp_error_name(PROMP_ERR_##expected))

#endif
