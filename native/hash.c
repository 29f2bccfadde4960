#include "hash.h"

static inline uint64_t rotate(uint64_t word, int by) { return word << by | word >> (64 - by); }

/* --- SipHash-1-3 of `first` and then `data` ------------------------------------------------ */

#define SIP_ROUND                                                                                \
    do {                                                                                         \
        v0 += v1, v1 = rotate(v1, 13) ^ v0, v0 = rotate(v0, 32);                                 \
        v2 += v3, v3 = rotate(v3, 16) ^ v2;                                                      \
        v0 += v3, v3 = rotate(v3, 21) ^ v0;                                                      \
        v2 += v1, v1 = rotate(v1, 17) ^ v2, v2 = rotate(v2, 32);                                 \
    } while (0)

static inline uint64_t tail64(const uint8_t *p, size_t size) { /* size < 8 */
    uint64_t word = 0;
    for (size_t i = 0; i < size; i++) word |= (uint64_t)p[i] << (8 * i);
    return word;
}

uint64_t siphash13(secret key, uint8_t first, const uint8_t *data, size_t size) {
    uint64_t v0 = key.k0 ^ 0x736f6d6570736575, v1 = key.k1 ^ 0x646f72616e646f6d;
    uint64_t v2 = key.k0 ^ 0x6c7967656e657261, v3 = key.k1 ^ 0x7465646279746573;
    size_t left = size;
    for (; left >= 8; left -= 8, data += 8) {
        uint64_t word = load64(data);
        v3 ^= word;
        SIP_ROUND;
        v0 ^= word;
    }
    /* The first byte goes into the last word instead of shifting all others: as good a message,
     * since the size is in it too. */
    uint64_t last = tail64(data, left);
    v3 ^= first;
    SIP_ROUND;
    v0 ^= first;
    last |= (uint64_t)size << 56;
    v3 ^= last;
    SIP_ROUND;
    v0 ^= last;
    v2 ^= 0xff;
    SIP_ROUND;
    SIP_ROUND;
    SIP_ROUND;
    return v0 ^ v1 ^ v2 ^ v3;
}

/* --- xxHash64, seed 0 ----------------------------------------------------------------------- */

#define P1 0x9E3779B185EBCA87u
#define P2 0xC2B2AE3D27D4EB4Fu
#define P3 0x165667B19E3779F9u
#define P4 0x85EBCA77C2B2AE63u
#define P5 0x27D4EB2F165667C5u

static inline uint64_t mix(uint64_t lane, uint64_t word) {
    return rotate(lane + word * P2, 31) * P1;
}

static inline uint64_t merge(uint64_t hash, uint64_t lane) {
    return (hash ^ mix(0, lane)) * P1 + P4;
}

static inline void stripe(uint64_t lanes[4], const uint8_t *p) {
    for (int i = 0; i < 4; i++) lanes[i] = mix(lanes[i], load64(p + 8 * i));
}

static uint64_t finish(uint64_t hash, const uint8_t *p, size_t left) {
    for (; left >= 8; left -= 8, p += 8) hash = rotate(hash ^ mix(0, load64(p)), 27) * P1 + P4;
    if (left >= 4) {
        hash = rotate(hash ^ load32(p) * P1, 23) * P2 + P3;
        p += 4, left -= 4;
    }
    for (; left > 0; left--, p++) hash = rotate(hash ^ *p * P5, 11) * P1;
    hash = (hash ^ hash >> 33) * P2;
    hash = (hash ^ hash >> 29) * P3;
    return hash ^ hash >> 32;
}

uint64_t xxh64(const uint8_t *prefix, size_t prefix_size, const uint8_t *data, size_t size) {
    uint8_t block[32];
    uint64_t lanes[4] = {P1 + P2, P2, 0, 0 - P1};
    size_t total = prefix_size + size, filled = 0;
    for (; prefix_size > 0; prefix_size--) { /* names of fields are short: byte by byte */
        block[filled++] = *prefix++;
        if (filled == 32) stripe(lanes, block), filled = 0;
    }
    if (filled > 0) {
        size_t more = size < 32 - filled ? size : 32 - filled;
        memcpy(block + filled, data, more);
        filled += more, data += more, size -= more;
        if (filled == 32) stripe(lanes, block), filled = 0;
    }
    if (filled == 0)
        for (; size >= 32; size -= 32, data += 32) stripe(lanes, data);
    uint64_t hash = P5;
    if (total >= 32) {
        hash = rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12) +
               rotate(lanes[3], 18);
        for (int i = 0; i < 4; i++) hash = merge(hash, lanes[i]);
    }
    return filled > 0 ? finish(hash + total, block, filled) : finish(hash + total, data, size);
}
