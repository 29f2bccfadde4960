#!/usr/bin/env bash
# Fetch an OpenSearch and an Elasticsearch to test against, as jars from Maven's repository.
#
#   tools/opensearch.sh                 both
#   tools/opensearch.sh opensearch      only OpenSearch (elasticsearch: only Elasticsearch)
#   tools/opensearch.sh --check         print what is there; exit 1 when one is missing
#
# Needs Java (a JDK, 11 or later) and Maven (mvn), which knows by its own settings where its
# repository is. Nothing is installed: what is fetched goes below
# ${VEDETTE_OPENSEARCH:-$HOME/.cache/vedette/opensearch}, about 70 MB, in a few seconds.
# `vedette.testing.search_node` starts what is there, on loopback, with 512 MB of memory.
set -euo pipefail
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
cache=${VEDETTE_OPENSEARCH:-${HOME:?HOME is not set: set VEDETTE_OPENSEARCH}/.cache/vedette/opensearch}
copy=org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies

die() {
  echo "opensearch: $1" >&2
  exit 1
}

# What is in the cache has to be what these two files say.
stamp() { # NAME
  cat "$here/opensearch/$1.xml" "$here/opensearch/$(main_class "$1").java" | sha256sum
}

main_class() { # NAME
  case $1 in
    opensearch) echo OpenSearchNode ;;
    elasticsearch) echo ElasticsearchNode ;;
  esac
}

present() { # NAME
  [ -r "$cache/$1/stamp" ] && [ "$(cat "$cache/$1/stamp")" = "$(stamp "$1")" ]
}

fetch() { # NAME
  local name=$1 new tool
  for tool in java javac mvn; do
    command -v "$tool" >/dev/null || die "$tool is not there: install a JDK (11 or later) and Maven"
  done
  mkdir -p "$cache"
  new=$(mktemp -d "$cache/.$name.XXXXXX")
  trap 'rm -rf "$new"' EXIT
  echo "opensearch: fetching $name" >&2
  cp "$here/opensearch/$name.xml" "$new/pom.xml"
  mvn --batch-mode --quiet --strict-checksums --file "$new/pom.xml" "$copy" \
    -DoutputDirectory="$new/lib" -DincludeScope=runtime </dev/null >"$new/log" 2>&1 || {
    tail -n 15 "$new/log" >&2
    die "Maven could not fetch $name (the lines above are its own)"
  }
  javac -d "$new/classes" -cp "$new/lib/*" "$here/opensearch/$(main_class "$name").java" ||
    die "the main class of $name does not compile"
  stamp "$name" >"$new/stamp"
  chmod 755 "$new"
  rm -rf "${cache:?}/$name"
  mv "$new" "$cache/$name"
  trap - EXIT
}

wanted=(opensearch elasticsearch)
check=
case ${1-} in
  --check) check=1 ;;
  opensearch | elasticsearch) wanted=("$1") ;;
  '') ;;
  *)
    sed -n '2,6p' "$0" | sed 's/^# \{0,1\}//' >&2
    exit 2
    ;;
esac

missing=0
for name in "${wanted[@]}"; do
  if [ -z "$check" ] && ! present "$name"; then fetch "$name"; fi
  if present "$name"; then
    echo "$name: $cache/$name"
  else
    echo "$name: missing (run: tools/opensearch.sh $name)"
    missing=1
  fi
done
exit "$missing"
