/* SipHash-1-3 (keyed: for our tables, nobody outside can aim at one slot) and xxHash64 (as the
 * storage engine computes it: for the key of a sighting). */
#ifndef VEDETTE_HASH_H
#define VEDETTE_HASH_H

#include "text.h"

typedef struct {
    uint64_t k0, k1;
} secret;

uint64_t siphash13(secret key, uint8_t first, const uint8_t *data, size_t size);

/* Of prefix and data as if they were one. */
uint64_t xxh64(const uint8_t *prefix, size_t prefix_size, const uint8_t *data, size_t size);

#endif
