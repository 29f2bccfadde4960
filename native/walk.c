/* Reading the members of an object as the tables in members.c say. */
#include "scan.h"

bool gather_spelt(scan *s, unsigned field, text value) {
    if (value.size == 0 || !s->fold->names[field]) return true;
    if (s->count == GATHERED_MAX) return false;
    s->found[s->count++] = (gathered){value, field};
    return true;
}

bool gather(scan *s, unsigned field, spelling as, text raw) {
    text value;
    if (raw.size == 0) return true;
    if (raw.size > VALUE_MAX || (s->fold->names[field] && !spell(as, raw, &s->room, &value)))
        return false;
    return !s->fold->names[field] || gather_spelt(s, field, value);
}

/* Read a string with its escapes undone. */
static bool read_text(scan *s, text *found) {
    if (!next_is(&s->c, '"') || !read_string(&s->c, found)) return false;
    return !s->c.escaped || unescape(*found, &s->room, found);
}

static bool is_query(const scan *s) {
    text type = s->kept[DNS_TYPE];
    return IS(type, "query") || IS(type, "request");
}

static bool is_answer(const scan *s) {
    text type = s->kept[DNS_TYPE];
    return IS(type, "answer") || IS(type, "response");
}

/* A name asked for; the type of the message has to come first, as it always does. */
static bool read_dns_name(scan *s) {
    text raw;
    if (!read_text(s, &raw)) return false;
    if (is_query(s)) return gather(s, DNS_QUERY, AS_NAME, raw);
    return is_answer(s) && gather(s, DNS_RESPONSE_RRNAME, AS_NAME, raw);
}

static bool read_dns_record_name(scan *s) {
    text raw;
    if (!read_text(s, &raw)) return false;
    return is_query(s) || (is_answer(s) && gather(s, DNS_RESPONSE_RRNAME, AS_NAME, raw));
}

/* What a record says; its type has to come first. */
static bool read_dns_data(scan *s) {
    static const char *const named[] = {"CNAME", "DNAME", "NS", "MX", "PTR"};
    text type = s->kept[RRTYPE], raw;
    if (is_query(s)) { /* of no interest there, but it might have a shape that is not expected */
        s->partial |= *s->c.at != '"';
        return skip_value(&s->c);
    }
    if (!type.at || !is_answer(s)) return false;
    bool numeric = IS(type, "A") || IS(type, "AAAA"), name = false;
    for (size_t i = 0; !numeric && i < sizeof named / sizeof *named; i++)
        name |= is(type, named[i], strlen(named[i]));
    s->partial |= *s->c.at != '"';
    if (!numeric && !name) return skip_value(&s->c);
    if (!read_text(s, &raw)) return false;
    if (numeric) return gather(s, DNS_RESPONSE_IP, AS_ADDRESS, raw);
    return gather(s, DNS_RESPONSE_RRNAME, AS_NAME, raw);
}

static bool read_value(scan *s, const member *m) {
    text raw;
    if (m->kind == INSIDE) {
        s->kept[RRTYPE].at = NULL;
        return next_is(&s->c, '{') && walk(s, m->inside);
    }
    return read_text(s, &raw) && gather(s, m->which, m->as, raw);
}

static bool read_values(scan *s, const member *m) {
    if (!next_is(&s->c, '[')) return false;
    step then = first_item(&s->c, ']');
    while (then == MORE) {
        if (!read_value(s, m)) return false;
        then = next_item(&s->c, ']');
    }
    return then == DONE;
}

static bool is_header(text name, const header *h) {
    if (name.size != h->size) return false;
    for (uint32_t i = 0; i < name.size; i++) {
        uint8_t c = name.at[i];
        if ((c >= 'A' && c <= 'Z' ? c | 0x20 : c) != (uint8_t)h->name[i]) return false;
    }
    return true;
}

/* Keep the first value that each header of interest has. */
static bool read_headers(scan *s, const member *m) {
    if (!next_is(&s->c, '[')) return false;
    step then = first_item(&s->c, ']');
    while (then == MORE) {
        s->kept[HEADER_NAME] = s->kept[HEADER_VALUE] = (text){NULL, 0};
        if (!next_is(&s->c, '{') || !walk(s, m->inside)) return false;
        for (const header *h = m->headers; h->name && s->kept[HEADER_VALUE].size; h++)
            if (!s->kept[h->kept].size && is_header(s->kept[HEADER_NAME], h))
                s->kept[h->kept] = s->kept[HEADER_VALUE];
        then = next_item(&s->c, ']');
    }
    return then == DONE;
}

/* An object of the event: read now if its type has use for it, later if we do not know yet. */
static bool read_object(scan *s, const member *m) {
    if (*s->c.at != '{') return false;
    if (!s->typed) s->skipped[m->which] = s->c.at;
    if (!s->type || !s->type->objects[m->which]) return skip_value(&s->c);
    s->c.at++;
    return walk(s, s->type->objects[m->which]);
}

static void know_type(scan *s) {
    s->typed = true;
    for (size_t i = 0; i < TYPES; i++)
        if (is(s->kept[EVENT_TYPE], event_types[i].name, event_types[i].size))
            s->type = event_types + i;
}

static bool read_member(scan *s, const member *m) {
    if (m->list) return read_values(s, m);
    switch ((kind)m->kind) {
    case VALUE:
    case INSIDE:
        return read_value(s, m);
    case KEEP:
        if (!read_text(s, &s->kept[m->which])) return false;
        if (m->which == EVENT_TYPE) know_type(s);
        return true;
    case NUMBER:
        s->numbers_met |= 1u << m->which;
        return read_number(&s->c, &s->numbers[m->which]);
    case OBJECT:
        return read_object(s, m);
    case DNS_NAME:
        return read_dns_name(s);
    case DNS_RECORD_NAME:
        return read_dns_record_name(s);
    case DNS_GROUPED:
        return is_answer(s) && read_value(s, &(member){.kind = INSIDE, .inside = m->inside});
    case HEADERS:
        return read_headers(s, m);
    case DNS_DATA:
        return read_dns_data(s);
    case ASK:
        return false;
    }
    return false;
}

bool walk(scan *s, const member *members) {
    uint32_t met = 0;
    text name;
    step then = first_item(&s->c, '}');
    while (then == MORE) {
        if (!read_name(&s->c, &name)) return false;
        const member *m = members;
        while (m->name && !is(name, m->name, m->size)) m++;
        if (!m->name) {
            if (!skip_value(&s->c)) return false;
        } else {
            uint32_t bit = 1u << (m - members);
            if (met & bit || !read_member(s, m)) return false; /* of two, Python takes the last */
            met |= bit;
        }
        then = next_item(&s->c, '}');
    }
    return then == DONE;
}
