#!/bin/sh
# `make sanitize` runs the tests that touch memory most, with AddressSanitizer in the Rust code. The toolchain's own
# runtime is static and meant for Rust programs. Python needs it loaded before everything else, so it is linked into a
# library here. The runtime of another compiler would not do, because it must fit the LLVM of rustc. RUSTC_BOOTSTRAP lets a
# stable rustc take `-Zsanitizer`.
set -eu
cd "$(dirname "$0")/.."
: "${PYTHON:=.venv/bin/python}" "${MATURIN:=.venv/bin/maturin}"
out=$PWD/target/sanitize
missing() {
    echo "make sanitize cannot run: $1" >&2
    exit 1
}

[ "$(uname -s)" = Linux ] || missing "it knows how to preload the runtime on Linux alone"
host=$(rustc -vV | sed -n 's/^host: //p')
libraries=$(rustc --print sysroot)/lib/rustlib/$host/lib
runtime=$(find "$libraries" -name 'librustc*_rt.asan.a' | head -n 1)
[ -n "$runtime" ] || missing "no librustc*_rt.asan.a in $libraries: this Rust comes without sanitizers, rustup's has them"
for tool in cc ar; do
    command -v $tool >/dev/null || missing "there is no $tool, which makes a library of the runtime (Debian: gcc, binutils)"
done

mkdir -p "$out"
rm -rf "$out/site" "$out/wheels" "$out"/report.*
echo "· the runtime as a library"
cp "$runtime" "$out/runtime.a"
# Code that starts before main() of a program cannot be in a library; a preloaded library starts early enough.
ar d "$out/runtime.a" $(ar t "$out/runtime.a" | grep preinit)
# The name is not libasan.so: the static runtime would take that for a second one, and refuse to start.
cc -shared -o "$out/preloaded.so" -Wl,--whole-archive "$out/runtime.a" -Wl,--no-whole-archive -lpthread -ldl -lm -lrt

# Frame pointers give whole stacks in a report. rustix goes through libc, so that buffers which the kernel fills are checked
# too. `--target` keeps build scripts and macros free of the sanitizer.
export CARGO_TARGET_DIR="$out/build" RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=address -Cforce-frame-pointers=yes --cfg=rustix_use_libc"
echo "· the Rust tests"
ASAN_OPTIONS=allow_addr2line=1 cargo test --quiet --locked --profile fuzz --no-default-features --features engine --lib --target "$host"

echo "· building the core"
"$MATURIN" build --quiet --locked --profile fuzz --strip false --auditwheel skip --target "$host" -i "$PYTHON" -o "$out/wheels"
"$PYTHON" -m pip install --quiet --disable-pip-version-check --no-index --no-deps --target "$out/site" "$out"/wheels/*.whl
# This goes before the packages of the environment.
export PYTHONPATH="$out/site"
# pytest captures stderr and a report ends the process, so reports go to a file.
export ASAN_OPTIONS="allow_addr2line=1:detect_leaks=0:log_path=$out/report"
# Python's own allocator hands out parts of large pieces, within which a fault would not be seen.
export PYTHONMALLOC=malloc

sanitized() { LD_PRELOAD="$out/preloaded.so" "$PYTHON" "$@"; }
reports() { find "$out" -maxdepth 1 -name 'report.*'; }

# A run that cannot fail proves nothing.
sanitized -c "import wsrs._core as core; assert core.__file__.startswith('$out'), core.__file__"
! "$PYTHON" -c 'import wsrs._core' 2>/dev/null || missing "the core was built without AddressSanitizer"
! sanitized -c 'import ctypes; p = ctypes.create_string_buffer(64); ctypes.memset(p, 0, 1 << 12)' 2>/dev/null ||
    missing "the runtime does not see a write beyond the end of memory"
[ -n "$(reports)" ] || missing "the runtime writes no reports to $out"
rm -f "$out"/report.*

echo "· the Python tests on the core"
status=0
# shellcheck disable=SC2086
sanitized -m pytest -q -p no:cacheprovider -m "not slow and not measures" ${TESTS:-tests/core tests/threats tests/websocket/test_long_messages.py tests/websocket/test_long_threads.py tests/stateful \
    tests/differential} || status=$?
# The process that failed may be one that a test has started.
for report in $(reports); do
    cat "$report" >&2
    status=1
done
exit $status
