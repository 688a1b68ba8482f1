#!/usr/bin/env bash
# Builds MinkowskiEngine 0.5.4 for the CPU into an environment of its own, for `make test-minkowski`
# and for `sparse_backend: minkowski`.
#
# Usage: build_minkowski.sh VENV [PYTHON]. Takes about 6 minutes and 2 GB; a finished VENV is left
# as it is. Needs a C++ compiler, the headers of PYTHON and Debian's libopenblas-dev.
set -euo pipefail

venv=$(realpath -m "${1:?usage: build_minkowski.sh VENV [PYTHON]}")
python=${2:-${PYTHON:-python3}}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
release=MinkowskiEngine-0.5.4
digest=b1879c00d0b0b1d30ba622cce239886a7e3c78ee9da1064cdfe2f64c2ab15f94
constraints=$root/requirements/versions.txt

say() { printf '[minkowski] %s\n' "$*"; }
fail() {
    printf '[minkowski] error: %s\n' "$*" >&2
    exit 1
}

imports() {
    "$venv/bin/python" -c '
import collections, collections.abc
collections.Sequence = collections.abc.Sequence
import MinkowskiEngine' 2>/dev/null
}

if imports; then
    say "$venv is built"
    exit 0
fi
command -v g++ >/dev/null || fail "no C++ compiler: install g++"
"$python" -c 'import sysconfig, pathlib
assert (pathlib.Path(sysconfig.get_paths()["include"]) / "Python.h").is_file()' 2>/dev/null ||
    fail "$python has no headers: install its -dev package"
echo '#include <cblas.h>' | g++ -E -x c++ - >/dev/null 2>&1 ||
    fail "no cblas.h: install libopenblas-dev"

say "Python packages"
"$python" -m venv "$venv"
pip() { "$venv/bin/python" -m pip install --quiet --disable-pip-version-check "$@"; }
pip "$(grep -E '^torch==' "$constraints")" "numpy<2" scipy scikit-learn safetensors numba ninja \
    pytest pytest-timeout pytest-xdist hypothesis wheel
# The setup script of the release imports what later releases of setuptools took away.
pip --no-deps setuptools==59.8.0

source=$(mktemp -d)
trap 'rm -rf "$source"' EXIT
say "sources of $release"
"$venv/bin/python" -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: \
    --no-build-isolation --dest "$source" MinkowskiEngine==0.5.4
echo "$digest  $source/$release.tar.gz" | sha256sum --check --quiet ||
    fail "the sources are not those of $release"
tar -xzf "$source/$release.tar.gz" -C "$source"

say "compile (about 5 minutes)"
cd "$source/$release"
MAX_JOBS=${MAX_JOBS:-2} "$venv/bin/python" setup.py install --cpu_only --blas=openblas \
    >"$venv/minkowski-build.log" 2>&1 ||
    { tail -n 30 "$venv/minkowski-build.log" >&2; fail "see $venv/minkowski-build.log"; }
cd "$root"
imports || fail "it was built, but does not import: see $venv/minkowski-build.log"
say "$venv is ready"
