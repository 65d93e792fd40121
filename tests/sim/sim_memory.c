/* Counts what the code under test allocates, and lets its allocations fail, by the linker's --wrap. The counters are
 * global because malloc is. */
#include "sim.h"

#include <malloc.h>
#include <stdlib.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void __real_free(void *p);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);
void __wrap_free(void *p);

#define PLACES (1u << 18) /* more than twice of what a run ever has at once */

typedef struct {
    void *p; /* NULL: free */
    uint32_t size;
    uint8_t owner;
} entry_t;

static struct {
    entry_t *table; /* open addressing, without tombstones */
    size_t used;
    int owner; /* -1: nobody is counted */
    int outer; /* it was before */
    sim_t *failing;
    unsigned per_million;
    size_t bytes[SIM_OWNERS];
} memory = {.owner = -1, .outer = -1};

static size_t home(const void *p)
{
    return (size_t)(((uintptr_t)p >> 4) * 0x9e3779b97f4a7c15 >> 46);
}

static size_t after(size_t place)
{
    return (place + 1) & (PLACES - 1);
}

static void count(void *p, int owner, size_t size)
{
    if (!p || owner < 0)
        return;
    if (!memory.table)
        memory.table = __real_calloc(PLACES, sizeof *memory.table);
    if (!memory.table || ++memory.used > PLACES / 2)
        abort();
    size_t i = home(p);
    while (memory.table[i].p)
        i = after(i);
    memory.table[i] = (entry_t){p, (uint32_t)size, (uint8_t)owner};
    memory.bytes[owner] += size;
}

/* Closes the hole at i: moves up what could not be found across it. */
static void close_up(size_t hole)
{
    for (size_t i = after(hole); memory.table[i].p; i = after(i)) {
        size_t from_home = (i - home(memory.table[i].p)) & (PLACES - 1);
        if (from_home >= ((i - hole) & (PLACES - 1))) {
            memory.table[hole] = memory.table[i];
            hole = i;
        }
    }
    memory.table[hole].p = NULL;
}

/* Returns whose it was, -1: not counted. */
static int uncount(const void *p)
{
    if (!p || memory.used == 0)
        return -1;
    size_t i = home(p);
    while (memory.table[i].p != p)
        if (!memory.table[i].p)
            return -1;
        else
            i = after(i);
    int owner = memory.table[i].owner;
    memory.bytes[owner] -= memory.table[i].size;
    memory.used--;
    close_up(i);
    return owner;
}

static bool fails(void)
{
    return memory.owner >= 0 && memory.failing && sim_below(memory.failing, 1000000) < memory.per_million;
}

void *__wrap_malloc(size_t size)
{
    void *p = fails() ? NULL : __real_malloc(size);
    count(p, memory.owner, size);
    return p;
}

void *__wrap_calloc(size_t n, size_t size)
{
    void *p = fails() ? NULL : __real_calloc(n, size);
    count(p, memory.owner, n * size);
    return p;
}

void *__wrap_realloc(void *old, size_t size)
{
    if (fails())
        return NULL;
    int owner = uncount(old);
    void *p = __real_realloc(old, size);
    if (!p)
        abort();
    count(p, old ? owner : memory.owner, size);
    return p;
}

void __wrap_free(void *p)
{
    uncount(p);
    __real_free(p);
}

void sim_memory_enter(int owner, sim_t *failing, unsigned per_million)
{
    memory.outer = memory.owner;
    memory.owner = owner;
    memory.failing = failing;
    memory.per_million = per_million;
}

void sim_memory_leave(void)
{
    memory.owner = memory.outer;
    memory.outer = -1;
}

size_t sim_memory_of(int owner)
{
    return memory.bytes[owner];
}
