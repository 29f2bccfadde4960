#include "spell.h"

#define NUMBER_MAX 24 /* a number and a separator */

/* What a byte may be part of. */
enum { UPPER = 1, DIGIT = 2, HEX = 4, NAME = 8, LOCAL = 16, SHOWN = 32 };

#define L (NAME | LOCAL | SHOWN)
#define U (UPPER | NAME | LOCAL | SHOWN)
#define D (DIGIT | HEX | NAME | LOCAL | SHOWN)
#define S SHOWN
#define N (NAME | LOCAL | SHOWN)
#define M (LOCAL | SHOWN)
static const uint8_t kinds[256] = {
    /* 0x20 */ [0x20] = 0, S, S, S, S, S, S, S, S, S, S, M, S, N, N, S,
    /* 0x30 */ D, D, D, D, D, D, D, D, D, D, S, S, S, M, S, S,
    /* 0x40 */ S, U | HEX, U | HEX, U | HEX, U | HEX, U | HEX, U | HEX, U, U, U, U, U, U, U, U, U,
    /* 0x50 */ U, U, U, U, U, U, U, U, U, U, U, S, S, S, S, N,
    /* 0x60 */ S, L | HEX, L | HEX, L | HEX, L | HEX, L | HEX, L | HEX, L, L, L, L, L, L, L, L, L,
    /* 0x70 */ L, L, L, L, L, L, L, L, L, L, L, S, S, S, S, 0,
};
#undef L
#undef U
#undef D
#undef S
#undef N
#undef M

static text take(scratch *room, const uint8_t *start) {
    text written = {start, (uint32_t)(room->at - start)};
    return written;
}

static bool has_room(const scratch *room, size_t size) {
    return (size_t)(room->limit - room->at) >= size;
}

static uint8_t lower(uint8_t c) { return kinds[c] & UPPER ? c | 0x20 : c; }

static text lowered(text of, scratch *room) { /* room was checked */
    const uint8_t *start = room->at;
    for (uint32_t i = 0; i < of.size; i++) *room->at++ = lower(of.at[i]);
    return take(room, start);
}

bool unescape(text raw, scratch *room, text *plain) {
    if (!has_room(room, raw.size)) return false;
    const uint8_t *start = room->at;
    for (uint32_t i = 0; i < raw.size; i++) {
        if (raw.at[i] == '\\') {
            uint8_t escaped = raw.at[++i]; /* there is one: read_string looked */
            if (escaped != '\\' && escaped != '/' && escaped != '"') return false;
        }
        *room->at++ = raw.at[i];
    }
    *plain = take(room, start);
    return true;
}

/* Whether all are shown characters, or blanks within; and whether none is an upper-case letter. */
static bool is_shown(text raw, bool *is_lower) {
    uint8_t all = SHOWN, any = 0;
    for (uint32_t i = 0; i < raw.size; i++) {
        uint8_t kind = raw.at[i] == ' ' ? SHOWN : kinds[raw.at[i]];
        all &= kind;
        any |= kind;
    }
    *is_lower = !(any & UPPER);
    return all && (raw.size == 0 || (raw.at[0] != ' ' && raw.at[raw.size - 1] != ' '));
}

static text without_dot(text raw) {
    if (raw.size > 0 && raw.at[raw.size - 1] == '.') raw.size--;
    return raw;
}

static bool spell_lower(text raw, scratch *room, text *kept) {
    bool is_lower;
    if (!is_shown(raw, &is_lower) || !has_room(room, raw.size)) return false;
    *kept = is_lower ? raw : lowered(raw, room);
    return true;
}

static bool spell_name(text raw, scratch *room, text *kept) {
    if (memchr(raw.at, ':', raw.size) || !spell_lower(raw, room, kept)) return false;
    *kept = without_dot(*kept);
    return true;
}

static bool spell_hash(text raw, scratch *room, text *kept) {
    if (!has_room(room, raw.size)) return false;
    const uint8_t *start = room->at;
    for (uint32_t i = 0; i < raw.size; i++) {
        if (raw.at[i] == ':') continue;
        if (!(kinds[raw.at[i]] & HEX)) return false;
        *room->at++ = lower(raw.at[i]);
    }
    *kept = take(room, start);
    return kept->size > 0;
}

static bool spell_mail(text raw, scratch *room, text *kept) {
    if (raw.at[raw.size - 1] == '>') { /* behind a name, perhaps */
        const uint8_t *opened = raw.at + raw.size - 1;
        while (opened > raw.at && *opened != '<') opened--;
        if (*opened != '<') return false;
        raw = (text){opened + 1, (uint32_t)(raw.at + raw.size - 2 - opened)};
    }
    *kept = raw;
    if (raw.size == 0) return true; /* the sender of a bounce */
    const uint8_t *at = memchr(raw.at, '@', raw.size), *end = raw.at + raw.size;
    if (!at || at == raw.at || at + 1 == end || !has_room(room, raw.size)) return false;
    for (const uint8_t *p = raw.at; p < at; p++)
        if (!(kinds[*p] & LOCAL)) return false;
    for (const uint8_t *p = at + 1; p < end; p++)
        if (!(kinds[*p] & NAME)) return false;
    *kept = without_dot(lowered(raw, room));
    return true;
}

static bool may_be_wrapped(text raw) {
    return raw.size > 0 && (raw.at[0] == ' ' || memchr("\"'`<", raw.at[0], 4));
}

static bool spell_filename(text raw, scratch *room, text *kept) {
    if (may_be_wrapped(raw) || raw.at[raw.size - 1] == ' ') return false;
    for (uint32_t i = raw.size; i > 0; i--) {
        if (raw.at[i - 1] != '/' && raw.at[i - 1] != '\\') continue;
        raw = (text){raw.at + i, raw.size - i};
        break;
    }
    return !may_be_wrapped(raw) && spell_lower(raw, room, kept);
}

static bool spell_text(text raw, text *kept) {
    while (raw.size > 0 && raw.at[0] == ' ') raw.at++, raw.size--;
    while (raw.size > 0 && raw.at[raw.size - 1] == ' ') raw.size--;
    for (uint32_t i = 0; i < raw.size; i++)
        if (raw.at[i] != ' ' && !(kinds[raw.at[i]] & SHOWN)) return false;
    *kept = raw;
    return true;
}

bool spell(spelling as, text raw, scratch *room, text *kept) {
    address found;
    if (raw.size > VALUE_MAX) return false;
    switch (as) {
    case AS_NAME: return spell_name(raw, room, kept);
    case AS_HASH: return spell_hash(raw, room, kept);
    case AS_MAIL: return spell_mail(raw, room, kept);
    case AS_FILENAME: return spell_filename(raw, room, kept);
    case AS_TEXT: return spell_text(raw, kept);
    case AS_PRINCIPAL: /* what the engine writes for a Kerberos name that is not there is none */
        if (!spell_text(raw, kept)) return false;
        if (IS(*kept, "<empty>")) kept->size = 0;
        return true;
    case AS_FILE_OF_SHARE: /* likewise for a share without a file */
        *kept = (text){NULL, 0};
        return IS(raw, "<share_root>") || spell_filename(raw, room, kept);
    case AS_ADDRESS:
        if (!read_address(raw, &found) || !has_room(room, ADDRESS_TEXT_MAX)) return false;
        *kept = found.v4 ? raw : write_address(&found, room);
        return true;
    case AS_URL: return false; /* made of several members: spell_url */
    }
    return false;
}

/* --- addresses -------------------------------------------------------------------------------- */

static bool read_v4(text written, uint8_t *bytes) {
    const uint8_t *p = written.at, *end = p + written.size;
    for (int i = 0; i < 4; i++) {
        const uint8_t *start = p;
        unsigned value = 0;
        for (; p < end && p - start < 3 && kinds[*p] & DIGIT; p++)
            value = value * 10 + (unsigned)(*p - '0');
        if (p == start || value > 255 || (*start == '0' && p - start > 1)) return false;
        bytes[i] = (uint8_t)value;
        if (i < 3 && (p == end || *p++ != '.')) return false;
    }
    return p == end;
}

/* Groups of hex digits with at most one "::"; no dotted tail. */
static bool read_v6(text written, uint8_t *bytes) {
    const uint8_t *p = written.at, *end = p + written.size;
    unsigned groups[8], count = 0, gap = 8;
    if (written.size >= 2 && p[0] == ':' && p[1] == ':') gap = 0, p += 2;
    while (p < end) {
        const uint8_t *start = p;
        unsigned value = 0;
        for (; p < end && p - start < 4 && kinds[*p] & HEX; p++)
            value = value << 4 | (unsigned)(*p <= '9' ? *p - '0' : (*p | 0x20) - 'a' + 10);
        if (p == start || count == 8) return false;
        groups[count++] = value;
        if (p == end) break;
        if (*p++ != ':' || p == end) return false;
        if (*p != ':') continue;
        if (gap < 8) return false;
        gap = count, p++;
    }
    if (gap == 8 ? count != 8 : count > 7) return false;
    memset(bytes, 0, 16);
    for (unsigned i = 0; i < count; i++) {
        unsigned at = (i < gap ? i : i + 8 - count) & 7;
        bytes[2 * at] = (uint8_t)(groups[i] >> 8);
        bytes[2 * at + 1] = (uint8_t)groups[i];
    }
    return true;
}

bool read_address(text written, address *found) {
    static const uint8_t mapped[12] = {[10] = 0xff, 0xff};
    if (written.size == 0) return false;
    found->v4 = read_v4(written, found->bytes + 12);
    if (found->v4) {
        memcpy(found->bytes, mapped, sizeof mapped);
        return true;
    }
    return read_v6(written, found->bytes) && memcmp(found->bytes, mapped, sizeof mapped) != 0;
}

text write_number(uint64_t number, scratch *room) { /* at most 20 bytes: room was checked */
    uint8_t digits[20];
    size_t count = 0;
    do digits[count++] = (uint8_t)('0' + number % 10);
    while (number /= 10);
    const uint8_t *start = room->at;
    while (count > 0) *room->at++ = digits[--count];
    return take(room, start);
}

text write_address(const address *a, scratch *room) {
    const uint8_t *start = room->at;
    if (a->v4) {
        for (int i = 12; i < 16; i++) {
            write_number(a->bytes[i], room);
            if (i < 15) *room->at++ = '.';
        }
        return take(room, start);
    }
    unsigned groups[8], best = 8, best_size = 1; /* one zero group is not shortened */
    for (unsigned i = 0; i < 8; i++) groups[i] = (unsigned)a->bytes[2 * i] << 8 | a->bytes[2 * i + 1];
    for (unsigned i = 0, j; i < 8; i = j + 1) {
        for (j = i; j < 8 && groups[j] == 0;) j++;
        if (j - i > best_size) best = i, best_size = j - i;
    }
    for (unsigned i = 0; i < 8; i++) {
        if (i == best) {
            *room->at++ = ':';
            if (i + best_size == 8) *room->at++ = ':';
            i += best_size - 1;
            continue;
        }
        if (i > 0) *room->at++ = ':';
        int shift = 12;
        while (shift > 0 && groups[i] >> shift == 0) shift -= 4;
        for (; shift >= 0; shift -= 4) *room->at++ = (uint8_t)"0123456789abcdef"[groups[i] >> shift & 15];
    }
    return take(room, start);
}

/* --- URLs ------------------------------------------------------------------------------------- */

bool spell_url(text host, uint64_t port, text path, scratch *room, text *kept) {
    *kept = (text){NULL, 0};
    if (path.size >= 9 && memcmp(path.at, "/libhtp::", 9) == 0) return true; /* it saw no path */
    if (path.size == 0 || path.at[0] != '/' || path.at[path.size - 1] == '?') return false;
    if (!has_room(room, (size_t)host.size + path.size + NUMBER_MAX)) return false;
    for (uint32_t i = 0; i < path.size; i++)
        if (!(kinds[path.at[i]] & SHOWN) || path.at[i] == '#') return false;
    const uint8_t *start = room->at;
    memcpy(room->at, host.at, host.size);
    room->at += host.size;
    if (port > 0 && port <= 0xffff && port != 80) {
        *room->at++ = ':';
        write_number(port, room);
    }
    memcpy(room->at, path.at, path.size);
    room->at += path.size;
    *kept = take(room, start);
    return kept->size <= VALUE_MAX;
}
