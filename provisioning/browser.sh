#!/usr/bin/env bash
# Debian's chromium, for the tests that look at pages and for screenshots.
set -euo pipefail
cd "$(dirname "$0")/.."

. provisioning/apt.sh

command -v chromium > /dev/null || apt_install chromium
