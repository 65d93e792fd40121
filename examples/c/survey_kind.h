/* survey_kind.h - what kind of file begins like this. */
#ifndef SURVEY_KIND_H
#define SURVEY_KIND_H

#include <stddef.h>
#include <stdint.h>

/* How much of a file's beginning survey_kind wants to see. */
#define SURVEY_KIND_BYTES 4096

/* A short static name for the kind: "ELF program", "zip", "UTF-8 text", "data". size: bytes there are, at
 * most SURVEY_KIND_BYTES count. */
const char *survey_kind(const uint8_t *head, size_t size);

#endif
