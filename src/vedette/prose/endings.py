"""What the last part of a dotted word says: a name of a host, of a file, or perhaps of both.

There is no list of top-level domains that stays right; this one only decides about words of prose
that nobody defanged and that do not stand alone.
"""

from __future__ import annotations

_FILE_ONLY = """
7z apk asp aspx avi bak bat bin bmp cfg chm class cmd conf cpl cpp crt csv dat db deb dex dll dmg
doc docm docx dot dotm dotx drv dylib elf eml exe gif gz hlp hta htm html ico img inf ini ipa iso
jar jpeg jpg js jse json jsp key ko lnk log lst lua mkv mp3 mp4 msg msi msp ocx ole p12 pcap
pcapng pdb pdf pem pfx php png pot potx ppt pptm pptx ps1 psd psm1 pst pyc pyd rar reg rpm rtf
rules scr sql sqlite svg swf sys tar tgz tmp tsv txt url vb vbe vbs vhd vhdx war wasm wav webp wsf
wsh xls xlsb xlsm xlsx xml xz yaml yar yara yml
"""
_BOTH = "ai app cab cc md mov one pl ps pub py rs sh so zip"
_COMMON = """
academy accountant adult aero agency app arpa art asia associates auction auto autos baby band
bank bar bargains bayern bazar beauty beer berlin best bet bid bike bingo bio bit biz black blog
blue boats bond boo boston bot boutique broker build builders business buzz cab cafe cam camera
camp capital car cards care careers cars casa cash casino cat center ceo cfd charity chat cheap
christmas church city claims cleaning click clinic clothing cloud club coach codes coffee college
com community company computer consulting contact cool coop country coupons courses credit cricket
cyou dance date dating day deals degree delivery dental design dev diet digital direct directory
discount dog domains download earth eco edu education email energy engineer engineering
enterprises estate eus events exchange expert exposed express fail faith family fan fans farm
fashion film finance financial fish fit fitness flights florist flowers foo football forsale forum
foundation fun fund fyi gallery game games garden gay gdn gift gifts gives glass global gmbh gold
golf gov graphics gratis green group guide guitars guru hair health healthcare help hiphop
holdings holiday homes horse hospital host hosting house how icu immo inc industries info ing ink
institute insure int international investments jewelry jobs kim kitchen land lat law lawyer lease
legal lgbt life lighting limited limo link live llc loan loans local lol london love ltd ltda luxe
luxury maison makeup management market marketing mba med media meme men menu miami mil mobi moda
moe moi mom monster mortgage moscow motorcycles movie museum name navy net network new news ngo
ninja now nyc observer one ong onion online ooo org organic page paris partners parts party
pet photo photography photos pics pictures pink pizza place plumbing plus poker porn press pro
productions promo properties property protection pub qpon quest racing radio realty recipes red
rehab rent rentals repair report rest restaurant review reviews rich rip rocks rodeo rsvp ruhr run
sale salon sarl sbs school schule science security select services sex sexy shoes shop shopping
show singles site ski skin soccer social software solar solutions soy space sport spot srl store
stream studio study style sucks supplies supply support surf surgery systems tattoo tax taxi team
tech technology tel tennis theater theatre tickets tips tires tirol today tokyo tools top tours
town toys trade trading training travel tube university uno vacations vegas ventures vet viajes
video villas vin vip vision vodka vote voting voto voyage wales wang watch webcam website wed
wedding wien wiki win wine work works world wtf xin xxx xyz yachts yoga zip zone
"""

FILE_ONLY = frozenset(_FILE_ONLY.split())
"""Endings of files that no host has."""

BOTH = frozenset(_BOTH.split())
"""Endings of files that are top-level domains too."""

COMMON = frozenset(_COMMON.split())
"""Top-level domains of more than two letters that malicious names and reports use."""

COUNTRY_LENGTH = 2


def is_common(name: str) -> bool:
    """Whether a dotted word of prose ends as names of hosts do: a country, or a common ending."""
    ending = name.rpartition(".")[2]
    return len(ending) == COUNTRY_LENGTH or ending in COMMON or ending.startswith("xn--")
