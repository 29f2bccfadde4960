/* Which members of EVE are read, and what becomes of them: fields.py as the scanner needs it. */
#ifndef VEDETTE_MEMBERS_H
#define VEDETTE_MEMBERS_H

#include "spell.h"

/* Numbers of src/vedette/fields.py; a test compares them. */
enum field {
    DNS_QUERY = 1,
    DNS_RESPONSE_RRNAME = 2,
    DNS_RESPONSE_IP = 3,
    TLS_SNI = 4,
    TLS_CERT_SUBJECT = 5,
    TLS_CERT_ISSUER = 6,
    TLS_CERT_SERIAL = 7,
    TLS_CERT_FINGERPRINT = 8,
    TLS_SUBJECTALTNAME = 9,
    JA3_HASH = 12,
    JA3S_HASH = 13,
    JA4_HASH = 14,
    QUIC_SNI = 15,
    HTTP_HOST = 16,
    HTTP_URL = 17,
    HTTP_USER_AGENT = 18,
    HTTP_METHOD = 19,
    HTTP_REFERER = 20,
    HTTP_SERVER = 21,
    HTTP_COOKIE = 22,
    FILEMD5 = 23,
    FILESHA1 = 24,
    FILESHA256 = 25,
    FILE_NAME = 26,
    FILE_MAGIC = 27,
    SSH_SOFTWARE = 28,
    SSH_HASSH = 29,
    SSH_HASSH_SERVER = 30,
    SMTP_HELO = 31,
    SMTP_MAIL_FROM = 32,
    SMTP_RCPT_TO = 33,
    EMAIL_FROM = 34,
    EMAIL_TO = 35,
    EMAIL_CC = 36,
    EMAIL_SUBJECT = 37,
    EMAIL_X_MAILER = 38,
    EMAIL_MESSAGE_ID = 39,
    EMAIL_ATTACHMENT = 41,
    IP_DST = 42,
    IP_SRC = 43,
    IP_DST_PORT = 44,
    KRB5_CNAME = 45,
    KRB5_SNAME = 46,
    SMB_SHARE = 47,
    SMB_NAMED_PIPE = 48,
    SMB_FILENAME = 49,
    SMB_NTLMSSP_USER = 50,
    SMB_NTLMSSP_DOMAIN = 51,
    SMB_NTLMSSP_HOST = 52,
};

/* Members that are not values by themselves. */
enum kept {
    TIMESTAMP, EVENT_TYPE, SRC_IP, DEST_IP, APP_PROTO, HOSTNAME, PATH, DNS_TYPE, RRTYPE, COMMAND,
    METHOD, HEADER_NAME, HEADER_VALUE,
    SERVER, COOKIE, AUTHORITY, HOST, HEADER_SERVER, HEADER_COOKIE, /* the last four from headers */
    KEPT_TEXTS,
};
enum number { FLOW_ID, SRC_PORT, DEST_PORT, HTTP_PORT, KEPT_NUMBERS };

/* Objects of an event that are read, if the event's type has values in them. */
enum object {
    O_DNS, O_TLS, O_QUIC, O_HTTP, O_FILEINFO, O_FTP_DATA, O_SSH, O_SMTP, O_EMAIL, O_KRB5, O_SMB,
    OBJECTS,
};

typedef enum {
    VALUE,   /* a text, or a list of texts if `list` */
    KEEP,    /* a text needed later */
    NUMBER,  /* a whole number needed later */
    INSIDE,  /* an object, or a list of objects if `list`, with members of its own */
    OBJECT,  /* an object of the event: read if its type has use for it */
    HEADERS,  /* a list of names and values */
    DNS_NAME, /* a name of a question */
    DNS_RECORD_NAME,
    DNS_DATA,    /* what a record says, by its type */
    DNS_GROUPED, /* all of that once more, for an answer */
    ASK,     /* not understood here: the line is handed over */
} kind;

typedef struct header {
    const char *name; /* in lower case */
    uint8_t size, kept;
} header;

typedef struct member {
    const char *name;
    uint8_t size, kind, which, as; /* which: field, kept, number or object */
    bool list;
    const struct member *inside;
    const struct header *headers;
} member;

/* Types of events in which something is remembered. */
enum type { T_DNS, T_TLS, T_QUIC, T_HTTP, T_FILEINFO, T_SSH, T_SMTP, T_FLOW, T_KRB5, T_SMB, TYPES };

typedef struct {
    const char *name;
    uint8_t size;
    const member *objects[OBJECTS]; /* their members; NULL: of no use to it */
} event_type;

extern const member event_members[];
extern const event_type event_types[TYPES];

#endif
