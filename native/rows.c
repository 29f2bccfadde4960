#include "rows.h"

#include <stdlib.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "written for little-endian machines"
#endif

#define DAY_US 86400000000
#define HOUR_US 3600000000
#define COUNT_MAX 0x7fffffff

static int64_t floor_div(int64_t value, int64_t by) {
    return value / by - (value % by < 0);
}

/* Make room for one more thing in an array that doubles. */
static bool reserve(void **array, uint32_t *capacity, uint32_t count, size_t each) {
    if (count < *capacity) return true;
    if (count >= COUNT_MAX) return false;
    uint32_t larger = *capacity ? *capacity * 2 : 256;
    void *moved = realloc(*array, (size_t)larger * each);
    if (!moved) return false;
    *array = moved;
    *capacity = larger;
    return true;
}

/* Make room for one more number; at most half of the slots are taken. */
static bool table_reserve(table *t) {
    if (t->mask && t->count < t->mask / 2) return true;
    if (t->mask >= COUNT_MAX) return false;
    uint32_t mask = t->mask ? t->mask * 2 + 1 : 1023;
    slot *slots = calloc((size_t)mask + 1, sizeof *slots);
    if (!slots) return false;
    for (uint32_t i = 0; t->mask && i <= t->mask; i++) {
        if (!t->slots[i].number) continue;
        uint32_t at = t->slots[i].tag & mask;
        while (slots[at].number) at = (at + 1) & mask;
        slots[at] = t->slots[i];
    }
    free(t->slots);
    t->slots = slots;
    t->mask = mask;
    return true;
}

static bool arena_add(vf_fold *fold, text added) {
    if (fold->arena_capacity - fold->arena_size < added.size) {
        uint64_t capacity = fold->arena_capacity;
        while (capacity - fold->arena_size < added.size) capacity *= 2;
        uint8_t *moved = realloc(fold->arena, capacity);
        if (!moved) return false;
        fold->arena = moved;
        fold->arena_capacity = capacity;
    }
    if (added.size) memcpy(fold->arena + fold->arena_size, added.at, added.size);
    fold->arena_size += added.size;
    return true;
}

/* The number of a text, which is added if it is new. */
static bool intern(vf_fold *fold, texts *in, uint32_t field, text wanted, uint32_t *number) {
    if (!table_reserve(&in->table)) return false;
    uint32_t tag = (uint32_t)siphash13(fold->secret, (uint8_t)field, wanted.at, wanted.size);
    uint32_t at = tag & in->table.mask;
    for (; in->table.slots[at].number; at = (at + 1) & in->table.mask) {
        if (in->table.slots[at].tag != tag) continue;
        *number = in->table.slots[at].number - 1;
        if (in->entries[*number].field == field && same(text_of(fold, in, *number), wanted))
            return true;
    }
    *number = in->table.count;
    if (!reserve((void **)&in->entries, &in->capacity, *number, sizeof *in->entries)) return false;
    in->entries[*number] = (entry){fold->arena_size, wanted.size, field};
    if (!arena_add(fold, wanted)) return false;
    in->table.slots[at] = (slot){tag, *number + 1};
    in->table.count++;
    return true;
}

bool event_begin(vf_fold *fold, text client, text server, int64_t at_us, uint64_t flow_id) {
    fold->event++;
    fold->flow_id = flow_id;
    fold->at_us = at_us;
    fold->day = (int32_t)floor_div(at_us, DAY_US);
    return intern(fold, &fold->hosts, 0, client, &fold->client) &&
           intern(fold, &fold->hosts, 0, server, &fold->server);
}

static uint32_t tag_of(const vf_fold *fold, uint32_t value) {
    uint64_t a = fold->secret.k0 ^ ((uint64_t)value << 32 | fold->client);
    uint64_t b = fold->secret.k1 ^ ((uint64_t)fold->server << 32 | (uint32_t)fold->day);
    __extension__ unsigned __int128 product = (unsigned __int128)a * b;
    return (uint32_t)((uint64_t)product ^ (uint64_t)(product >> 64));
}

static bool row_new(vf_fold *fold, uint32_t value, slot *free_slot, uint32_t tag) {
    uint32_t number = fold->keys.count;
    if (!reserve((void **)&fold->rows, &fold->rows_capacity, number, sizeof *fold->rows))
        return false;
    fold->rows[number] = (row){
        .value = value,
        .client = fold->client,
        .server = fold->server,
        .day = fold->day,
        .first_us = fold->at_us,
        .last_us = fold->at_us,
        .count = 1,
        .flow_id = fold->flow_id,
        .event = fold->event,
    };
    *free_slot = (slot){tag, number + 1};
    fold->keys.count++;
    return true;
}

bool event_add(vf_fold *fold, unsigned field, text value) {
    uint32_t number;
    if (!intern(fold, &fold->values, field, value, &number) || !table_reserve(&fold->keys))
        return false;
    uint32_t tag = tag_of(fold, number), at = tag & fold->keys.mask;
    for (; fold->keys.slots[at].number; at = (at + 1) & fold->keys.mask) {
        if (fold->keys.slots[at].tag != tag) continue;
        row *known = fold->rows + fold->keys.slots[at].number - 1;
        if (known->value != number || known->client != fold->client ||
            known->server != fold->server || known->day != fold->day)
            continue;
        if (known->event == fold->event) return true;
        known->event = fold->event;
        known->count++;
        if (fold->at_us < known->first_us) known->first_us = fold->at_us;
        if (fold->at_us > known->last_us) known->last_us = fold->at_us;
        if (fold->flow_id > known->flow_id) known->flow_id = fold->flow_id;
        return true;
    }
    return row_new(fold, number, fold->keys.slots + at, tag);
}

static size_t hour_slot(const vf_fold *fold, const vf_hour *hours, size_t mask, int64_t hour) {
    size_t at = (size_t)((((uint64_t)hour / 3600) ^ fold->secret.k0) * 0x9E3779B185EBCA87u >> 20);
    for (at &= mask; hours[at].events && hours[at].hour != hour;) at = (at + 1) & mask;
    return at;
}

static bool hours_reserve(vf_fold *fold) {
    if (fold->hours && fold->hours_count < fold->hours_mask / 2) return true;
    size_t mask = fold->hours ? fold->hours_mask * 2 + 1 : 255;
    vf_hour *hours = calloc(mask + 1, sizeof *hours);
    if (!hours) return false;
    for (size_t i = 0; fold->hours && i <= fold->hours_mask; i++)
        if (fold->hours[i].events)
            hours[hour_slot(fold, hours, mask, fold->hours[i].hour)] = fold->hours[i];
    free(fold->hours);
    fold->hours = hours;
    fold->hours_mask = mask;
    return true;
}

bool event_hour(vf_fold *fold, int64_t at_us) {
    if (!hours_reserve(fold)) return false;
    int64_t start = floor_div(at_us, HOUR_US) * 3600;
    vf_hour *hour = fold->hours + hour_slot(fold, fold->hours, fold->hours_mask, start);
    if (!hour->events) {
        *hour = (vf_hour){start, at_us, at_us, 0};
        fold->hours_count++;
    }
    hour->events++;
    if (at_us < hour->first_us) hour->first_us = at_us;
    if (at_us > hour->last_us) hour->last_us = at_us;
    return true;
}

/* --- the interface --------------------------------------------------------------------------- */

int vf_abi(void) { return VF_ABI; }

static bool keep_names(vf_fold *fold, const char *const *names, size_t count) {
    size_t bytes = 0;
    for (size_t i = 0; i < count; i++) bytes += names[i] ? strlen(names[i]) + 1 : 0;
    uint8_t *to = fold->named = malloc(bytes + 1);
    if (!to) return false;
    for (size_t i = 0; i < count; i++) {
        if (!names[i]) continue;
        fold->names[i] = memcpy(to, names[i], strlen(names[i]) + 1);
        to += strlen(names[i]) + 1;
    }
    return true;
}

vf_fold *vf_new(const char *const *names, size_t count, const uint8_t *home, size_t home_count,
                const uint8_t *secret_bytes) {
    if (count > VF_FIELDS_MAX) return NULL;
    vf_fold *fold = calloc(1, sizeof *fold);
    if (!fold) return NULL;
    fold->secret = (secret){load64(secret_bytes), load64(secret_bytes + 8)};
    fold->home_count = home_count;
    fold->home = malloc(home_count * sizeof *fold->home + 1);
    fold->arena = malloc(fold->arena_capacity = 1 << 16);
    if (!fold->home || !fold->arena || !keep_names(fold, names, count)) {
        vf_free(fold);
        return NULL;
    }
    memcpy(fold->home, home, home_count * sizeof *fold->home);
    return fold;
}

static void forget_order(vf_fold *fold) {
    free(fold->first_row);
    fold->first_row = NULL;
}

void vf_free(vf_fold *fold) {
    if (!fold) return;
    forget_order(fold);
    free(fold->named);
    free(fold->home);
    free(fold->arena);
    free(fold->values.table.slots);
    free(fold->values.entries);
    free(fold->hosts.table.slots);
    free(fold->hosts.entries);
    free(fold->keys.slots);
    free(fold->rows);
    free(fold->hours);
    free(fold);
}

static void table_clear(table *t) {
    if (t->mask) memset(t->slots, 0, ((size_t)t->mask + 1) * sizeof *t->slots);
    t->count = 0;
}

void vf_clear(vf_fold *fold) {
    forget_order(fold);
    table_clear(&fold->values.table);
    table_clear(&fold->hosts.table);
    table_clear(&fold->keys);
    if (fold->hours) memset(fold->hours, 0, (fold->hours_mask + 1) * sizeof *fold->hours);
    fold->hours_count = 0;
    fold->arena_size = 0;
    fold->counts = (vf_counts){0};
}

int vf_put(vf_fold *fold, unsigned field, const uint8_t *value, size_t value_size,
           const uint8_t *client, size_t client_size, const uint8_t *server, size_t server_size,
           int64_t at_us, uint64_t flow_id) {
    if (field >= VF_FIELDS_MAX || value_size > UINT32_MAX || client_size > UINT32_MAX ||
        server_size > UINT32_MAX)
        return -1;
    bool kept = event_begin(fold, (text){client, (uint32_t)client_size},
                            (text){server, (uint32_t)server_size}, at_us, flow_id) &&
                event_add(fold, field, (text){value, (uint32_t)value_size});
    return kept ? 0 : -1;
}

int vf_count(vf_fold *fold, int64_t at_us) { return event_hour(fold, at_us) ? 0 : -1; }

size_t vf_rows(const vf_fold *fold) { return fold->keys.count; }

uint64_t vf_bytes(const vf_fold *fold) { return fold->arena_size; }

void vf_get_counts(const vf_fold *fold, vf_counts *counts) { *counts = fold->counts; }

size_t vf_hours(const vf_fold *fold, vf_hour *hours, size_t max) {
    size_t written = 0;
    for (size_t i = 0; fold->hours && i <= fold->hours_mask && written < max; i++)
        if (fold->hours[i].events) hours[written++] = fold->hours[i];
    return fold->hours_count;
}

uint64_t vf_xxh64(const uint8_t *data, size_t size) { return xxh64(NULL, 0, data, size); }
