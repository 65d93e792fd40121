/* Where workers go: what a node can serve, which one is best, whose turn it is. */
#include "broker_table.h"
#include "mutant.h"

/* Whether word is one of words, which have single spaces between them. */
static bool has_word(promp_slice_t words, promp_slice_t word)
{
    while (words.size) {
        const uint8_t *space = memchr(words.data, ' ', words.size);
        size_t size = space ? (size_t)(space - words.data) : words.size;

        if (size == word.size && memcmp(words.data, word.data, size) == 0)
            return true;
        if (space)
            size++;
        words = promp_slice(words.data + size, words.size - size);
    }
    return false;
}

static promp_slice_t next_word(promp_slice_t *words)
{
    const uint8_t *space = words->size ? memchr(words->data, ' ', words->size) : NULL;
    promp_slice_t word = promp_slice(words->data, space ? (size_t)(space - words->data) : words->size);
    size_t skip = word.size + (space != NULL);

    *words = promp_slice(words->size ? words->data + skip : NULL, words->size - skip);
    return word;
}

/* What a worker asks for the node may say it has; what its owner's key is bound to the store must say of the node. */
static bool labels_fit(const promp_broker_node_t *node, const promp_broker_key_t *owner, promp_slice_t asked)
{
    promp_slice_t of_key = promp_slice_str(node->key->info.labels), said = promp_slice_str(node->labels);
    promp_slice_t bound = promp_slice_str(owner->info.labels);
    bool may = bound.size == 0;

    while (!may && bound.size)
        may = has_word(of_key, next_word(&bound));
    while (may && asked.size) {
        promp_slice_t word = next_word(&asked);

        may = has_word(of_key, word) || has_word(said, word);
    }
    return may;
}

static bool was_tried(const promp_broker_node_t *node, const promp_broker_start_t *start)
{
    for (size_t i = 0; i < start->tries; i++)
        if (promp_id_equal(&start->tried[i], &node->key->id))
            return true;
    return false;
}

/* It could serve s if it were empty, or could before it began to drain: then it may come again, or another one in its place. */
static bool could(const promp_broker_node_t *node, const promp_broker_session_t *s)
{
    const promp_msg_start_t *ask = &s->start->ask;
    promp_slice_t name = promp_slice_str(node->key->info.name);

    if (node->dropped || s->needs.cpus > node->has.cpus || s->needs.gpus > node->has.gpus ||
        s->needs.memory > node->has.memory || was_tried(node, s->start))
        return false;
    if (ask->node.size && (ask->node.size != name.size || memcmp(ask->node.data, name.data, name.size) != 0))
        return false;
    if (ask->python.size && !has_word(promp_slice_str(node->pythons), ask->python))
        return false;
    return labels_fit(node, s->key, ask->labels);
}

/* What is free of it is enough. */
static bool has_room(const promp_broker_node_t *node, const promp_broker_session_t *s)
{
    return node->peer && node->settled && node->used < node->places &&
           node->used_cpus + s->needs.cpus <= node->has.cpus &&
           node->used_gpus + s->needs.gpus <= node->has.gpus && s->needs.memory <= node->has.memory &&
           node->used_memory <= node->has.memory - s->needs.memory;
}

bool promp_broker_place_exists(const promp_broker_core_t *core, const promp_broker_session_t *s)
{
    for (promp_node_t *n = promp_list_first(&core->nodes); n; n = promp_list_after(&core->nodes, n))
        if (could(PROMP_BROKER_OF(n, node, member), s))
            return true;
    return false;
}

/* Workers of this owner on each node. */
static void count_own(promp_broker_core_t *core, const promp_broker_key_t *key)
{
    promp_node_t *n;

    for (n = promp_list_first(&core->nodes); n; n = promp_list_after(&core->nodes, n))
        PROMP_BROKER_OF(n, node, member)->count = 0;
    for (n = promp_list_first(&key->sessions); n; n = promp_list_after(&key->sessions, n))
        if (PROMP_BROKER_OF(n, session, charged)->holds)
            PROMP_BROKER_OF(n, session, charged)->node->count++;
}

/* a is the better one: for those that spread, fewer of their own; then the smaller part of its places in use. */
static bool better(const promp_broker_node_t *a, const promp_broker_node_t *b, bool spread)
{
    if (spread && a->count != b->count)
        return a->count < b->count;
    return (uint64_t)a->used * b->places < (uint64_t)b->used * a->places;
}

promp_broker_node_t *promp_broker_place_choose(promp_broker_core_t *core, const promp_broker_session_t *s)
{
    promp_broker_node_t *home = s->parent ? s->parent->node : NULL, *best = NULL;
    bool spread = s->start->ask.spread != 0;

    if (home && !spread && has_room(home, s) && could(home, s))
        return home;
    if (spread)
        count_own(core, s->key);
    for (promp_node_t *n = promp_list_first(&core->nodes); n; n = promp_list_after(&core->nodes, n)) {
        promp_broker_node_t *node = PROMP_BROKER_OF(n, node, member);

        if (has_room(node, s) && (!best || better(node, best, spread)) && could(node, s))
            best = node;
    }
    return best;
}

/* --- those that wait --- */

static promp_broker_session_t *first_for(const promp_broker_key_t *key, const promp_broker_node_t *node)
{
    for (promp_node_t *n = promp_list_first(&key->waiting); n; n = promp_list_after(&key->waiting, n)) {
        promp_broker_session_t *s = PROMP_BROKER_OF(n, session, waiting);

        if (has_room(node, s) && could(node, s))
            return s;
    }
    return NULL;
}

/* One start; false: nobody who waits has a use for this node now. */
static bool serve_one(promp_broker_core_t *core, promp_broker_node_t *node)
{
    for (promp_node_t *n = promp_list_first(&core->turns); n; n = promp_list_after(&core->turns, n)) {
        promp_broker_key_t *key = PROMP_BROKER_OF(n, key, turn);
        promp_broker_session_t *s = first_for(key, node);

        if (!s)
            continue;
        promp_list_remove(&core->turns, &key->turn);
        promp_list_append(&core->turns, &key->turn);
        promp_broker_start_ask(core, s, node);
        return true;
    }
    return false;
}

void promp_broker_place_serve_due(promp_broker_core_t *core)
{
    bool more = core->count.waiting > 0 && !PROMP_MUTANT(17);

    /* One place of each node at a time, so that a new node with many places is not filled before its neighbour. */
    while (more) {
        more = false;
        for (promp_node_t *n = promp_list_first(&core->nodes), *next; n; n = next) {
            promp_broker_node_t *node = PROMP_BROKER_OF(n, node, member);

            next = promp_list_after(&core->nodes, n);
            if (!node->due)
                continue;
            node->due =
                core->drain_until == PROMP_NEVER && node->used < node->places && serve_one(core, node);
            more = more || node->due;
        }
    }
}

void promp_broker_place_review_soon(promp_broker_core_t *core)
{
    if (core->count.waiting)
        core->review_at =
            promp_min64(core->review_at, promp_max64(core->now + PROMP_TIME_REVIEW, core->gather_until));
}

void promp_broker_place_found(promp_broker_core_t *core, const promp_broker_node_t *node)
{
    promp_node_t *k, *n;

    for (k = promp_list_first(&core->turns); k && core->count.waiting_nowhere;
         k = promp_list_after(&core->turns, k)) {
        promp_broker_key_t *key = PROMP_BROKER_OF(k, key, turn);

        for (n = promp_list_first(&key->waiting); n; n = promp_list_after(&key->waiting, n)) {
            promp_broker_session_t *s = PROMP_BROKER_OF(n, session, waiting);

            if (!s->nowhere || !could(node, s))
                continue;
            s->nowhere = false;
            core->count.waiting_nowhere--;
            promp_broker_start_waits(core, s, 0);
        }
    }
}

void promp_broker_place_review(promp_broker_core_t *core)
{
    promp_node_t *k, *n, *next;

    core->review_at = PROMP_NEVER;
    for (k = promp_list_first(&core->turns); k; k = promp_list_after(&core->turns, k)) {
        promp_broker_key_t *key = PROMP_BROKER_OF(k, key, turn);

        for (n = promp_list_first(&key->waiting); n; n = promp_list_after(&key->waiting, n))
            promp_list_append(&core->todo, &PROMP_BROKER_OF(n, session, waiting)->todo);
    }
    for (n = promp_list_first(&core->todo); n; n = next) {
        promp_broker_session_t *s = PROMP_BROKER_OF(n, session, todo);

        next = promp_list_after(&core->todo, n);
        promp_list_remove(&core->todo, n);
        if (!promp_broker_place_exists(core, s))
            promp_broker_start_fail(core, s, PROMP_ERR_NO_PLACE, 0, promp_slice(NULL, 0));
    }
}
