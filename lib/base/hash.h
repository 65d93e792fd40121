/* hash.h - SipHash-1-3 (Aumasson and Bernstein, 2012): where a peer chooses the keys of a table and does not know the
 * seed, it cannot make them collide. Any thread. */
#ifndef PROMP_BASE_HASH_H
#define PROMP_BASE_HASH_H

#include "base.h"

typedef struct {
    uint64_t k[2];
} promp_hash_seed_t;

/* Both halves of the key, made from one number (random in programs, fixed in simulations). */
promp_hash_seed_t promp_hash_seed(uint64_t number);

uint64_t promp_hash(const promp_hash_seed_t *seed, const void *data, size_t size);

static inline uint32_t promp_hash32(const promp_hash_seed_t *seed, const void *data, size_t size)
{
    uint64_t hash = promp_hash(seed, data, size);
    return (uint32_t)(hash ^ hash >> 32);
}

#endif
