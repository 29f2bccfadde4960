/* A fold of EVE lines: which value, in which field, between whom, on which day.
 *
 * The interface of the library. It is called through ctypes: plain integers and pointers only.
 * One fold is used by one thread at a time; different folds share nothing.
 *
 * What is not plainly understood is handed over (its place is given back to the caller), so that
 * the reference in Python decides about it: this code never guesses.
 */
#ifndef VEDETTE_FOLD_H
#define VEDETTE_FOLD_H

#include <stddef.h>
#include <stdint.h>

#define VF_API __attribute__((visibility("default")))
#define VF_ABI 1 /* raised whenever a signature or a struct below changes */

typedef struct vf_fold vf_fold;

/* Columns of rows start..stop, in order; offsets have one entry more than there are rows. */
typedef struct {
    int32_t *field_offsets, *value_offsets, *client_offsets, *server_offsets;
    uint8_t *field, *value, *client, *server;
    int32_t *day; /* not of sightings */
    int64_t *first_us, *last_us;
    uint64_t *count;
    uint64_t *last; /* flow_id of observations, key of sightings */
} vf_columns;

typedef struct {
    uint64_t field, value, client, server;
} vf_sizes; /* bytes of text in some rows */

typedef struct {
    uint64_t lines, events, ignored, empty;
} vf_counts;

typedef struct {
    int64_t hour, first_us, last_us;
    uint64_t events;
} vf_hour;

typedef struct {
    uint64_t offset, length;
} vf_line;

VF_API int vf_abi(void);

/* names: the fields by number, NULL where a number is not used or the field is not wanted.
 * home: 18 bytes for each network: its IPv6 address (of IPv4 the mapped one), the length of its
 * prefix in that, and whether it is IPv4.
 * secret: 16 random bytes; whoever knows them can make the tables slow. NULL: no memory. */
VF_API vf_fold *vf_new(const char *const *names, size_t count, const uint8_t *home,
                       size_t home_count, const uint8_t *secret);
VF_API void vf_free(vf_fold *fold);

/* Take in the lines of data from `at` on. Lines for the reference go to `handed`; stops when that
 * is full. Returns where it stopped (size: all done), or -1: no memory. */
VF_API int64_t vf_scan(vf_fold *fold, const uint8_t *data, size_t size, size_t at,
                       vf_line *handed, size_t handed_max, size_t *handed_count);

/* Add one row of an event that the reference has read. 0, or -1: no memory. */
VF_API int vf_put(vf_fold *fold, unsigned field, const uint8_t *value, size_t value_size,
                  const uint8_t *client, size_t client_size, const uint8_t *server,
                  size_t server_size, int64_t at_us, uint64_t flow_id);

/* Count an event that the reference has read in its hour. 0, or -1: no memory. */
VF_API int vf_count(vf_fold *fold, int64_t at_us);

VF_API size_t vf_rows(const vf_fold *fold);
VF_API uint64_t vf_bytes(const vf_fold *fold); /* of text that is kept */
VF_API void vf_get_counts(const vf_fold *fold, vf_counts *counts);
VF_API size_t vf_hours(const vf_fold *fold, vf_hour *hours, size_t max); /* how many there are */

/* Put all rows in order; until vf_clear nothing may be added any more. 0, or -1: no memory. */
VF_API int vf_sort(vf_fold *fold);
VF_API size_t vf_sightings(const vf_fold *fold);
/* How many rows from `start` on have at most `bytes` of text in each column; at least one. */
VF_API size_t vf_measure(const vf_fold *fold, int sightings, size_t start, uint64_t bytes,
                         vf_sizes *sizes);
VF_API void vf_write(const vf_fold *fold, int sightings, size_t start, size_t stop,
                     const vf_columns *columns);
VF_API void vf_clear(vf_fold *fold);

/* For tests: the hash of the key of a sighting. */
VF_API uint64_t vf_xxh64(const uint8_t *data, size_t size);

#endif
