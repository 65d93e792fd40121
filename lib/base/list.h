/* list.h - an intrusive doubly linked list: what is in a list holds a promp_node_t and is in at most one. */
#ifndef PROMP_BASE_LIST_H
#define PROMP_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

typedef struct promp_node {
    struct promp_node *next;
    struct promp_node *prev;
} promp_node_t; /* all zero: in no list */

typedef struct {
    promp_node_t head; /* use promp_list_init first */
    size_t count;
} promp_list_t;

static inline void promp_list_init(promp_list_t *list)
{
    list->head.next = list->head.prev = &list->head;
    list->count = 0;
}

static inline void promp_list_append(promp_list_t *list, promp_node_t *node)
{
    node->prev = list->head.prev;
    node->next = &list->head;
    list->head.prev->next = node;
    list->head.prev = node;
    list->count++;
}

static inline void promp_list_prepend(promp_list_t *list, promp_node_t *node)
{
    node->prev = &list->head;
    node->next = list->head.next;
    list->head.next->prev = node;
    list->head.next = node;
    list->count++;
}

static inline void promp_list_remove(promp_list_t *list, promp_node_t *node)
{
    if (!node->next)
        return;
    node->prev->next = node->next;
    node->next->prev = node->prev;
    node->next = node->prev = NULL;
    list->count--;
}

/* First of the list, or the one after node; NULL at the end. */
static inline promp_node_t *promp_list_first(const promp_list_t *list)
{
    return list->count ? list->head.next : NULL;
}

static inline promp_node_t *promp_list_after(const promp_list_t *list, const promp_node_t *node)
{
    return node->next == &list->head ? NULL : node->next;
}

#define PROMP_CONTAINER(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

#endif
