#include "cmd_nodes.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "table.h"

/* As in NODE; a later broker may know more. */
static const char *state_of(const promp_join_node_t *node)
{
    static const char *const states[] = {"unknown", "ready", "starting", "draining", "away"};
    uint8_t state = node->said.state;

    return states[state < sizeof states / sizeof *states ? state : 0];
}

static uint64_t left(uint64_t all, uint64_t used)
{
    return used < all ? all - used : 0;
}

/* --- for people --- */

static const char *age(uint64_t ms, char text[32])
{
    uint64_t s = ms / 1000;

    if (s < 120)
        snprintf(text, 32, "%" PRIu64 " s", s);
    else if (s < 7200)
        snprintf(text, 32, "%" PRIu64 " min", s / 60);
    else
        snprintf(text, 32, "%" PRIu64 " h", s / 3600);
    return text;
}

static void add_memory(promp_table_t *table, uint64_t free, uint64_t all)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double unit = 1;
    int which = 0;

    for (; which < 4 && (double)all >= 1024 * unit; which++)
        unit *= 1024;
    promp_table_addf(table, "%.1f/%.1f %s", (double)free / unit, (double)all / unit, units[which]);
}

/* Labels of the key, and of the rest those that the key does not have. */
static void add_labels(promp_table_t *table, const promp_join_node_t *node)
{
    char text[sizeof node->key_labels + sizeof node->labels + 1], own[sizeof node->labels], *rest = own,
                                                                                            *word;

    snprintf(text, sizeof text, "%s", node->key_labels);
    snprintf(own, sizeof own, "%s", node->labels);
    while ((word = strsep(&rest, " "))) {
        size_t size = strlen(word), used = strlen(text);
        const char *known = size ? strstr(node->key_labels, word) : NULL;

        while (known &&
               ((known != node->key_labels && known[-1] != ' ') || (known[size] && known[size] != ' ')))
            known = strstr(known + 1, word);
        if (size && !known)
            snprintf(text + used, sizeof text - used, "%s%s", used ? " " : "", word);
    }
    promp_table_add(table, text);
}

static void add_row(promp_table_t *table, const promp_join_node_t *node)
{
    const promp_msg_node_t *n = &node->said;
    uint64_t cpus = left(n->cpus, n->cpus_used);
    char heard[32];

    promp_table_add(table, node->name);
    promp_table_add(table, state_of(node));
    promp_table_addf(table, "%u/%u", n->workers, n->places);
    promp_table_addf(table, "%g/%g", (double)cpus / 1000, (double)n->cpus / 1000);
    add_memory(table, left(n->memory, n->memory_used), n->memory);
    promp_table_addf(table, "%" PRIu64 "/%u", left(n->gpus, n->gpus_used), n->gpus);
    promp_table_addf(table, "%s", age(n->heard_ms, heard));
    promp_table_add(table, node->build);
    promp_table_add(table, node->pythons);
    add_labels(table, node);
}

promp_err_t promp_cmd_nodes_table(const promp_join_nodes_t *nodes, const char *address, promp_error_t *error)
{
    static const char *const titles[] = {"NODE",      "STATE", "WORKERS", "CPUS FREE", "MEMORY FREE",
                                         "GPUS FREE", "HEARD", "VERSION", "PYTHONS",   "LABELS"};
    promp_table_t table = {.columns = sizeof titles / sizeof *titles};

    for (size_t i = 0; i < table.columns; i++)
        promp_table_add(&table, titles[i]);
    for (size_t i = 0; i < nodes->count; i++)
        add_row(&table, &nodes->node[i]);
    printf("broker %s, %zu node%s\n", address, nodes->count, nodes->count == 1 ? "" : "s");
    return promp_table_print(&table, stdout) ? PROMP_OK : promp_error_set(error, PROMP_ERR_MEMORY, 0, NULL);
}

/* --- for programs --- */

static void put_text(const char *name, const char *text)
{
    printf(", \"%s\": ", name);
    promp_table_escape(stdout, text, true);
}

static void put_words(const char *name, const char *words)
{
    char text[PROMP_LIMIT_LABELS + 1], *rest = text, *word;
    const char *comma = "";

    snprintf(text, sizeof text, "%s", words);
    printf(", \"%s\": [", name);
    while ((word = strsep(&rest, " "))) {
        if (!*word)
            continue;
        fputs(comma, stdout);
        promp_table_escape(stdout, word, true);
        comma = ", ";
    }
    putchar(']');
}

static void put_node(const promp_join_node_t *node)
{
    const promp_msg_node_t *n = &node->said;

    fputs("{\"name\": ", stdout);
    promp_table_escape(stdout, node->name, true);
    put_text("state", state_of(node));
    printf(", \"heard_ms\": %" PRIu64 ", \"workers\": %u, \"places\": %u", n->heard_ms, n->workers,
           n->places);
    printf(", \"cpus\": %g, \"cpus_free\": %g", (double)n->cpus / 1000,
           (double)left(n->cpus, n->cpus_used) / 1000);
    printf(", \"memory\": %" PRIu64 ", \"memory_free\": %" PRIu64, n->memory,
           left(n->memory, n->memory_used));
    printf(", \"gpus\": %u, \"gpus_free\": %" PRIu64, n->gpus, left(n->gpus, n->gpus_used));
    put_text("version", node->build);
    put_words("pythons", node->pythons);
    put_words("labels", node->labels);
    put_words("key_labels", node->key_labels);
    putchar('}');
}

void promp_cmd_nodes_json(const promp_join_nodes_t *nodes, const char *address)
{
    fputs("{\"broker\": ", stdout);
    promp_table_escape(stdout, address, true);
    fputs(", \"nodes\": [", stdout);
    for (size_t i = 0; i < nodes->count; i++) {
        fputs(i ? ",\n " : "", stdout);
        put_node(&nodes->node[i]);
    }
    puts("]}");
}
