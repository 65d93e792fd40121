/* map.h - a hash map from 128-bit identities to pointers. Keys that peers choose are hashed with a random seed of the
 * map, so nobody can make them collide. The map owns neither keys' meaning nor values. One thread at a time. */
#ifndef PROMP_BASE_MAP_H
#define PROMP_BASE_MAP_H

#include "base.h"

typedef struct promp_map promp_map_t;

/* seed: random in programs, fixed in simulations. Returns NULL without memory. */
promp_map_t *promp_map_new(uint64_t seed);
void promp_map_destroy(promp_map_t **map);

/* Replaces what was there. Returns PROMP_OK or PROMP_ERR_MEMORY (then nothing changed). value must not be NULL. */
promp_err_t promp_map_put(promp_map_t *map, const promp_id_t *key, void *value);
void *promp_map_get(const promp_map_t *map, const promp_id_t *key); /* NULL: not there */
void *promp_map_remove(promp_map_t *map, const promp_id_t *key);    /* NULL: was not there */
size_t promp_map_count(const promp_map_t *map);

/* Walks in no particular order: start with *at = 0, NULL at the end. Removing the value just returned is allowed,
 * putting while walking is not. */
void *promp_map_next(const promp_map_t *map, size_t *at);

#endif
