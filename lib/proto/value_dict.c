/* A dict's block is its pairs and behind them, once there are more than a few, an index: a table of positions
 * in the order of the keys' hashes. Keys may be a peer's choice, so the hash is SipHash with a seed that no
 * peer knows. */
#include <stdlib.h>
#include <sys/random.h>

#include "hash.h"
#include "value_tree.h"

#define PLAIN 8 /* so many pairs are searched without an index */

typedef struct {
    uint32_t pair; /* 0: empty, else position of the pair + 1 */
    uint32_t hash;
} slot_t;

typedef struct {
    promp_hash_seed_t seed;
    uint32_t mask; /* slots - 1; slots is a power of two, at least twice the capacity */
    slot_t slot[];
} table_t;

static table_t *table_of(const promp_value_t *dict)
{
    return dict->capacity > PLAIN ? (table_t *)(dict->item + 2 * (size_t)dict->capacity) : NULL;
}

static uint32_t hash_of(const promp_hash_seed_t *seed, const promp_value_t *key)
{
    bool integer = key->type == PROMP_VALUE_INT;
    const void *bytes = integer ? (const void *)&key->integer : key->bytes;
    uint32_t hash = promp_hash32(seed, bytes, integer ? sizeof key->integer : key->size);
    return hash + (uint32_t)(key->type << 1 | key->negative);
}

static bool same(const promp_value_t *a, const promp_value_t *b)
{
    if (a->type != b->type)
        return false;
    if (a->type == PROMP_VALUE_INT)
        return a->integer == b->integer;
    return a->size == b->size && a->negative == b->negative &&
           (a->size == 0 || memcmp(a->bytes, b->bytes, a->size) == 0);
}

/* Position of the pair with an equal key; dict->size when there is none. */
static size_t position(const promp_value_t *dict, const promp_value_t *key, uint32_t hash)
{
    const table_t *table = table_of(dict);
    size_t at;

    if (!table) {
        for (at = 0; at < dict->size && !same(&dict->item[2 * at], key); at++)
            ;
        return at;
    }
    for (uint32_t i = hash;; i++) {
        const slot_t *slot = &table->slot[i & table->mask];
        if (slot->pair == 0)
            return dict->size;
        if (slot->hash == hash && same(&dict->item[2 * (slot->pair - 1)], key))
            return slot->pair - 1;
    }
}

static uint32_t hash_in(const promp_value_t *dict, const promp_value_t *key)
{
    const table_t *table = table_of(dict);
    return table ? hash_of(&table->seed, key) : 0;
}

/* Enters pair; its key is not there yet. */
static void enter(table_t *table, size_t pair, uint32_t hash)
{
    uint32_t i = hash;
    while (table->slot[i & table->mask].pair)
        i++;
    table->slot[i & table->mask] = (slot_t){(uint32_t)pair + 1, hash};
}

static void seed_table(table_t *table)
{
    /* Without the kernel's random bits the address is still unknown to a peer. */
    if (getrandom(&table->seed, sizeof table->seed, GRND_NONBLOCK) != (ssize_t)sizeof table->seed) {
        table->seed.k[0] = (uint64_t)(uintptr_t)table;
        table->seed.k[1] = (uint64_t)(uintptr_t)&table;
    }
}

/* Fills the index of grown from that of dict, or from its keys where that had none. */
static void fill_table(const promp_value_t *grown, const promp_value_t *dict, size_t slots)
{
    table_t *table = table_of(grown);
    const table_t *old = table_of(dict);

    table->mask = (uint32_t)(slots - 1);
    memset(table->slot, 0, slots * sizeof *table->slot);
    if (old) {
        table->seed = old->seed;
        for (size_t i = 0; i <= old->mask; i++)
            if (old->slot[i].pair)
                enter(table, old->slot[i].pair - 1, old->slot[i].hash);
    } else {
        seed_table(table);
        for (size_t i = 0; i < grown->size; i++)
            enter(table, i, hash_of(&table->seed, &grown->item[2 * i]));
    }
}

static promp_err_t grow(promp_value_t *dict, uint64_t expected)
{
    promp_value_t grown = *dict;
    grown.capacity = promp_value_tree_grown(dict, expected);
    if (!grown.capacity)
        return PROMP_ERR_VALUE_SIZE;

    size_t pairs = 2 * (size_t)grown.capacity * sizeof *grown.item;
    size_t slots = 4 * PLAIN;
    while (slots < 2 * (size_t)grown.capacity)
        slots *= 2;
    bool indexed = grown.capacity > PLAIN;
    grown.item = malloc(pairs + (indexed ? sizeof(table_t) + slots * sizeof(slot_t) : 0));
    if (!grown.item)
        return PROMP_ERR_MEMORY;
    if (dict->size)
        memcpy(grown.item, dict->item, 2 * dict->size * sizeof *grown.item);
    if (indexed)
        fill_table(&grown, dict, slots);
    free(dict->item);
    *dict = grown;
    return PROMP_OK;
}

promp_err_t promp_value_dict_put(promp_value_t *dict, promp_value_t *key, promp_value_t *item,
                                 uint64_t expected)
{
    promp_err_t err = promp_value_tree_raise(dict, item);
    if (err)
        goto err0;

    uint32_t hash = hash_in(dict, key);
    size_t at = position(dict, key, hash);
    if (at < dict->size) {
        promp_value_tree_clear(&dict->item[2 * at + 1]);
        dict->item[2 * at + 1] = *item;
        promp_value_tree_clear(key);
        return PROMP_OK;
    }
    if (dict->size == dict->capacity) {
        bool indexed = table_of(dict);
        err = grow(dict, expected);
        if (err)
            goto err0;
        if (!indexed)
            hash = hash_in(dict, key);
    }
    if (table_of(dict))
        enter(table_of(dict), dict->size, hash);
    dict->item[2 * dict->size] = *key;
    dict->item[2 * dict->size + 1] = *item;
    dict->size++;
    return PROMP_OK;

err0:
    promp_value_tree_clear(key);
    promp_value_tree_clear(item);
    return err;
}

const promp_value_t *promp_value_dict_find(const promp_value_t *dict, const promp_value_t *key)
{
    size_t at = position(dict, key, hash_in(dict, key));
    return at < dict->size ? &dict->item[2 * at + 1] : NULL;
}
