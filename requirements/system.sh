#!/bin/sh
# Installs the missing programs of requirements/system.txt. Without apt-get or root, it only reports that.
set -eu
PATH="$PATH:/usr/local/sbin:/usr/sbin"
missing=""
while read -r package program _; do
    case "$package" in "" | "#"*) continue ;; esac
    case "$program" in "" | "#"*) program=$package ;; esac
    command -v "$program" >/dev/null 2>&1 || missing="$missing $package"
done <"$(dirname "$0")/system.txt"
[ -n "$missing" ] || exit 0
if ! command -v apt-get >/dev/null 2>&1; then
    echo "· missing, and there is no apt-get to install them with:$missing" >&2
    exit 0
fi
if [ "$(id -u)" -ne 0 ]; then
    echo "· missing, and only root can install them (sudo make system):$missing" >&2
    exit 0
fi
echo "· installing$missing"
export DEBIAN_FRONTEND=noninteractive
# $missing is split into words on purpose: package names have no spaces.
# shellcheck disable=SC2086
{ apt-get update -qq && apt-get install -y -qq --no-install-recommends $missing >/dev/null; } ||
    echo "· apt-get could not install$missing" >&2
