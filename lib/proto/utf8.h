/* utf8.h - whether bytes are text. Pure; any thread. */
#ifndef PROMP_PROTO_UTF8_H
#define PROMP_PROTO_UTF8_H

#include "base.h"

/* True when text is well-formed UTF-8 (RFC 3629: shortest forms, no surrogates, up to U+10FFFF). NUL is
 * allowed. */
bool promp_utf8_valid(promp_slice_t text);

#endif
