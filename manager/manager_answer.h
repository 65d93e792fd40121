/* manager_answer.h - what workers are answered: made without the hub's lock, sent with it. */
#ifndef PROMP_MANAGER_MANAGER_ANSWER_H
#define PROMP_MANAGER_MANAGER_ANSWER_H

#include "manager_core_share.h"
#include "manager_inner.h"

typedef struct {
    promp_error_t error; /* code OK: what follows counts */
    promp_buf_t data;    /* READ: the bytes; OPEN: all of a small container, or nothing */
    promp_lent_t lent;   /* OPEN */
} promp_answer_t;

/* All three fill *answer, which _free ends. These two may take as long as a disk or a user's code does. room: an empty
 * buffer, which moves in. */
void promp_manager_answer_read(promp_answer_t *answer, const promp_ask_t *ask, promp_buf_t *room);
/* stream: nothing is to be lent. */
void promp_manager_answer_open(promp_answer_t *answer, const promp_ask_t *ask, bool stream);
/* Never wait, so they may be called under the hub's lock. False: the ones above have to be asked; nothing is to be freed, and
 * room is unchanged. */
bool promp_manager_answer_open_now(promp_answer_t *answer, const promp_ask_t *ask, bool stream);
bool promp_manager_answer_read_now(promp_answer_t *answer, const promp_ask_t *ask, promp_buf_t *room);

/* Hub's lock held. */
void promp_manager_answer_send(promp_manager_t *manager, const promp_ask_t *ask, promp_answer_t *answer);
void promp_manager_answer_free(promp_answer_t *answer);

#endif
