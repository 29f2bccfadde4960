/* Lines of EVE: each is read whole before anything of it is kept, or handed over untouched. */
#include "ends.h"
#include "when.h"

typedef enum { TAKEN, HANDED, NO_MEMORY } outcome;

/* Objects that stood before the type of the event. */
static bool read_skipped(scan *s) {
    const uint8_t *behind = s->c.at;
    for (size_t i = 0; s->type && i < OBJECTS; i++) {
        if (!s->skipped[i] || !s->type->objects[i]) continue;
        s->c.at = s->skipped[i] + 1;
        if (!walk(s, s->type->objects[i])) return false;
    }
    s->c.at = behind;
    return true;
}

/* The first of two texts that is not empty. */
static text either(const scan *s, enum kept one, enum kept other) {
    return s->kept[one].size ? s->kept[one] : s->kept[other];
}

static bool gather_http(scan *s) {
    text raw = s->kept[HOSTNAME], path = s->kept[PATH], host = {NULL, 0}, url;
    if (!raw.size) { /* HTTP/2; with a port or blanks it is not simple */
        raw = either(s, AUTHORITY, HOST);
        if (raw.size && (memchr(raw.at, ':', raw.size) || memchr(raw.at, ' ', raw.size)))
            return false;
    }
    if (raw.size && (raw.size > VALUE_MAX || !spell(AS_NAME, raw, &s->room, &host))) return false;
    if (!gather_spelt(s, HTTP_HOST, host) || !gather(s, HTTP_METHOD, AS_TEXT, s->kept[METHOD]) ||
        !gather(s, HTTP_SERVER, AS_TEXT, either(s, SERVER, HEADER_SERVER)) ||
        !gather(s, HTTP_COOKIE, AS_TEXT, either(s, COOKIE, HEADER_COOKIE)))
        return false;
    if (!path.size || (IS(s->kept[METHOD], "CONNECT") && path.at[0] != '/')) return true;
    return spell_url(host, s->numbers[HTTP_PORT], path, &s->room, &url) &&
           gather_spelt(s, HTTP_URL, url);
}

static bool gather_flow(scan *s, text client, text server) {
    uint64_t port = s->numbers[DEST_PORT];
    if (!gather_spelt(s, IP_DST, server) || !gather_spelt(s, IP_SRC, client)) return false;
    if (port == 0 || port > 0xffff) return true;
    const uint8_t *start = s->room.at;
    memcpy(s->room.at, server.at, server.size);
    s->room.at += server.size;
    *s->room.at++ = ',';
    write_number(port, &s->room);
    text both = {start, (uint32_t)(s->room.at - start)};
    return gather_spelt(s, IP_DST_PORT, both);
}

static outcome keep(vf_fold *fold, scan *s, int64_t at_us) {
    address src, dest;
    if (!read_address(s->kept[SRC_IP], &src) || !read_address(s->kept[DEST_IP], &dest))
        return HANDED;
    if ((size_t)(s->room.limit - s->room.at) < 4 * ADDRESS_TEXT_MAX) return HANDED;
    bool turned = is_turned(s, &src, &dest);
    text client = write_address(turned ? &dest : &src, &s->room);
    text server = write_address(turned ? &src : &dest, &s->room);
    if (s->type == event_types + T_HTTP && !gather_http(s)) return HANDED;
    if (s->type == event_types + T_FLOW && !gather_flow(s, client, server)) return HANDED;
    if (s->count == 0 && s->partial) return HANDED;
    if (!event_hour(fold, at_us)) return NO_MEMORY;
    fold->counts.lines++;
    if (s->count == 0) {
        fold->counts.empty++;
        return TAKEN;
    }
    fold->counts.events++;
    if (!event_begin(fold, client, server, at_us, s->numbers[FLOW_ID])) return NO_MEMORY;
    for (uint32_t i = 0; i < s->count; i++)
        if (!event_add(fold, s->found[i].field, s->found[i].value)) return NO_MEMORY;
    return TAKEN;
}

/* Whether it is an alert of a rule that collects (observe/collected.py). */
static bool is_collected(text type, const uint8_t *line, const uint8_t *end) {
    static const char mark[] = "\"vedette_collect\"";
    const size_t size = sizeof mark - 1;
    if (type.size != 5 || memcmp(type.at, "alert", 5) != 0) return false;
    while ((size_t)(end - line) >= size) {
        line = memchr(line, mark[0], (size_t)(end - line) - size + 1);
        if (!line) return false;
        if (memcmp(line, mark, size) == 0) return true;
        line++;
    }
    return false;
}

/* Read the line that starts at `line`; a line feed ends it. */
static outcome read_line(vf_fold *fold, scan *s, const uint8_t *line, const uint8_t *end,
                         const uint8_t *limit) {
    int64_t at_us;
    memset(s, 0, offsetof(scan, found));
    s->c = (cursor){.at = line, .limit = limit};
    s->fold = fold;
    s->room = (scratch){s->space, s->space + SCRATCH_SIZE};
    if (!next_is(&s->c, '{') || !walk(s, event_members)) return HANDED;
    skip_space(&s->c);
    if (s->c.at != end || !s->kept[EVENT_TYPE].size || !read_time(s->kept[TIMESTAMP], &at_us)) return HANDED;
    if (!read_skipped(s)) return HANDED;
    if (s->type) return keep(fold, s, at_us);
    if (is_collected(s->kept[EVENT_TYPE], line, end)) return HANDED;
    if (!event_hour(fold, at_us)) return NO_MEMORY;
    fold->counts.lines++;
    fold->counts.ignored++;
    return TAKEN;
}

int64_t vf_scan(vf_fold *fold, const uint8_t *data, size_t size, size_t at, vf_line *handed,
                size_t handed_max, size_t *handed_count) {
    scan s;
    *handed_count = 0;
    while (at < size && *handed_count < handed_max) {
        const uint8_t *line = data + at, *end = memchr(line, '\n', size - at);
        size_t length = end ? (size_t)(end - line) : size - at;
        if (length == 0) { /* no line */
            at++;
            continue;
        }
        outcome came = HANDED;
        if (end) { /* else nothing would stop the scanner */
            came = read_line(fold, &s, line, end, data + size);
        }
        if (came == NO_MEMORY) return -1;
        if (came == HANDED) handed[(*handed_count)++] = (vf_line){at, length};
        at += length + (end != NULL);
    }
    return (int64_t)at;
}
