/* Feeds the fold what no engine writes; built with sanitizers, and every block ends at a page that
 * may not be touched. Arguments: files of lines. Prints how many lines it read and handed over. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fold.h"

static uint64_t state = 88172645463325252u, lines, handed;

static uint64_t pick(uint64_t below) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state % below;
}

/* A copy right before a page without access. */
static uint8_t *guarded(const uint8_t *data, size_t size, void **mapped, size_t *mapped_size) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE), pages = (size + page - 1) / page + 1;
    *mapped_size = pages * page;
    *mapped = mmap(NULL, *mapped_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (*mapped == MAP_FAILED) abort();
    uint8_t *end = (uint8_t *)*mapped + *mapped_size - page;
    if (mprotect(end, page, PROT_NONE) != 0) abort();
    if (size) memcpy(end - size, data, size);
    return end - size;
}

static void *exact(size_t size) {
    void *room = malloc(size ? size : 1);
    if (!room) abort();
    return room;
}

static void take(vf_fold *fold, int sightings, size_t rows, uint64_t chunk) {
    for (size_t start = 0, count; start < rows; start += count) {
        vf_sizes sizes;
        count = vf_measure(fold, sightings, start, chunk, &sizes);
        if (count == 0) abort();
        void *at[13];
        size_t wide[13] = {(count + 1) * 4, (count + 1) * 4, (count + 1) * 4, (count + 1) * 4,
                           sizes.field,     sizes.value,     sizes.client,    sizes.server,
                           count * 4,       count * 8,       count * 8,       count * 8,
                           count * 8};
        for (size_t i = 0; i < 13; i++) at[i] = exact(wide[i]);
        vf_columns c = {at[0], at[1], at[2], at[3], at[4],  at[5], at[6],
                        at[7], at[8], at[9], at[10], at[11], at[12]};
        vf_write(fold, sightings, start, start + count, &c);
        if ((uint64_t)c.value_offsets[count] != sizes.value) abort();
        for (size_t i = 0; i < 13; i++) free(at[i]);
    }
}

static void feed(vf_fold *fold, const uint8_t *data, size_t size) {
    void *mapped;
    size_t mapped_size;
    uint8_t *block = guarded(data, size, &mapped, &mapped_size);
    vf_line found[7];
    for (size_t at = 0, count; at < size; handed += count) {
        int64_t stopped = vf_scan(fold, block, size, at, found, 7, &count);
        if (stopped < 0 || (size_t)stopped <= at) abort();
        for (size_t i = 0; i < count; i++)
            if (found[i].offset + found[i].length > size) abort();
        at = (size_t)stopped;
    }
    munmap(mapped, mapped_size);
    lines++;
    if (vf_rows(fold) < 500) return;
    if (vf_sort(fold) != 0) abort();
    take(fold, 0, vf_rows(fold), 1 + pick(4000));
    take(fold, 1, vf_sightings(fold), 1 << 30);
    vf_clear(fold);
}

/* Change a line here and there. */
static size_t mutate(uint8_t *line, size_t size, size_t room) {
    static const char *const tokens[] = {"\"", "\\", "{", "}", "[", "]", ",", ":", "\0", "\n",
                                         "\\u00e9", "\\ud800", "null", "1e9", "-0", "\xc3\xa9",
                                         "\xff", " ", ".", "::", "/", "<", ">", "@", "?", "#"};
    for (uint64_t changes = 1 + pick(3); changes > 0 && size > 2; changes--) {
        size_t at = pick(size), span = 1 + pick(8);
        if (at + span > size) span = size - at;
        const char *token = tokens[pick(sizeof tokens / sizeof *tokens)];
        size_t length = *token ? strlen(token) : 1;
        switch (pick(4)) {
        case 0: line[at] = (uint8_t)pick(256); break;
        case 1: memmove(line + at, line + at + span, size - at - span), size -= span; break;
        case 2:
            if (size + length > room) break;
            memmove(line + at + length, line + at, size - at);
            memcpy(line + at, token, length), size += length;
            break;
        default:
            if (size + span > room) break;
            memmove(line + at + span, line + at, size - at), size += span;
        }
    }
    return size;
}

static void damage(vf_fold *fold, const uint8_t *line, size_t size) {
    uint8_t *copy = exact(2 * size + 64);
    for (size_t cut = 0; cut <= size; cut++) { /* with and without an end */
        memcpy(copy, line, cut);
        copy[cut] = '\n';
        feed(fold, copy, cut);
        feed(fold, copy, cut + 1);
    }
    for (int i = 0; i < 300; i++) {
        memcpy(copy, line, size);
        size_t changed = mutate(copy, size, 2 * size + 63);
        copy[changed] = '\n';
        feed(fold, copy, changed + 1);
    }
    free(copy);
}

static void repeat(vf_fold *fold, const char *start, const char *each, size_t times) {
    size_t width = strlen(each), size = strlen(start);
    uint8_t *line = exact(size + times * width + 1);
    memcpy(line, start, size);
    for (size_t i = 0; i < times; i++, size += width) memcpy(line + size, each, width);
    line[size] = '\n';
    feed(fold, line, size + 1);
    free(line);
}

static void read_file(vf_fold *fold, const char *path) {
    FILE *file = fopen(path, "rb");
    if (!file) abort();
    char *line = NULL;
    size_t room = 0;
    for (ssize_t size; (size = getline(&line, &room, file)) > 0;)
        damage(fold, (const uint8_t *)line, (size_t)size - 1);
    free(line);
    fclose(file);
}

int main(int count, char **paths) {
    const char *names[53] = {0};
    for (size_t i = 1; i < 53; i++) names[i] = i % 2 ? "odd" : "even";
    uint8_t home[36] = {[10] = 0xff, 0xff, 10, [16] = 104, 1, [18] = 0xfc, [34] = 7, 0};
    vf_fold *fold = vf_new(names, 53, home, 2, (const uint8_t *)"0123456789abcdef");
    if (!fold) abort();
    for (int i = 1; i < count; i++) read_file(fold, paths[i]);
    repeat(fold, "", "[", 1000000);
    repeat(fold, "{\"a\":", "{\"a\":", 100000);
    repeat(fold, "{\"event_type\":\"", "x", 9000000);
    repeat(fold, "{\"timestamp\":\"", "\\\\", 100000);
    repeat(fold, "{\"event_type\":\"tls\",\"tls\":{\"subjectaltname\":[\"a\"", ",\"b\"", 10000);
    if (vf_sort(fold) != 0) abort();
    take(fold, 0, vf_rows(fold), 1);
    take(fold, 1, vf_sightings(fold), 1);
    vf_free(fold);
    printf("%llu %llu\n", (unsigned long long)lines, (unsigned long long)handed);
    return 0;
}
