/* z85.h - keys as text: RFC 32/Z85, as libzmq and czmq write them. Pure; any thread. */
#ifndef PROMP_AUTH_Z85_H
#define PROMP_AUTH_Z85_H

#include "base.h"

#define PROMP_Z85_KEY 40 /* characters of a key */

/* Writes 40 characters and a NUL into text; returns text. */
char *promp_z85_encode(const uint8_t key[32], char text[PROMP_Z85_KEY + 1]);

/* False when text is not exactly the 40 characters of a key; then key is undefined. */
bool promp_z85_decode(promp_slice_t text, uint8_t key[32]);

#endif
