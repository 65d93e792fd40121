/* text.h - makes any bytes fit for one line that a person reads. Pure; any thread. */
#ifndef PROMP_BASE_TEXT_H
#define PROMP_BASE_TEXT_H

#include "base.h"

/* Replaces every control character of text by a space, so that what a peer or user wrote cannot forge a
 * second line or move a terminal's cursor. Where the text was cut (cut), also drops a UTF-8 character left
 * incomplete at its end. */
void promp_text_tidy(char *text, bool cut);

#endif
