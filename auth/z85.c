#include "z85.h"

static const char digits[] =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";

char *promp_z85_encode(const uint8_t key[32], char text[PROMP_Z85_KEY + 1])
{
    for (int word = 0; word < 8; word++) {
        const uint8_t *in = key + 4 * word;
        uint32_t value = (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 | in[3];
        for (int i = 4; i >= 0; i--, value /= 85)
            text[5 * word + i] = digits[value % 85];
    }
    text[PROMP_Z85_KEY] = '\0';
    return text;
}

bool promp_z85_decode(promp_slice_t text, uint8_t key[32])
{
    if (text.size != PROMP_Z85_KEY)
        return false;
    for (size_t word = 0; word < 8; word++) {
        uint64_t value = 0;
        for (size_t i = 0; i < 5; i++) {
            uint8_t c = text.data[5 * word + i];
            const char *at = c ? strchr(digits, c) : NULL;
            if (!at)
                return false;
            value = value * 85 + (uint64_t)(at - digits);
        }
        if (value > UINT32_MAX)
            return false;
        for (size_t i = 0; i < 4; i++)
            key[4 * word + i] = (uint8_t)(value >> (24 - 8 * i));
    }
    return true;
}
