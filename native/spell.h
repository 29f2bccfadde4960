/* Values in the spelling in which they are kept, for those that are simple; the table of what is
 * meant is src/vedette/fields.py. False: not simple, ask the reference. */
#ifndef VEDETTE_SPELL_H
#define VEDETTE_SPELL_H

#include "text.h"

#define VALUE_MAX 8192
#define ADDRESS_TEXT_MAX 46

/* Room for what had to be rewritten in one line. */
typedef struct {
    uint8_t *at, *limit;
} scratch;

typedef struct {
    uint8_t bytes[16]; /* IPv4 as ::ffff:a.b.c.d */
    bool v4;
} address;

typedef enum { AS_NAME, AS_ADDRESS, AS_URL, AS_HASH, AS_MAIL, AS_FILENAME, AS_TEXT, AS_PRINCIPAL,
               AS_FILE_OF_SHARE } spelling;

/* Undo the escapes of a JSON string that read_string has accepted; no \u. */
bool unescape(text raw, scratch *room, text *plain);
/* The kept form of an ASCII text; size 0: nothing to keep. */
bool spell(spelling as, text raw, scratch *room, text *kept);
bool read_address(text written, address *found);
/* Write an address in the form of RFC 5952. */
text write_address(const address *a, scratch *room);
/* host[:port]/path[?query] */
bool spell_url(text host, uint64_t port, text path, scratch *room, text *kept);
text write_number(uint64_t number, scratch *room);

#endif
