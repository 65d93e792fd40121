/* pattern.h - bytes of which everybody knows what they must be: byte i of the pattern with a seed. */
#ifndef PROMP_TESTS_PATTERN_H
#define PROMP_TESTS_PATTERN_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t pattern_word(uint64_t seed, uint64_t i)
{
    uint64_t v = seed * 0x9e3779b97f4a7c15 + i;
    v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9;
    return v ^ v >> 27;
}

static inline uint8_t pattern_byte(uint64_t seed, uint64_t i)
{
    return (uint8_t)(pattern_word(seed, i / 8) >> 8 * (i % 8));
}

static inline void pattern_fill(uint64_t seed, uint64_t offset, uint8_t *buffer, size_t size)
{
    for (size_t i = 0; i < size; i++)
        buffer[i] = pattern_byte(seed, offset + i);
}

/* How many bytes are wrong. */
static inline uint64_t pattern_check(uint64_t seed, uint64_t offset, const uint8_t *buffer, size_t size)
{
    uint64_t wrong = 0;
    for (size_t i = 0; i < size; i++)
        wrong += buffer[i] != pattern_byte(seed, offset + i);
    return wrong;
}

#endif
