/* Walking over one line of JSON, strictly, without allocating.
 *
 * A line is a span that ends with a line feed, which is in bounds and in no JSON token, so every
 * loop ends there. Whatever is not plain (bytes above ASCII, numbers with an exponent, deep nesting)
 * is refused just like what is wrong: the caller hands the line over. So what is accepted is valid
 * JSON by every reading.
 */
#ifndef VEDETTE_JSON_H
#define VEDETTE_JSON_H

#include "text.h"

#if defined(__SSE2__) && !defined(VF_NO_SIMD)
#include <emmintrin.h>
#endif

#define DEPTH_MAX 64
#define DIGITS_MAX 18 /* fits int64 */

typedef struct {
    const uint8_t *at;
    const uint8_t *limit; /* of the block: wide loads must not reach beyond it */
    bool escaped;         /* whether the string read last has backslashes */
} cursor;

static inline void skip_space(cursor *c) {
    while (*c->at == ' ' || *c->at == '\t' || *c->at == '\r') c->at++;
}

/* Consume one character if it is next. */
static inline bool next_is(cursor *c, uint8_t wanted) {
    if (*c->at != wanted) return false;
    c->at++;
    return true;
}

/* --- strings ---------------------------------------------------------------------------------- */

/* The first byte from p on that is no plain character of a string: '"', '\\', control, not ASCII. */
static inline const uint8_t *plain_end(const uint8_t *p, const uint8_t *limit) {
#if defined(__SSE2__) && !defined(VF_NO_SIMD)
    for (; limit - p >= 16; p += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
        __m128i slash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
        /* signed: bytes above ASCII are below zero, so this finds them too */
        __m128i other = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
        int found = _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, slash), other));
        if (found) return p + __builtin_ctz((unsigned)found);
    }
#else
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    for (; limit - p >= 8; p += 8) {
        uint64_t word = load64(p);
        uint64_t quote = word ^ ones * '"', slash = word ^ ones * '\\';
        /* exact for the lowest byte found, and only that one is used */
        uint64_t found = ((quote - ones) & ~quote) | ((slash - ones) & ~slash) |
                         ((word - ones * 0x20) & ~word) | word;
        if (found & tops) return p + __builtin_ctzll(found & tops) / 8;
    }
#endif
    while (*p != '"' && *p != '\\' && *p >= 0x20 && *p < 0x80) p++;
    return p;
}

static inline bool is_hex(uint8_t c) {
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* Check an escape; `p` is at the backslash. Returns what is behind it, NULL if it is not plain. */
static inline const uint8_t *escape_end(const uint8_t *p) {
    switch (p[1]) { /* at worst the line feed */
    case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't':
        return p + 2;
    case 'u':
        for (int i = 2; i < 6; i++)
            if (!is_hex(p[i])) return NULL;
        if ((p[2] | 0x20) == 'd' && p[3] >= '8') return NULL; /* a surrogate, perhaps alone */
        return p + 6;
    default:
        return NULL;
    }
}

/* Read a string whose opening quote has been consumed: the raw text between the quotes. */
static inline bool read_string(cursor *c, text *found) {
    const uint8_t *start = c->at, *p = plain_end(start, c->limit);
    c->escaped = false;
    while (*p == '\\') {
        c->escaped = true;
        if (!(p = escape_end(p))) return false;
        p = plain_end(p, c->limit);
    }
    if (*p != '"' || p - start > UINT32_MAX) return false;
    *found = (text){start, (uint32_t)(p - start)};
    c->at = p + 1;
    return true;
}

/* --- numbers and words ------------------------------------------------------------------------ */

/* Read a number, which is negative or has a fraction only if `whole` is NULL. */
static inline bool read_number(cursor *c, uint64_t *whole) {
    const uint8_t *p = c->at;
    if (*p == '-') {
        if (whole) return false;
        p++;
    }
    const uint8_t *digits = p;
    uint64_t value = 0;
    for (; *p >= '0' && *p <= '9'; p++) value = value * 10 + (uint64_t)(*p - '0');
    if (p == digits || (*digits == '0' && p - digits > 1) || p - digits > DIGITS_MAX) return false;
    if (*p == '.') {
        if (whole) return false;
        for (digits = ++p; *p >= '0' && *p <= '9';) p++;
        if (p == digits || p - digits > DIGITS_MAX) return false;
    }
    if ((*p | 0x20) == 'e') return false;
    if (whole) *whole = value;
    c->at = p;
    return true;
}

static inline bool read_word(cursor *c, const char *word, size_t size) {
    for (size_t i = 0; i < size; i++) /* stops at the line feed at the latest */
        if (c->at[i] != (uint8_t)word[i]) return false;
    c->at += size;
    return true;
}
#define WORD(c, literal) read_word(c, "" literal, sizeof literal - 1)

static inline bool skip_scalar(cursor *c) {
    text ignored;
    switch (*c->at) {
    case '"': c->at++; return read_string(c, &ignored);
    case 't': return WORD(c, "true");
    case 'f': return WORD(c, "false");
    case 'n': return WORD(c, "null");
    default: return read_number(c, NULL);
    }
}

/* --- objects and lists ------------------------------------------------------------------------ */

/* Read a name and its colon; names with escapes are refused. */
static inline bool read_name(cursor *c, text *name) {
    skip_space(c);
    if (!next_is(c, '"') || !read_string(c, name) || c->escaped) return false;
    skip_space(c);
    if (!next_is(c, ':')) return false;
    skip_space(c);
    return true;
}

typedef enum { MORE, DONE, BAD } step;

/* Behind a value in an object ('}') or list (']'). */
static inline step next_item(cursor *c, uint8_t closing) {
    skip_space(c);
    if (next_is(c, ',')) {
        skip_space(c);
        return MORE;
    }
    return next_is(c, closing) ? DONE : BAD;
}

/* Behind the opening bracket; DONE if there is nothing in it. */
static inline step first_item(cursor *c, uint8_t closing) {
    skip_space(c);
    return next_is(c, closing) ? DONE : MORE;
}

/* Skip any value. */
static inline bool skip_value(cursor *c) {
    if (*c->at != '{' && *c->at != '[') return skip_scalar(c);
    uint64_t objects = 0; /* one bit for each level */
    unsigned depth = 0;
    text ignored;
    for (;;) {
        bool opened = *c->at == '{' || *c->at == '[';
        if (opened) {
            if (++depth > DEPTH_MAX) return false;
            objects = objects << 1 | (*c->at++ == '{');
        } else if (!skip_scalar(c)) {
            return false;
        }
        step then = opened ? first_item(c, objects & 1 ? '}' : ']') : MORE;
        if (!opened) then = next_item(c, objects & 1 ? '}' : ']');
        while (then == DONE) {
            objects >>= 1;
            if (--depth == 0) return true;
            then = next_item(c, objects & 1 ? '}' : ']');
        }
        if (then == BAD || (objects & 1 && !read_name(c, &ignored))) return false;
    }
}

#endif
