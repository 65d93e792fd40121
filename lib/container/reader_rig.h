/* reader_rig.h - what the tests of the reader share: an owner at the other end whose bytes are a function of container and
 * offset, and that answers when it is told to. It checks what each request has to keep to. */
#ifndef PROMP_CONTAINER_READER_RIG_H
#define PROMP_CONTAINER_READER_RIG_H

#include "limits.h"
#include "reader.h"

#define RIG_TIB (1024 * PROMP_GIB)

typedef struct {
    promp_reader_t *reader;
    promp_reader_out_t asked[PROMP_LIMIT_READS]; /* under way, in the order of asking */
    size_t count;
    uint32_t cancelled[4096]; /* numbers, told so far */
    size_t cancels;
    uint64_t requests; /* so far */
    uint64_t bytes;
    uint64_t sizes[16]; /* of containers 0..15, once opened */
    bool *inside;       /* NULL, or set while the reader takes an answer */
} rig_t;

void rig_begin(rig_t *rig, uint64_t cache);
void rig_end(rig_t *rig); /* nothing is held or under way by then */

promp_id_t rig_id(unsigned container);
uint8_t rig_byte(unsigned container, uint64_t offset);
void rig_fill(unsigned container, uint64_t offset, uint8_t *data, size_t size);
promp_remote_t *rig_open(rig_t *rig, unsigned container, uint64_t size);

/* Takes one thing that the reader wants sent; false: none. A request is appended to asked, a cancelled one removed. */
bool rig_next(rig_t *rig);
void rig_take(rig_t *rig); /* all that the reader wants sent */
/* Answers asked[at] and removes it. */
void rig_answer(rig_t *rig, size_t at, promp_err_t error);
/* Takes and answers, in order, until nothing is under way. */
void rig_settle(rig_t *rig);

/* asked[at] is this. */
void rig_expect(const rig_t *rig, size_t at, uint64_t offset, uint32_t size);

/* The fetch is OK, and its pieces show the right bytes. */
void rig_check(const promp_fetch_t *fetch);
/* Reads, answering in order until it is OK, checks and ends it. Returns how many answers it had to wait for. */
unsigned rig_read(rig_t *rig, promp_remote_t *remote, uint64_t offset, size_t size);

uint64_t rig_random(uint64_t *seed);

#endif
