/* Bytes of a text, and loading integers from bytes of any alignment. */
#ifndef VEDETTE_TEXT_H
#define VEDETTE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    const uint8_t *at;
    uint32_t size;
} text;

static inline uint64_t load64(const uint8_t *p) {
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word; /* both targets are little-endian */
}

static inline uint32_t load32(const uint8_t *p) {
    uint32_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

static inline bool same(text one, text other) {
    return one.size == other.size && memcmp(one.at, other.at, one.size) == 0;
}

static inline bool is(text one, const char *literal, size_t size) {
    return one.size == size && memcmp(one.at, literal, size) == 0;
}
/* Whether a text is a literal. */
#define IS(one, literal) is((one), "" literal, sizeof literal - 1)

#endif
