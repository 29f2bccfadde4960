#!/usr/bin/env bash
# Unpack Suricata 7.0 and 8.0 beside the system, for tests and for `make demo`.
#
#   tools/engines.sh            both engines
#   tools/engines.sh 7          only 7.0 (Debian bookworm-backports)
#   tools/engines.sh 8          only 8.0 (Debian sid, or forky)
#   tools/engines.sh --check    print what is there; exit 1 when an engine is missing
#   tools/engines.sh --force 8  unpack again, with the newest package of that series
#
# Nothing is installed: the packages and everything they depend on, down to libc, are resolved
# by apt in a private directory and unpacked below ${VEDETTE_ENGINES:-$HOME/.cache/vedette/engines}.
# No root is needed. The system's packages, sources and apt state are not touched.
#
#   7/bin/suricata           runs the unpacked engine with its own loader and libraries
#   7/bin/suricatasc         the same for the socket client (8.0 only: 7.0's is Python)
#   7/etc/suricata/          suricata.yaml, classification.config, reference.config and
#                            threshold.config, byte for byte as shipped
#   7/version                the engine's version, such as 7.0.10
#   7/root/                  the unpacked packages
#   8/...                    the same
#
# The shipped suricata.yaml names paths of an installed system. These overrides make it run from
# any directory, as any user (E is the engine's directory, D an existing directory of yours):
#
#   E/bin/suricata -c E/etc/suricata/suricata.yaml -l D \
#     --set default-rule-path=D \
#     --set classification-file=E/etc/suricata/classification.config \
#     --set reference-config-file=E/etc/suricata/reference.config \
#     --set threshold-file=E/etc/suricata/threshold.config \
#     --set pid-file=D/suricata.pid \
#     --set unix-command.filename=D/suricata-command.socket \
#     --set detect.sgh-mpm-caching-path=D/sgh \
#     ...
#
# `-l` overrides default-log-dir. The last one is 8.0's, and 7.0 takes it without a word: without
# it 8.0 makes /var/lib/suricata. A datasets' `state` or `save` without a path needs
# `--data-dir D` too. Capturing (`--pcap=lo`) needs root; `-T` and `-r FILE` do not.
# `-S FILE` loads only that rule file; without it, `--set rule-files.0=NAME` replaces the first
# (and only) entry of rule-files, relative to default-rule-path.
#
# Settings, all optional:
#   VEDETTE_ENGINES          where the engines go
#   VEDETTE_DEBIAN_MIRROR    URI of a Debian mirror, for machines whose apt has none
set -euo pipefail
export LC_ALL=C

layout=1 # raise it when the unpacked tree changes: older trees are then made again
engines=${VEDETTE_ENGINES:-${HOME:?HOME is not set: set VEDETTE_ENGINES}/.cache/vedette/engines}
work=
tree=

die() {
  echo "engines: $1" >&2
  shift
  for line in "$@"; do echo "  $line" >&2; done
  exit 1
}

usage() {
  sed -n '2,8p' "$0" | sed 's/^# \{0,1\}//'
  exit "$1"
}

cleanup() {
  [ -z "$work" ] || rm -rf "$work"
  [ -z "$tree" ] || rm -rf "$tree"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

present() { # ENGINE: is a complete tree of this layout there?
  local stamp=$engines/$1/.stamp first=
  [ -x "$engines/$1/bin/suricata" ] && [ -r "$stamp" ] && read -r first <"$stamp" &&
    [ "$first" = "layout $layout" ]
}

check() { # ENGINE...
  local engine missing=0
  for engine in "$@"; do
    if present "$engine"; then
      echo "$engine: $(cat "$engines/$engine/version") at $engines/$engine/bin/suricata"
    else
      echo "$engine: missing (run: tools/engines.sh $engine)"
      missing=1
    fi
  done
  return "$missing"
}

need_tools() {
  local tool missing=()
  for tool in apt-get apt-cache dpkg dpkg-deb; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  [ "${#missing[@]}" -eq 0 ] || die "cannot unpack Suricata: ${missing[*]} not found" \
    "This needs Debian's package tools (Debian, Ubuntu and their kin have them)." \
    "Elsewhere: run Vedette in a Debian container or machine, as root or as an ordinary user."
}

# Print "URI<TAB>SIGNED-BY" for every enabled apt source, from both formats.
list_sources() {
  local etc=${VEDETTE_APT_ETC:-/etc/apt} file
  for file in "$etc"/sources.list "$etc"/sources.list.d/*.list; do
    [ -r "$file" ] || continue
    sed -n 's/#.*//; s/^[[:space:]]*deb[[:space:]]\{1,\}//p' "$file" | awk '{
      key = ""
      if ($0 ~ /^\[/) {
        close_at = index($0, "]"); options = substr($0, 2, close_at - 2)
        $0 = substr($0, close_at + 1)
        count = split(options, option, " ")
        for (i = 1; i <= count; i++)
          if (tolower(option[i]) ~ /^signed-by=/) key = substr(option[i], 11)
      }
      print $1 "\t" key
    }'
  done
  for file in "$etc"/sources.list.d/*.sources; do
    [ -r "$file" ] || continue
    awk '
      function flush(  i, n, uri) {
        if (types ~ /(^| )deb( |$)/ && tolower(enabled) !~ /^(no|false|0|off|disable|without)$/) {
          n = split(uris, uri, " ")
          for (i = 1; i <= n; i++) print uri[i] "\t" key
        }
        types = uris = key = enabled = field = ""
      }
      /^#/ { next }
      /^[[:space:]]*$/ { flush(); next }
      /^[[:space:]]/ { if (field == "uris") uris = uris " " $0; next }
      {
        colon = index($0, ":"); field = tolower(substr($0, 1, colon - 1))
        value = substr($0, colon + 1); gsub(/^[[:space:]]+|[[:space:]]+$/, "", value)
        if (field == "types") types = value
        else if (field == "uris") uris = value
        else if (field == "enabled") enabled = value
        else if (field == "signed-by") key = value
      }
      END { flush() }
    ' "$file"
  done
}

# Set mirror and signed_by: the Debian archive as this machine's own apt knows it.
find_mirror() {
  local uri key info
  mirror=${VEDETTE_DEBIAN_MIRROR:-}
  signed_by=
  if [ -z "$mirror" ]; then
    while IFS=$'\t' read -r uri key; do
      case ${uri%/} in
        *debian-security* | *debian-debug* | *debian-ports*) ;;
        */debian)
          mirror=${uri%/} signed_by=$key
          break
          ;;
      esac
    done < <(list_sources)
  fi
  if [ -z "$mirror" ]; then
    # Ubuntu: its software-properties know where Debian's packages are.
    info=/usr/share/python-apt/templates/Debian.info
    [ ! -r "$info" ] || mirror=$(sed -n 's/^BaseURI:[[:space:]]*//p' "$info" | head -n 1)
    mirror=${mirror%/}
  fi
  [ -n "$mirror" ] || die "apt on this machine knows no Debian mirror" \
    "Suricata 7.0 and 8.0 are taken from Debian. Set VEDETTE_DEBIAN_MIRROR to the URI of a Debian" \
    "mirror (it ends in /debian), and install the package debian-archive-keyring."
  # Keys may also stand inside the source itself, which gives no path: use the keyring package's.
  local candidate
  for candidate in "${signed_by%%,*}" /usr/share/keyrings/debian-archive-keyring.{gpg,pgp}; do
    if [ "${candidate#/}" != "$candidate" ] && [ -r "$candidate" ]; then
      signed_by=$candidate
      return
    fi
  done
  signed_by=
  ls /etc/apt/trusted.gpg.d/debian-archive-* >/dev/null 2>&1 ||
    die "the keys of the Debian archive are not on this machine" \
      "Install them: apt-get install debian-archive-keyring"
}

# Run apt with its own state, sources and cache; only the proxy and login settings are the system's.
private_apt() {
  local tool=$1
  shift
  "$tool" -c "$work/apt.conf" "$@"
}

write_apt_config() { # ENGINE SUITE...
  local engine=$1 suite options
  shift
  rm -rf "$work/apt"
  mkdir -p "$work"/apt/{state/lists/partial,cache/archives/partial,preferences.d}
  : >"$work/apt/status"
  options="target=Packages lang=none"
  [ -z "$signed_by" ] || options="$options signed-by=$signed_by"
  for suite in "$@"; do
    echo "deb [$options] $mirror $suite main"
  done >"$work/apt/sources.list"
  # Another series must not slip in; a backport's parser library is a backport too.
  printf 'Package: %s\nPin: %s\nPin-Priority: %s\n\n' \
    'suricata' "version 1:$engine.0.*" 1001 \
    'libhtp2' 'release n=bookworm-backports' 1001 >"$work/apt/preferences"
  cat >"$work/apt.conf" <<CONF
#clear APT::Architectures;
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Post-Invoke;
APT::Architectures { "$(dpkg --print-architecture)"; };
APT::Install-Recommends "false";
APT::Get::Assume-Yes "true";
APT::Default-Release "";
Acquire::Retries "3";
Acquire::http::Timeout "30";
Acquire::Languages "none";
Dir::State "$work/apt/state";
Dir::State::status "$work/apt/status";
Dir::Cache "$work/apt/cache";
Dir::Etc::sourcelist "$work/apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "$work/apt/preferences";
Dir::Etc::preferencesparts "$work/apt/preferences.d";
CONF
}

update_lists() { # ENGINE SUITE...
  write_apt_config "$@"
  private_apt apt-get -q update --error-on=any >"$work/update.log" 2>&1
}

# A keyring older than the suite's key: take Debian's newer keyring, vouched for by the older key.
renew_keyring() {
  local suite deb
  grep -qE 'NO_PUBKEY|EXPKEYSIG|not signed|verif' "$work/update.log" || return 1
  for suite in bookworm trixie; do
    update_lists 0 "$suite" || return 1
    (cd "$work" && private_apt apt-get -q download debian-archive-keyring >/dev/null 2>&1) || return 1
    for deb in "$work"/debian-archive-keyring_*.deb; do
      dpkg-deb -x "$deb" "$work/keyring"
      rm "$deb"
    done
    for deb in "$work"/keyring/usr/share/keyrings/debian-archive-keyring.{pgp,gpg}; do
      [ ! -r "$deb" ] || signed_by=$deb
    done
  done
}

report_update_failure() {
  sed -n 's/^[WE]: /  apt: /p' "$work/update.log" | head -n 5 >&2
  die "cannot read the Debian package lists from the mirror that apt uses" \
    "Is there a network? Does 'apt-get update' work? Behind a proxy: set it in apt or in http_proxy."
}

write_wrapper() { # TREE PROGRAM
  local tree=$1 program=$2 loader
  [ -x "$tree/root/usr/bin/$program" ] || return 0
  head -c 4 "$tree/root/usr/bin/$program" | grep -q ELF || return 0
  loader=$(cd "$tree/root" && find . -name 'ld-linux*.so.*' | sort | head -n 1)
  [ -n "$loader" ] || die "no program loader among the unpacked packages" "Please report this."
  local libs
  # shellcheck disable=SC2016 # $root is the wrapper's, not this script's
  libs=$(cd "$tree/root" && find . -name 'lib*.so*' ! -path '*/python3*' ! -path '*/gconv/*' ! -path '*/gdb/*' ! -path '*/pmds-*' \
    -printf '%h\n' | sort -u | sed 's#^\.#$root#' | paste -sd:)
  cat >"$tree/bin/$program" <<WRAPPER
#!/bin/sh
# Run the unpacked $program with the loader and the libraries it was built for.
self=\$(readlink -f "\$0")
root=\${self%/bin/*}/root
export MAGIC="\${MAGIC:-\$root/usr/lib/file/magic.mgc}"
exec "\$root/${loader#./}" --library-path "$libs" --argv0 $program "\$root/usr/bin/$program" "\$@"
WRAPPER
  chmod 755 "$tree/bin/$program"
}

unpack() { # ENGINE SUITE...
  local engine=$1 try deb version package
  echo "engines: Suricata $engine.0: resolving" >&2
  update_lists "$@" || { renew_keyring && update_lists "$@"; } || report_update_failure
  package=$(private_apt apt-cache policy suricata | sed -n 's/^  Candidate: //p')
  case $package in
    1:"$engine".0.*) ;;
    *) die "the Debian mirror has no Suricata $engine.0 in ${*:2} (found: ${package:-nothing})" ;;
  esac
  # A mirror that is being renewed may lack what its lists name: read them again before giving up.
  for try in 1 2 3; do
    private_apt apt-get -q --download-only install suricata >"$work/download.log" 2>&1 && break
    if [ "$try" = 3 ]; then
      tail -n 5 "$work/download.log" >&2
      die "cannot download Suricata $package" "Try again later; the lines above are apt's."
    fi
    sleep 5
    update_lists "$@" || report_update_failure
  done
  tree=$(mktemp -d "$engines/.$engine.XXXXXX")
  mkdir -p "$tree/root" "$tree/bin" "$tree/etc"
  chmod 755 "$tree"
  for deb in "$work"/apt/cache/archives/*.deb; do
    dpkg-deb --fsys-tarfile "$deb" |
      tar -x -C "$tree/root" --no-same-owner --keep-directory-symlink \
        --exclude='./usr/share/doc' --exclude='./usr/share/man' --exclude='./usr/share/locale' \
        --exclude='./var/*' --exclude='./dev/*'
    basename "$deb" .deb
  done >"$tree/packages"
  cp -p -r "$tree/root/etc/suricata" "$tree/etc/suricata"
  # Shipped apart from the other three by some versions: an empty one means the same.
  [ -e "$tree/etc/suricata/threshold.config" ] || : >"$tree/etc/suricata/threshold.config"
  write_wrapper "$tree" suricata
  write_wrapper "$tree" suricatasc
  version=$("$tree/bin/suricata" -V | sed -n 's/.*version \([0-9.]*\).*/\1/p') || version=
  [ -n "$version" ] || die "the unpacked Suricata $package does not start (see above)" "Please report this."
  echo "$version" >"$tree/version"
  printf 'layout %s\npackage %s\n' "$layout" "$package" >"$tree/.stamp"
  rm -rf "${engines:?}/$engine"
  mv "$tree" "$engines/$engine"
  tree=
  echo "engines: Suricata $version at $engines/$engine/bin/suricata" >&2
}

main() {
  local force=0 wanted=() engine
  while [ "$#" -gt 0 ]; do
    case $1 in
      7 | 8) wanted+=("$1") ;;
      --force) force=1 ;;
      --check)
        check 7 8
        exit
        ;;
      -h | --help) usage 0 ;;
      *) usage 2 >&2 ;;
    esac
    shift
  done
  [ "${#wanted[@]}" -gt 0 ] || wanted=(7 8)

  local missing=()
  for engine in "${wanted[@]}"; do
    if [ "$force" = 1 ] || ! present "$engine"; then missing+=("$engine"); fi
  done
  if [ "${#missing[@]}" -gt 0 ]; then
    need_tools
    find_mirror
    mkdir -p "$engines" || die "cannot create $engines" "Set VEDETTE_ENGINES to a directory of yours."
    exec 9>"$engines/.lock"
    if command -v flock >/dev/null; then flock 9; fi
    work=$(mktemp -d "${TMPDIR:-/tmp}/vedette-engines.XXXXXX")
    chmod 755 "$work" # apt drops root for downloads and must still get in
    for engine in "${missing[@]}"; do
      # Another run may have made it while this one waited for the lock.
      if [ "$force" = 0 ] && present "$engine"; then continue; fi
      case $engine in
        7) unpack 7 bookworm bookworm-backports ;;
        8) unpack 8 sid forky ;;
      esac
    done
  fi
  check "${wanted[@]}"
}

main "$@"
