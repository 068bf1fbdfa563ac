# Shared by the scripts of this folder; sourced, never run. Sets ROOT and goes there.
# shellcheck shell=bash disable=SC2034

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT" || exit

# What it takes to build and run, and what the tests need beside that: Debian 12 names.
BUILD_PACKAGES=(
    gcc libc6-dev cmake ninja-build pkg-config
    lua5.4 liblua5.4-dev libuv1-dev lua-luv lua-luv-dev lua-cjson lua-cjson-dev
    lua-argparse lua-inspect lua-yaml libedit-dev
)
TEST_PACKAGES=(lua-busted lua-check clang-format procps valgrind libc6-dbg python3)
# The daemons of examples/stack.
STACK_PACKAGES=(nginx postgresql redis-server redis-tools memcached python3 python3-psycopg2)

say() { printf '%s\n' "$*" >&2; }
die() { say "$(basename "$0"): $*"; exit 1; }

# Names those of $@ that dpkg does not have.
missing_packages() {
    local have
    have=$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^ii  *//p') || true
    comm -23 <(printf '%s\n' "$@" | sort -u) <(printf '%s\n' "$have" | sort -u)
}

# Installs the missing ones of $@. Costs one dpkg-query when nothing is missing; no network then.
# RUNLEVEL=1: services that the packages bring stay down.
install_packages() {
    if ! command -v dpkg-query >/dev/null; then
        say "This is not a Debian system, so nothing was installed. Needed, by Debian's names: $*"
        return 0
    fi
    local missing log
    mapfile -t missing < <(missing_packages "$@")
    ((${#missing[@]})) || return 0
    local as_root=()
    if [[ $(id -u) != 0 ]]; then
        command -v sudo >/dev/null || die "missing packages; as root run: apt-get install ${missing[*]}"
        as_root=(sudo)
    fi
    say "installing ${missing[*]}"
    log=$(mktemp)
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get -qq -o DPkg::Lock::Timeout=300)
    if ! { "${apt[@]}" install -y --no-install-recommends "${missing[@]}" ||
        { "${apt[@]}" update && "${apt[@]}" install -y --no-install-recommends "${missing[@]}"; }; } >"$log" 2>&1
    then
        tail -n 30 "$log" >&2
        rm -f "$log"
        die "apt-get could not install ${missing[*]}; see above, then run this again"
    fi
    rm -f "$log"
}

# build_folder PRESET: its folder, relative to ROOT.
build_folder() {
    case $1 in
        release) echo build ;;
        asan | tsan) echo "build-$1" ;;
        *) die "unknown preset '$1'; there are release, asan and tsan" ;;
    esac
}

# build PRESET: configures and builds; shows the tools' output only when they fail or when there are warnings.
build() {
    local preset=$1 folder log failed=0
    folder=$(build_folder "$preset")
    log=$(mktemp)
    cmake --preset "$preset" >"$log" 2>&1 && cmake --build "$folder" >>"$log" 2>&1 || failed=1
    if ((failed)) || grep -q 'warning:' "$log"; then cat "$log" >&2; fi
    rm -f "$log"
    if ((failed)); then
        say "$(basename "$0"): the $preset build failed; the compiler's words are above"
        return 1
    fi
}
