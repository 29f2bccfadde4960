/* Rows in order, and as the buffers of Arrow columns. */
#include <stdlib.h>

#include "rows.h"

/* Something to be sorted by a key that fits a word; what is equal by it is compared in full. */
typedef struct {
    uint64_t key;
    uint32_t number, extra;
} item;

/* Stable, and n log n whatever an adversary sends. `other` has room for as many. */
static void sort_items(item *items, item *other, size_t count) {
    for (size_t start = 0; start < count; start += 8) { /* runs of eight by insertion */
        size_t stop = start + 8 < count ? start + 8 : count;
        for (size_t i = start + 1; i < stop; i++) {
            item moved = items[i];
            size_t j = i;
            for (; j > start && items[j - 1].key > moved.key; j--) items[j] = items[j - 1];
            items[j] = moved;
        }
    }
    item *from = items, *to = other;
    for (size_t width = 8; width < count; width *= 2) {
        for (size_t start = 0; start < count; start += 2 * width) {
            size_t middle = start + width < count ? start + width : count;
            size_t stop = middle + width < count ? middle + width : count;
            size_t left = start, right = middle, at = start;
            while (left < middle && right < stop)
                to[at++] = from[left].key <= from[right].key ? from[left++] : from[right++];
            while (left < middle) to[at++] = from[left++];
            while (right < stop) to[at++] = from[right++];
        }
        item *swap = from;
        from = to, to = swap;
    }
    if (from != items) memcpy(items, from, count * sizeof *items);
}

/* Eight bytes of a text from `depth` on as a big-endian number, zeros behind its end. */
static uint64_t piece(text whole, uint32_t depth) {
    uint8_t bytes[8] = {0};
    if (depth < whole.size) {
        uint32_t size = whole.size - depth;
        memcpy(bytes, whole.at + depth, size < 8 ? size : 8);
    }
    return __builtin_bswap64(load64(bytes));
}

/* Put texts in bytewise order. Texts are distinct, but one may be another and zeros: then the
 * shorter one is first. Sorts by eight bytes at a time; the equal ones again by the next eight. */
static void sort_texts(const vf_fold *fold, const texts *from, item *items, item *other,
                       size_t count, uint32_t depth) {
    uint32_t longest = 0;
    for (size_t i = 0; i < count; i++) {
        text whole = text_of(fold, from, items[i].number);
        items[i].key = piece(whole, depth);
        if (whole.size > longest) longest = whole.size;
    }
    sort_items(items, other, count);
    for (size_t start = 0, stop; start < count; start = stop) {
        for (stop = start + 1; stop < count && items[stop].key == items[start].key;) stop++;
        if (stop - start == 1) continue;
        if (depth + 8 < longest) {
            sort_texts(fold, from, items + start, other + start, stop - start, depth + 8);
            continue;
        }
        for (size_t i = start; i < stop; i++)
            items[i].key = from->entries[items[i].number].size;
        sort_items(items + start, other + start, stop - start);
    }
}

static int compare_names(const void *one, const void *other) {
    return strcmp(*(const char *const *)one, *(const char *const *)other);
}

/* Values by the name of their field, then bytewise; `items` has room for twice as many. */
static void sort_values(const vf_fold *fold, item *items) {
    const char *sorted[VF_FIELDS_MAX];
    uint32_t starts[VF_FIELDS_MAX + 1] = {0}, rank[VF_FIELDS_MAX] = {0};
    size_t names = 0, count = fold->values.table.count;
    for (size_t i = 0; i < VF_FIELDS_MAX; i++)
        if (fold->names[i]) sorted[names++] = fold->names[i];
    qsort(sorted, names, sizeof *sorted, compare_names);
    for (size_t i = 0; i < VF_FIELDS_MAX; i++)
        for (size_t j = 0; fold->names[i] && j < names; j++)
            if (sorted[j] == fold->names[i]) rank[i] = (uint32_t)j;
    for (size_t i = 0; i < count; i++) starts[rank[fold->values.entries[i].field] + 1]++;
    for (size_t i = 0; i < names; i++) starts[i + 1] += starts[i];
    uint32_t next[VF_FIELDS_MAX + 1];
    memcpy(next, starts, sizeof next);
    for (size_t i = 0; i < count; i++)
        items[next[rank[fold->values.entries[i].field]]++] = (item){0, (uint32_t)i, 0};
    for (size_t i = 0; i < names; i++)
        sort_texts(fold, &fold->values, items + starts[i], items + count + starts[i],
                   starts[i + 1] - starts[i], 0);
}

/* The rows of one value, by client, server and day. */
static void sort_group(const vf_fold *fold, uint32_t *order, size_t count, const uint32_t *rank,
                       item *items) {
    for (size_t i = 0; i < count; i++) { /* by day, then (stable) by ends */
        const row *r = fold->rows + order[i];
        items[i] = (item){(uint64_t)((int64_t)r->day - INT32_MIN), order[i], 0};
    }
    if (count > 1) sort_items(items, items + count, count);
    for (size_t i = 0; i < count; i++) {
        const row *r = fold->rows + items[i].number;
        items[i].key = (uint64_t)rank[r->client] << 32 | rank[r->server];
    }
    if (count > 1) sort_items(items, items + count, count);
    for (size_t i = 0; i < count; i++) order[i] = items[i].number;
}

/* Room that is needed while sorting. */
typedef struct {
    item *items;            /* twice as many as there are rows, values or hosts */
    uint32_t *place, *rank; /* by number, of values and of hosts */
    uint32_t *order;        /* numbers of rows */
    row *sorted;
} room;

/* Rows by the place of their value, then each value's among themselves. */
static void sort_rows(vf_fold *fold, const room *r) {
    uint32_t *first = fold->first_row;
    size_t rows = fold->keys.count, values = fold->values.table.count;
    memset(first, 0, (values + 2) * sizeof *first);
    for (size_t i = 0; i < rows; i++) first[r->place[fold->rows[i].value] + 2]++;
    for (size_t i = 1; i <= values; i++) first[i + 1] += first[i];
    for (size_t i = 0; i < rows; i++)
        r->order[first[r->place[fold->rows[i].value] + 1]++] = (uint32_t)i;
    for (size_t i = 0; i < values; i++)
        if (first[i + 1] - first[i] > 1)
            sort_group(fold, r->order + first[i], first[i + 1] - first[i], r->rank, r->items);
    for (size_t i = 0; i < rows; i++) r->sorted[i] = fold->rows[r->order[i]];
}

static void sort_all(vf_fold *fold, const room *r) {
    size_t values = fold->values.table.count, hosts = fold->hosts.table.count;
    for (size_t i = 0; i < hosts; i++) r->items[i] = (item){0, (uint32_t)i, 0};
    sort_texts(fold, &fold->hosts, r->items, r->items + hosts, hosts, 0);
    for (size_t i = 0; i < hosts; i++) r->rank[r->items[i].number] = (uint32_t)i;
    sort_values(fold, r->items);
    for (size_t i = 0; i < values; i++) r->place[r->items[i].number] = (uint32_t)i;
    sort_rows(fold, r);
}

int vf_sort(vf_fold *fold) {
    size_t rows = fold->keys.count, values = fold->values.table.count;
    size_t hosts = fold->hosts.table.count, most = rows > values ? rows : values;
    if (hosts > most) most = hosts;
    room r = {
        .items = malloc((2 * most + 1) * sizeof *r.items),
        .place = malloc((values + hosts + 1) * sizeof *r.place),
        .order = malloc((rows + 1) * sizeof *r.order),
        .sorted = malloc((size_t)(fold->rows_capacity + 1) * sizeof *r.sorted),
    };
    free(fold->first_row);
    fold->first_row = malloc((values + 2) * sizeof *fold->first_row);
    bool enough = r.items && r.place && r.order && r.sorted && fold->first_row;
    if (enough) {
        r.rank = r.place + values;
        sort_all(fold, &r);
        row *unsorted = fold->rows;
        fold->rows = r.sorted;
        r.sorted = unsorted;
    }
    free(r.items);
    free(r.place);
    free(r.order);
    free(r.sorted);
    return enough ? 0 : -1;
}

size_t vf_sightings(const vf_fold *fold) { return fold->values.table.count; }

/* --- columns ---------------------------------------------------------------------------------- */

typedef struct {
    const char *field;
    text value, client, server;
    row row;
} line;

/* One row of the observations, or of the sightings: all rows of a value as one. */
static line line_at(const vf_fold *fold, bool sightings, size_t at) {
    size_t first = sightings ? fold->first_row[at] : at;
    size_t stop = sightings ? fold->first_row[at + 1] : at + 1;
    line l = {.row = fold->rows[first]};
    for (size_t i = first + 1; i < stop; i++) {
        const row *r = fold->rows + i;
        if (r->first_us < l.row.first_us) { /* equals: the least ends came first */
            l.row.first_us = r->first_us;
            l.row.client = r->client;
            l.row.server = r->server;
        }
        if (r->last_us > l.row.last_us) l.row.last_us = r->last_us;
        l.row.count += r->count;
    }
    l.field = fold->names[fold->values.entries[l.row.value].field];
    l.value = text_of(fold, &fold->values, l.row.value);
    l.client = text_of(fold, &fold->hosts, l.row.client);
    l.server = text_of(fold, &fold->hosts, l.row.server);
    return l;
}

size_t vf_measure(const vf_fold *fold, int sightings, size_t start, uint64_t bytes,
                  vf_sizes *sizes) {
    size_t stop = sightings ? fold->values.table.count : fold->keys.count, at = start;
    *sizes = (vf_sizes){0, 0, 0, 0};
    for (; at < stop; at++) {
        line l = line_at(fold, sightings, at);
        vf_sizes next = *sizes;
        next.field += strlen(l.field);
        next.value += l.value.size;
        next.client += l.client.size;
        next.server += l.server.size;
        if (at > start && (next.field > bytes || next.value > bytes || next.client > bytes ||
                           next.server > bytes))
            break;
        *sizes = next;
    }
    return at - start;
}

static uint8_t *append(uint8_t *to, int32_t *offset, const void *from, size_t size) {
    if (size) memcpy(to, from, size);
    offset[1] = offset[0] + (int32_t)size;
    return to + size;
}

void vf_write(const vf_fold *fold, int sightings, size_t start, size_t stop,
              const vf_columns *columns) {
    const vf_columns *c = columns;
    uint8_t *field = c->field, *value = c->value, *client = c->client, *server = c->server;
    c->field_offsets[0] = c->value_offsets[0] = 0;
    c->client_offsets[0] = c->server_offsets[0] = 0;
    for (size_t i = 0; i < stop - start; i++) {
        line l = line_at(fold, sightings, start + i);
        size_t name = strlen(l.field);
        field = append(field, c->field_offsets + i, l.field, name);
        value = append(value, c->value_offsets + i, l.value.at, l.value.size);
        client = append(client, c->client_offsets + i, l.client.at, l.client.size);
        server = append(server, c->server_offsets + i, l.server.at, l.server.size);
        if (!sightings) c->day[i] = l.row.day;
        c->first_us[i] = l.row.first_us;
        c->last_us[i] = l.row.last_us;
        c->count[i] = l.row.count;
        /* The key is of name, NUL and value: the name's own NUL is the one between them. */
        c->last[i] = sightings ? xxh64((const uint8_t *)l.field, name + 1, l.value.at, l.value.size)
                               : l.row.flow_id;
    }
}
