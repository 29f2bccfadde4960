/* The rows of a fold in memory: texts once each, and one record per value, ends and day.
 *
 * Everything is referred to by number, so memory may move when it grows. Functions that may need
 * more memory return false without it; the fold is then only good for vf_free.
 */
#ifndef VEDETTE_ROWS_H
#define VEDETTE_ROWS_H

#include "fold.h"
#include "hash.h"

#define VF_FIELDS_MAX 128

typedef struct {
    uint64_t at; /* in the arena */
    uint32_t size, field;
} entry;

typedef struct {
    uint32_t tag, number; /* number 0: free; else one more than that of the entry */
} slot;

/* An open-addressing table of numbers; what they stand for is kept beside it. */
typedef struct {
    slot *slots;
    uint32_t mask; /* 0: nothing allocated yet */
    uint32_t count;
} table;

/* Distinct texts. */
typedef struct {
    table table;
    entry *entries;
    uint32_t capacity;
} texts;

typedef struct {
    uint32_t value, client, server;
    int32_t day;
    int64_t first_us, last_us;
    uint64_t count, flow_id, event;
} row;

typedef struct {
    uint8_t address[16], bits, v4; /* v4: address and bits are of ::ffff:0:0/96 */
} network;

struct vf_fold {
    const char *names[VF_FIELDS_MAX]; /* of the wanted fields */
    uint8_t *named;                   /* what they point into */
    network *home;
    size_t home_count;
    secret secret;

    uint8_t *arena;
    uint64_t arena_size, arena_capacity;
    texts values, hosts;
    table keys;
    row *rows;
    uint32_t rows_capacity;

    vf_hour *hours; /* events 0: free */
    size_t hours_mask, hours_count;
    vf_counts counts;

    /* The event at hand. */
    uint64_t event, flow_id;
    int64_t at_us;
    int32_t day;
    uint32_t client, server;

    /* After vf_sort, when `rows` are in order: where those of each value start, and one more. */
    uint32_t *first_row;
};

/* Begin an event: its rows follow. */
bool event_begin(vf_fold *fold, text client, text server, int64_t at_us, uint64_t flow_id);
/* Add a row of the event; one that it has already is not counted twice. */
bool event_add(vf_fold *fold, unsigned field, text value);
/* Count an event of any type in its hour. */
bool event_hour(vf_fold *fold, int64_t at_us);

static inline text text_of(const vf_fold *fold, const texts *from, uint32_t number) {
    return (text){fold->arena + from->entries[number].at, from->entries[number].size};
}

#endif
