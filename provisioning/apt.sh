# Sourced: say, die, and apt_install for what a Debian machine lacks.

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

apt_install() {
    if [ "$(id -u)" -ne 0 ] || ! command -v apt-get > /dev/null; then
        die "$* missing and not installable as uid $(id -u); try: sudo apt-get install $*"
    fi
    say "installing $* by apt-get (once on this machine) ..."
    apt-get -q update > /dev/null || die "apt-get update failed; check the network"
    DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends "$@" > /dev/null \
        || die "apt-get install $* failed; run it by hand to see why"
}
