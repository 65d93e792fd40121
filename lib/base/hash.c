#include "hash.h"

static uint64_t rotl(uint64_t v, int by)
{
    return v << by | v >> (64 - by);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotl(v[1], 13) ^ v[0];
    v[3] = rotl(v[3], 16) ^ v[2];
    v[0] = rotl(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotl(v[1], 17) ^ v[2];
    v[3] = rotl(v[3], 21) ^ v[0];
    v[2] = rotl(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

uint64_t promp_hash(const promp_hash_seed_t *seed, const void *data, size_t size)
{
    const uint8_t *p = data;
    uint64_t last = (uint64_t)size << 56;
    uint64_t v[4] = {seed->k[0] ^ 0x736f6d6570736575, seed->k[1] ^ 0x646f72616e646f6d,
                     seed->k[0] ^ 0x6c7967656e657261, seed->k[1] ^ 0x7465646279746573};

    for (; size >= sizeof(uint64_t); size -= sizeof(uint64_t), p += sizeof(uint64_t)) {
        uint64_t word;
        memcpy(&word, p, sizeof word);
        sip_word(v, word);
    }
    for (size_t i = 0; i < size; i++)
        last |= (uint64_t)p[i] << (8 * i);
    sip_word(v, last);
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

/* splitmix64's finaliser. */
static uint64_t spread(uint64_t v)
{
    v += 0x9e3779b97f4a7c15;
    v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9;
    v = (v ^ v >> 27) * 0x94d049bb133111eb;
    return v ^ v >> 31;
}

promp_hash_seed_t promp_hash_seed(uint64_t number)
{
    return (promp_hash_seed_t){{number, spread(number)}};
}
