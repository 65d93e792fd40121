#include "text.h"

/* Length of the UTF-8 sequence that starts with c; 1 for what is no start. */
static size_t sequence(unsigned char c)
{
    if (c >= 0xF0)
        return 4;
    if (c >= 0xE0)
        return 3;
    return c >= 0xC0 ? 2 : 1;
}

void promp_text_tidy(char *text, bool cut)
{
    size_t size = strlen(text);

    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < 0x20 || c == 0x7F)
            text[i] = ' ';
    }
    if (!cut)
        return;
    for (size_t back = 1; back <= 3 && back <= size; back++) {
        unsigned char c = (unsigned char)text[size - back];
        if ((c & 0xC0) == 0x80)
            continue; /* in the middle of a sequence: its start is further left */
        if (sequence(c) > back)
            text[size - back] = '\0';
        return;
    }
}
