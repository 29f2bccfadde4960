#include "members.h"

#define NAMED(n) .name = n, .size = sizeof n - 1
#define V(n, f, s) {NAMED(n), .kind = VALUE, .which = f, .as = s}
#define VS(n, f, s) {NAMED(n), .kind = VALUE, .which = f, .as = s, .list = true}
#define K(n, k) {NAMED(n), .kind = KEEP, .which = k}
#define NUM(n, k) {NAMED(n), .kind = NUMBER, .which = k}
#define IN(n, m) {NAMED(n), .kind = INSIDE, .inside = m}
#define INS(n, m) {NAMED(n), .kind = INSIDE, .inside = m, .list = true}
#define P(n, p) {NAMED(n), .kind = OBJECT, .which = p}
#define OTHER(n, k) {NAMED(n), .kind = k}
#define END {0}

const member event_members[] = {
    K("timestamp", TIMESTAMP), NUM("flow_id", FLOW_ID), K("event_type", EVENT_TYPE),
    K("src_ip", SRC_IP), NUM("src_port", SRC_PORT), K("dest_ip", DEST_IP),
    NUM("dest_port", DEST_PORT), K("app_proto", APP_PROTO), P("dns", O_DNS), P("tls", O_TLS),
    P("quic", O_QUIC), P("http", O_HTTP), P("fileinfo", O_FILEINFO), P("ftp_data", O_FTP_DATA),
    P("ssh", O_SSH), P("smtp", O_SMTP), P("email", O_EMAIL), P("krb5", O_KRB5), P("smb", O_SMB),
    END,
};

static const member dns_query[] = {OTHER("rrname", DNS_NAME), END};
static const member dns_record[] = {
    OTHER("rrname", DNS_RECORD_NAME), K("rrtype", RRTYPE), OTHER("rdata", DNS_DATA), END,
};
static const member dns_grouped[] = {
    VS("A", DNS_RESPONSE_IP, AS_ADDRESS), VS("AAAA", DNS_RESPONSE_IP, AS_ADDRESS),
    VS("CNAME", DNS_RESPONSE_RRNAME, AS_NAME), VS("DNAME", DNS_RESPONSE_RRNAME, AS_NAME),
    VS("NS", DNS_RESPONSE_RRNAME, AS_NAME), VS("MX", DNS_RESPONSE_RRNAME, AS_NAME),
    VS("PTR", DNS_RESPONSE_RRNAME, AS_NAME), END,
};
static const member dns[] = {
    K("type", DNS_TYPE), OTHER("rrname", DNS_NAME), K("rrtype", RRTYPE), OTHER("rdata", DNS_DATA),
    INS("queries", dns_query), INS("answers", dns_record),
    INS("authorities", dns_record), INS("additionals", dns_record),
    {NAMED("grouped"), .kind = DNS_GROUPED, .inside = dns_grouped}, END,
};

static const member ja3[] = {V("hash", JA3_HASH, AS_HASH), END};
static const member ja3s[] = {V("hash", JA3S_HASH, AS_HASH), END};
static const member tls[] = {
    V("subject", TLS_CERT_SUBJECT, AS_TEXT), V("issuerdn", TLS_CERT_ISSUER, AS_TEXT),
    V("serial", TLS_CERT_SERIAL, AS_TEXT), V("fingerprint", TLS_CERT_FINGERPRINT, AS_HASH),
    V("sni", TLS_SNI, AS_NAME), VS("subjectaltname", TLS_SUBJECTALTNAME, AS_NAME),
    IN("ja3", ja3), IN("ja3s", ja3s), V("ja4", JA4_HASH, AS_TEXT),
    OTHER("certificate", ASK), OTHER("chain", ASK), END,
};
static const member quic[] = {
    V("sni", QUIC_SNI, AS_NAME), IN("ja3", ja3), IN("ja3s", ja3s), V("ja4", JA4_HASH, AS_TEXT), END,
};
static const member http_header[] = {K("name", HEADER_NAME), K("value", HEADER_VALUE), END};
static const header of_request[] = {
    {NAMED(":authority"), .kept = AUTHORITY}, {NAMED("host"), .kept = HOST},
    {NAMED("cookie"), .kept = HEADER_COOKIE}, END,
};
static const header of_response[] = {{NAMED("server"), .kept = HEADER_SERVER}, END};
static const member http[] = {
    K("hostname", HOSTNAME), NUM("http_port", HTTP_PORT), K("url", PATH),
    V("http_user_agent", HTTP_USER_AGENT, AS_TEXT), K("http_method", METHOD),
    V("http_refer", HTTP_REFERER, AS_TEXT), K("server", SERVER), K("cookie", COOKIE),
    {NAMED("request_headers"), .kind = HEADERS, .inside = http_header, .headers = of_request},
    {NAMED("response_headers"), .kind = HEADERS, .inside = http_header, .headers = of_response},
    END,
};
static const member fileinfo[] = {
    V("filename", FILE_NAME, AS_FILENAME), V("magic", FILE_MAGIC, AS_TEXT),
    V("md5", FILEMD5, AS_HASH), V("sha1", FILESHA1, AS_HASH), V("sha256", FILESHA256, AS_HASH), END,
};
static const member http_of_file[] = {NUM("http_port", HTTP_PORT), END};
static const member ftp_of_file[] = {K("command", COMMAND), END};
static const member hassh[] = {V("hash", SSH_HASSH, AS_HASH), END};
static const member hassh_server[] = {V("hash", SSH_HASSH_SERVER, AS_HASH), END};
static const member ssh_client[] = {
    V("software_version", SSH_SOFTWARE, AS_TEXT), IN("hassh", hassh), END,
};
static const member ssh_server[] = {
    V("software_version", SSH_SOFTWARE, AS_TEXT), IN("hassh", hassh_server), END,
};
static const member ssh[] = {IN("client", ssh_client), IN("server", ssh_server), END};
static const member smtp[] = {
    V("helo", SMTP_HELO, AS_NAME), V("mail_from", SMTP_MAIL_FROM, AS_MAIL),
    VS("rcpt_to", SMTP_RCPT_TO, AS_MAIL), END,
};
static const member email[] = {
    V("from", EMAIL_FROM, AS_MAIL), VS("to", EMAIL_TO, AS_MAIL), VS("cc", EMAIL_CC, AS_MAIL),
    V("subject", EMAIL_SUBJECT, AS_TEXT), V("x_mailer", EMAIL_X_MAILER, AS_TEXT),
    V("message_id", EMAIL_MESSAGE_ID, AS_TEXT), OTHER("url", ASK),
    VS("attachment", EMAIL_ATTACHMENT, AS_FILENAME), END,
};
static const member krb5[] = {
    V("cname", KRB5_CNAME, AS_PRINCIPAL), V("sname", KRB5_SNAME, AS_PRINCIPAL), END,
};
static const member ntlmssp[] = {
    V("user", SMB_NTLMSSP_USER, AS_TEXT), V("domain", SMB_NTLMSSP_DOMAIN, AS_TEXT),
    V("host", SMB_NTLMSSP_HOST, AS_TEXT), END,
};
static const member smb[] = {
    V("share", SMB_SHARE, AS_TEXT), V("named_pipe", SMB_NAMED_PIPE, AS_TEXT),
    V("filename", SMB_FILENAME, AS_FILE_OF_SHARE), IN("ntlmssp", ntlmssp), END,
};

#define NAME(n) .name = n, .size = sizeof n - 1
const event_type event_types[TYPES] = {
    [T_DNS] = {NAME("dns"), .objects = {[O_DNS] = dns}},
    [T_TLS] = {NAME("tls"), .objects = {[O_TLS] = tls}},
    [T_QUIC] = {NAME("quic"), .objects = {[O_QUIC] = quic}},
    [T_HTTP] = {NAME("http"), .objects = {[O_HTTP] = http}},
    [T_FILEINFO] = {NAME("fileinfo"),
                    .objects = {[O_FILEINFO] = fileinfo, [O_HTTP] = http_of_file,
                                [O_FTP_DATA] = ftp_of_file}},
    [T_SSH] = {NAME("ssh"), .objects = {[O_SSH] = ssh}},
    [T_SMTP] = {NAME("smtp"), .objects = {[O_SMTP] = smtp, [O_EMAIL] = email}},
    [T_FLOW] = {NAME("flow"), .objects = {0}},
    [T_KRB5] = {NAME("krb5"), .objects = {[O_KRB5] = krb5}},
    [T_SMB] = {NAME("smb"), .objects = {[O_SMB] = smb}},
};
