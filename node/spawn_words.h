/* spawn_words.h - program, arguments and environment of a worker that is to be started, as execve wants them. Pure but for
 * reading our own environment. */
#ifndef PROMP_NODE_SPAWN_WORDS_H
#define PROMP_NODE_SPAWN_WORDS_H

#include "spawn.h"
#include "tree.h"

typedef struct {
    char *program, *folder; /* folder NULL: a private one */
    char **argv, **env;
    char mark[sizeof PROMP_TREE_ENV + 1 + PROMP_TREE_SIZE];
    char *python; /* PROMP_PYTHON=PATH, or NULL */
} promp_spawn_words_t;

/* Fills *words, which borrows from the order and from environ, and is to be freed in any case. NO_PLACE, MEMORY. */
promp_err_t promp_spawn_words_make(promp_spawn_words_t *words, const promp_spawn_order_t *order,
                                   promp_error_t *error);
void promp_spawn_words_free(promp_spawn_words_t *words);

#endif
