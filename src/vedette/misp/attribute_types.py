"""The types that an attribute of MISP can have: a filter that names another one is mistyped."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from vedette.buffers import UNMATCHABLE, misp_types

_OTHERS = """
aba-rtn; anonymised; authentihash; azure-application-id; bank-account-nr; bic; bin; boolean;
bro; btc; campaign-id; campaign-name; cc-number; cdhash; chrome-extension-id; community-id;
cortex; counter; country-of-residence; cpe; dash; date-of-birth; datetime; dkim; dkim-signature;
dns-soa-email; dom-hash; edge-extension-id; email-dst-display-name; email-header;
email-mime-boundary; email-reply-to; email-src-display-name; email-thread-index; eppn;
favicon-mmh3; filename-pattern; filename|authentihash; filename|impfuzzy; filename|pehash;
filename|sha224; filename|sha3-224; filename|sha3-256; filename|sha3-384; filename|sha3-512;
filename|sha384; filename|sha512/224; filename|sha512/256; filename|tlsh; filename|vhash;
first-name; float; frequent-flyer-number; full-name; gender; gene; git-commit-id;
github-organisation; github-repository; github-username; hex; iban; identity-card-number;
impfuzzy; integer; issue-date-of-the-visa; jabber-id; kusto-query; last-name; mac-eui-64;
malware-type; middle-name; mime-type; mobile-application-id; named pipe; nationality;
onion-address; passenger-name-record-locator-number; passport-country; passport-expiration;
passport-number; payment-details; pdb; pehash; pgp-private-key; pgp-public-key; phone-number;
place-of-birth; place-port-of-clearance; place-port-of-onward-foreign-destination;
place-port-of-original-embarkation; port; primary-residence; process-state; prtn;
redress-number; sha3-224; sha3-256; sha3-384; sha3-512; sha512/224; sha512/256; size-in-bytes;
special-service-request; ssh-fingerprint; stix2-pattern; suricata; target-email;
target-external; target-location; target-machine; target-org; target-user; telfhash;
threat-actor; tlsh; travel-details; twitter-id; uuid; vhash; visa-number; vulnerability;
weakness; whois-creation-date; whois-registrant-email; whois-registrant-name;
whois-registrant-org; whois-registrant-phone; whois-registrar; windows-scheduled-task;
windows-service-displayname; windows-service-name; xmr; zeek
"""
"""What is neither matched by an engine nor ever looked for on a network, as of MISP 2.5."""

ATTRIBUTE_TYPES = frozenset(
    {*misp_types(), *UNMATCHABLE, *(" ".join(name.split()) for name in _OTHERS.split(";"))}
)


def check_types(names: Iterable[str]) -> None:
    """Refuse a type that MISP does not have.

    Raises:
        ValueError: There is no such type; the text names a similar one.
    """
    for name in names:
        if name in ATTRIBUTE_TYPES:
            continue
        close = difflib.get_close_matches(name.lower(), ATTRIBUTE_TYPES, n=1)
        meant = f"did you mean '{close[0]}'?" if close else "they are called as in MISP: ip-dst"
        raise ValueError(f"MISP has no attribute type '{name[:64]}'; {meant}")
