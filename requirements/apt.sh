#!/bin/sh
# Installs Debian packages for the tests, where there is apt-get and we may use it. Fails never: a test whose
# program is missing says that it could not run.
set -u
log=target/apt.log
mkdir -p target

if ! command -v apt-get >/dev/null; then
    echo "· no apt-get here: install $* yourself, or the tests that need it do not run"
    exit 0
fi
as_root=
if [ "$(id -u)" != 0 ]; then
    as_root="sudo -n"
    if ! $as_root true 2>/dev/null; then
        echo "· no right to install $*: run 'sudo apt-get install $*', or the tests that need it do not run"
        exit 0
    fi
fi
echo "· installing $* by apt-get"
# RUNLEVEL: what brings a service (invoke-rc.d) does not start it.
install='apt-get update -qq && apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=60 "$@"'
if ! $as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 sh -c "$install" install "$@" >"$log" 2>&1; then
    tail -n 5 "$log"
    echo "· $* could not be installed: the tests that need it do not run"
fi
exit 0
