/* Entries lie densely in one array, in which a walk needs no hash; a table of their positions, open-addressed
 * by linear probing, finds them. Removing moves the last entry into the gap and shifts the table's cluster
 * back: no tombstones. */
#include "map.h"

#include <stdlib.h>

#include "hash.h"

#define SMALLEST 16 /* slots of a new map; a power of two */

typedef struct {
    promp_id_t key;
    void *value;
    uint32_t hash;
} entry_t;

struct promp_map {
    entry_t *entries; /* count in use, room for 3/4 of slots */
    uint32_t *table;  /* 0: empty, else position of the entry + 1 */
    size_t count;
    size_t slots; /* power of two */
    promp_hash_seed_t seed;
};

static uint32_t hash_of(const promp_map_t *map, const promp_id_t *key)
{
    return promp_hash32(&map->seed, key->b, sizeof key->b);
}

/* Slot of the entry with this key, or the empty one where it belongs. */
static size_t find(const promp_map_t *map, const promp_id_t *key, uint32_t hash)
{
    size_t slot = hash & (map->slots - 1);

    for (; map->table[slot]; slot = (slot + 1) & (map->slots - 1)) {
        const entry_t *entry = &map->entries[map->table[slot] - 1];
        if (entry->hash == hash && promp_id_equal(&entry->key, key))
            break;
    }
    return slot;
}

/* Slot that holds this position, which is in the table. */
static size_t slot_of(const promp_map_t *map, size_t position)
{
    size_t slot = map->entries[position].hash & (map->slots - 1);

    while (map->table[slot] != position + 1)
        slot = (slot + 1) & (map->slots - 1);
    return slot;
}

static size_t room(size_t slots)
{
    return slots / 4 * 3;
}

/* Doubles the table; nothing changes on failure, but that the array of entries may have become larger. */
static promp_err_t grow(promp_map_t *map)
{
    size_t slots = map->slots * 2;
    if (slots > UINT32_MAX / 2 || room(slots) > PTRDIFF_MAX / sizeof(entry_t))
        return PROMP_ERR_MEMORY;

    uint32_t *table = calloc(slots, sizeof *table);
    if (!table)
        return PROMP_ERR_MEMORY;
    entry_t *entries = realloc(map->entries, room(slots) * sizeof *entries);
    if (!entries) {
        free(table);
        return PROMP_ERR_MEMORY;
    }
    free(map->table);
    map->entries = entries;
    map->table = table;
    map->slots = slots;
    for (size_t i = 0; i < map->count; i++) {
        size_t slot = entries[i].hash & (slots - 1);
        while (table[slot])
            slot = (slot + 1) & (slots - 1);
        table[slot] = (uint32_t)i + 1;
    }
    return PROMP_OK;
}

promp_map_t *promp_map_new(uint64_t seed)
{
    promp_map_t *map = calloc(1, sizeof *map);
    if (!map)
        return NULL;
    map->seed = promp_hash_seed(seed);
    map->slots = SMALLEST;
    map->table = calloc(SMALLEST, sizeof *map->table);
    map->entries = malloc(room(SMALLEST) * sizeof *map->entries);
    if (!map->table || !map->entries)
        promp_map_destroy(&map);
    return map;
}

void promp_map_destroy(promp_map_t **map)
{
    if (!map || !*map)
        return;
    free((*map)->entries);
    free((*map)->table);
    free(*map);
    *map = NULL;
}

promp_err_t promp_map_put(promp_map_t *map, const promp_id_t *key, void *value)
{
    uint32_t hash = hash_of(map, key);
    size_t slot = find(map, key, hash);

    if (map->table[slot]) {
        map->entries[map->table[slot] - 1].value = value;
        return PROMP_OK;
    }
    if (map->count == room(map->slots)) {
        promp_err_t error = grow(map);
        if (error)
            return error;
        slot = find(map, key, hash);
    }
    map->entries[map->count] = (entry_t){*key, value, hash};
    map->table[slot] = (uint32_t)++map->count;
    return PROMP_OK;
}

void *promp_map_get(const promp_map_t *map, const promp_id_t *key)
{
    size_t slot = find(map, key, hash_of(map, key));
    return map->table[slot] ? map->entries[map->table[slot] - 1].value : NULL;
}

/* Empties slot and moves back those behind it that probing would not find any more. */
static void clear_slot(promp_map_t *map, size_t slot)
{
    size_t mask = map->slots - 1;
    size_t gap = slot;

    for (size_t at = (gap + 1) & mask; map->table[at]; at = (at + 1) & mask) {
        size_t home = map->entries[map->table[at] - 1].hash & mask;
        if (((at - home) & mask) < ((at - gap) & mask))
            continue; /* its home lies behind the gap */
        map->table[gap] = map->table[at];
        gap = at;
    }
    map->table[gap] = 0;
}

void *promp_map_remove(promp_map_t *map, const promp_id_t *key)
{
    size_t slot = find(map, key, hash_of(map, key));
    if (!map->table[slot])
        return NULL;

    size_t position = map->table[slot] - 1;
    void *value = map->entries[position].value;
    clear_slot(map, slot);

    size_t last = map->count - 1;
    if (position != last) {
        map->table[slot_of(map, last)] = (uint32_t)position + 1;
        map->entries[position] = map->entries[last];
    }
    map->count = last;
    return value;
}

size_t promp_map_count(const promp_map_t *map)
{
    return map->count;
}

/* From the last entry to the first: what removal moves into the gap was already shown. *at is the position
 * shown + 1. */
void *promp_map_next(const promp_map_t *map, size_t *at)
{
    size_t left = *at ? *at - 1 : map->count;

    if (left > map->count)
        left = map->count;
    if (left == 0) {
        *at = 1; /* stays at the end */
        return NULL;
    }
    *at = left;
    return map->entries[left - 1].value;
}
