#include "utf8.h"

/* Bytes that follow lead, and the range of the first of them; 0: lead starts no sequence of several bytes. */
static size_t tail_of(uint8_t lead, uint8_t *low, uint8_t *high)
{
    *low = 0x80;
    *high = 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF)
        return 1;
    if (lead >= 0xE0 && lead <= 0xEF) {
        if (lead == 0xE0)
            *low = 0xA0; /* shorter form exists */
        else if (lead == 0xED)
            *high = 0x9F; /* surrogates */
        return 2;
    }
    if (lead >= 0xF0 && lead <= 0xF4) {
        if (lead == 0xF0)
            *low = 0x90;
        else if (lead == 0xF4)
            *high = 0x8F; /* above U+10FFFF */
        return 3;
    }
    return 0;
}

bool promp_utf8_valid(promp_slice_t text)
{
    const uint8_t *p = text.data;
    size_t left = text.size;

    while (left) {
        uint64_t word;
        /* Most text is ASCII: eight bytes at a time. */
        while (left >= sizeof word) {
            memcpy(&word, p, sizeof word);
            if (word & 0x8080808080808080ULL)
                break;
            p += sizeof word;
            left -= sizeof word;
        }
        if (!left)
            break;
        if (*p < 0x80) {
            p++;
            left--;
            continue;
        }
        uint8_t low, high;
        size_t tail = tail_of(*p, &low, &high);
        if (tail == 0 || left - 1 < tail || p[1] < low || p[1] > high)
            return false;
        for (size_t i = 2; i <= tail; i++)
            if ((p[i] & 0xC0) != 0x80)
                return false;
        p += tail + 1;
        left -= tail + 1;
    }
    return true;
}
