#!/usr/bin/env bash
# Make .venv with the product and its tools in it, from a clone and nothing else.
# Done when the stamp is newer than what says which packages there are. On Debian as root, what
# the system lacks is installed by apt-get; elsewhere it is named.
set -euo pipefail
cd "$(dirname "$0")/.."

stamp=.venv/.complete

. provisioning/apt.sh

# A program called python3.12 may be a shim for a version that isn't there, so each is asked.
find_python() {
    local name
    for name in python3 python3.11 python3.12 python3.13 python3.14; do
        if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
            command -v "$name"
            return
        fi
    done
    return 1
}

is_current() {
    [ -x .venv/bin/python ] && [ -e "$stamp" ] \
        && [ "$stamp" -nt pyproject.toml ] && [ "$stamp" -nt constraints.txt ]
}

if is_current; then
    exit 0
fi

python=$(find_python) || { apt_install python3 python3-venv; python=$(find_python); } \
    || die "no Python 3.11 or newer found; Debian 12 has one as python3"
if ! "$python" -c 'import ensurepip, venv' 2> /dev/null; then
    apt_install python3-venv
    "$python" -c 'import ensurepip, venv' || die "$python can't make virtual environments"
fi

# A virtual environment whose Python is gone, or a folder without one, is made anew.
if ! .venv/bin/python -c 'import pip' 2> /dev/null; then
    say "making .venv with $("$python" --version) ..."
    "$python" -m venv --clear .venv
fi
say "installing Python packages into .venv (once; a minute or so) ..."
.venv/bin/python -m pip install --quiet --disable-pip-version-check --progress-bar off \
    -c constraints.txt -e '.[edge,server,export,dev]'
touch "$stamp"
say "setup complete"
