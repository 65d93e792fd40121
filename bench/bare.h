/* bare.h - the floor that promp is measured against: three processes on two Unix socket pairs, and nothing else. This one writes,
 * a relay passes on what it reads, the far one answers. */
#ifndef PROMP_BENCH_BARE_H
#define PROMP_BENCH_BARE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
    int fd;
    pid_t relay, far;
} bare_t;

/* Forks both; before this process has threads. The far end sends back what it gets. */
void bare_start_echo(bare_t *bare);
/* The far end sends total bytes once it has got a byte. */
void bare_start_source(bare_t *bare, uint64_t total);
void bare_stop(bare_t *bare);

/* One message of size bytes there and back. */
void bare_call(bare_t *bare, uint8_t *bytes, size_t size);
/* Lets the source go and reads it to its end. */
void bare_drain(bare_t *bare, uint64_t total);

#endif
