/* What is gathered from one line before anything of it is kept. */
#ifndef VEDETTE_SCAN_H
#define VEDETTE_SCAN_H

#include "json.h"
#include "members.h"
#include "rows.h"

#define GATHERED_MAX 512
#define SCRATCH_SIZE (1 << 16)

typedef struct {
    text value;
    uint32_t field;
} gathered;

typedef struct {
    cursor c;
    const vf_fold *fold;
    scratch room;
    text kept[KEPT_TEXTS]; /* at NULL: absent */
    uint64_t numbers[KEPT_NUMBERS];
    uint32_t numbers_met; /* bits */
    bool partial;           /* whether the reference finds a shape that is not expected */
    bool typed;             /* whether the event's type has been met */
    const event_type *type; /* NULL: not met, or nothing is remembered of it */
    const uint8_t *skipped[OBJECTS]; /* where objects are that came before the type */
    uint32_t count;
    gathered found[GATHERED_MAX];
    uint8_t space[SCRATCH_SIZE];
} scan;

/* Read the object whose brace has been consumed. False: hand the line over. */
bool walk(scan *s, const member *members);
/* Add a value to those found, in its kept spelling. False: hand the line over. */
bool gather(scan *s, unsigned field, spelling as, text raw);
/* Add one that is spelt already. */
bool gather_spelt(scan *s, unsigned field, text value);

#endif
