#include "ends.h"

#define PORTS_MAX 5

typedef struct {
    uint64_t ports[PORTS_MAX]; /* 0: none */
} served;

static const struct {
    const char *app_proto;
    served ports;
} files[] = {
    {"http", {{80, 8080, 8000, 3128}}},
    {"http2", {{80, 443, 8080}}},
    {"doh2", {{443}}},
    {"smb", {{139, 445}}},
    {"smtp", {{25, 465, 587, 2525}}},
    {"ftp-data", {{20}}},
    {"nfs", {{2049}}},
};
static const served dns = {{53}}, kerberos = {{88}}, quic = {{443}};

typedef enum { NO, YES, UNKNOWN } answer;

static bool has(const served *ports, uint64_t port) {
    for (size_t i = 0; i < PORTS_MAX; i++)
        if (ports->ports[i] && ports->ports[i] == port) return true;
    return false;
}

/* Whether the source port is the server's. */
static answer by_ports(const scan *s, const served *one, const served *other) {
    static const uint64_t limits[] = {1024, 32768};
    uint64_t src = s->numbers[SRC_PORT], dest = s->numbers[DEST_PORT];
    if (!src || !dest) return UNKNOWN;
    if (has(one, src) != has(one, dest)) return has(one, src) ? YES : NO;
    if (has(other, src) != has(other, dest)) return has(other, src) ? YES : NO;
    for (size_t i = 0; i < 2; i++)
        if ((src < limits[i]) != (dest < limits[i])) return src < limits[i] ? YES : NO;
    return UNKNOWN;
}

static bool at_home(const vf_fold *fold, const address *a) {
    for (size_t i = 0; i < fold->home_count; i++) {
        const network *n = fold->home + i;
        unsigned bytes = n->bits / 8, rest = n->bits % 8;
        if (a->v4 != n->v4 || memcmp(a->bytes, n->address, bytes) != 0) continue;
        if (!rest || (a->bytes[bytes] ^ n->address[bytes]) >> (8 - rest) == 0) return true;
    }
    return false;
}

/* Whether a file went from server to client: its source is who sent it. */
static bool sent_by_server(const scan *s, const address *src, const address *dest) {
    text command = s->kept[COMMAND], app_proto = s->kept[APP_PROTO];
    if (IS(command, "RETR")) return true;
    if (IS(command, "STOR") || IS(command, "STOU") || IS(command, "APPE")) return false;
    static const served none = {{0}};
    const served *usual = &none;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (is(app_proto, files[i].app_proto, strlen(files[i].app_proto))) usual = &files[i].ports;
    served named = {{s->numbers[HTTP_PORT]}};
    answer said = by_ports(s, usual, &named);
    if (said != UNKNOWN) return said == YES;
    return at_home(s->fold, dest) || !at_home(s->fold, src);
}

static bool dns_turned(const scan *s) {
    text type = s->kept[DNS_TYPE];
    if (!IS(type, "response") && !IS(type, "answer")) return false;
    answer said = by_ports(s, &dns, &dns);
    return said == UNKNOWN ? IS(type, "response") : said == YES;
}

bool is_turned(const scan *s, const address *src, const address *dest) {
    switch ((enum type)(s->type - event_types)) {
    case T_FILEINFO: return sent_by_server(s, src, dest);
    case T_DNS: return dns_turned(s);
    case T_KRB5: return by_ports(s, &kerberos, &kerberos) == YES;
    case T_QUIC: return by_ports(s, &quic, &quic) == YES;
    default: return false;
    }
}
