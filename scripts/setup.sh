#!/usr/bin/env bash
# Sets up all that om3d needs below the repository: .venv (Python environment), build and install
# (the colcon workspace). Each step ends by writing a stamp that holds a hash of its inputs, so that
# a step runs again only when these changed or when it was killed.
#
# PYTHON names the interpreter; by default the first of python3, python3.13, python3.12, python3.11
# that scripts/check_system.py takes.
set -euo pipefail
cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/.."
root=$PWD
venv=$root/.venv
log=$root/log/setup.log
venv_stamp=$venv/.om3d-stamp
build_stamp=$root/install/.om3d-stamp

say() { printf '[set-up] %s\n' "$*"; }

fail() {
    printf '[set-up] error: %s\n' "$*" >&2
    exit 1
}

# Runs a command with its output in the log; shows the end of it when the command fails.
logged() {
    printf '\n%(%FT%T)T $ %s\n' -1 "$*" >>"$log"
    if ! "$@" >>"$log" 2>&1; then
        tail -n 30 "$log" >&2
        fail "failed: $* (full log: $log)"
    fi
}

# Hash of all arguments (strings) and of the files whose names come on standard input.
key() {
    { printf '%s\n' "$@"; xargs -r -d '\n' sha256sum; } | sha256sum | cut -d ' ' -f 1
}

stamped() { [[ -f $1 && $(<"$1") == "$2" ]]; }

write_stamp() {
    printf '%s\n' "$2" >"$1.new"
    mv "$1.new" "$1"
}

# An activated shell offers the interpreter of this environment, which cannot be built from itself.
leave_environment() {
    PATH=:$PATH:
    PATH=${PATH//:"$venv/bin":/:}
    PATH=${PATH#:}
    PATH=${PATH%:}
}

find_ros() {
    if [[ -n ${ROS_DISTRO:-} ]] && "${PYTHON:-python3}" -c 'import rclpy' 2>/dev/null; then
        printf 'installed'
    else
        printf 'wheels'
    fi
}

# A shell that was activated for, or half sourced, another environment must not leak into this one.
isolate() {
    unset AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH LD_LIBRARY_PATH PYTHONPATH \
        ROS_DISTRO _ROS_WHEELS_BOOTSTRAP_COMPLETE
}

find_python() {
    if [[ -n ${PYTHON:-} || $OM3D_ROS == installed ]]; then
        command -v "${PYTHON:-python3}" || fail "no such interpreter: ${PYTHON:-python3}"
        return
    fi
    local candidate
    for candidate in python3 python3.13 python3.12 python3.11; do
        if "$candidate" scripts/check_system.py >/dev/null 2>&1; then
            command -v "$candidate"
            return
        fi
    done
    command -v python3 || fail "found no python3; name one: make PYTHON=..."
}

ensure_system_packages() {
    local missing
    missing=$("$python" scripts/check_system.py) || exit 1
    [[ -z $missing ]] && return
    missing=$(tr '\n' ' ' <<<"$missing")
    if ! command -v apt-get >/dev/null; then
        fail "this machine lacks what Debian calls: $missing"
    elif [[ $(id -u) -ne 0 ]]; then
        fail "system packages are missing; run: sudo apt-get update && sudo apt-get install -y $missing"
    fi
    say "system packages: $missing"
    logged apt-get update
    # shellcheck disable=SC2086
    logged env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing
    missing=$("$python" scripts/check_system.py) || exit 1
    [[ -z $missing ]] || fail "still missing after apt-get install: $(tr '\n' ' ' <<<"$missing")"
}

# An installed ROS 2 keeps the NumPy that its messages were built against.
write_constraints() {
    local own_numpy=""
    if [[ $OM3D_ROS == installed ]]; then
        own_numpy=$("$python" -c 'import numpy; print(numpy.__version__)' 2>/dev/null || true)
    fi
    if [[ -n $own_numpy ]]; then
        grep -v -i '^numpy==' requirements/versions.txt >"$1"
        echo "numpy==$own_numpy" >>"$1"
    else
        cp requirements/versions.txt "$1"
    fi
}

make_venv() {
    local -a options=() names=(core models sam synth test)
    if [[ $OM3D_ROS == installed ]]; then
        options+=(--system-site-packages)
    else
        names+=(ros-wheels)
    fi
    rm -rf "$venv"
    logged "$python" -m venv "${options[@]}" "$venv"
    write_constraints "$venv/constraints.txt"
    local -a pip=("$venv/bin/python" -m pip --disable-pip-version-check install --no-compile
        --progress-bar off --constraint "$venv/constraints.txt")
    logged "${pip[@]}" pip setuptools wheel
    local -a files=("${names[@]/#/--requirement=requirements/}")
    logged "${pip[@]}" "${files[@]/%/.txt}"
    if [[ $OM3D_ROS == wheels ]]; then
        logged "$venv/bin/python" scripts/repair_ros_wheels.py
    fi
}

export_encoder() {
    logged "$venv/bin/python" -c \
        'from om3d_core.encoders.base import create_encoder; create_encoder("lite")'
}

# The default detector is one more evidence: om3d works without it, and says so.
fetch_detector() {
    local -a pull=("$venv/bin/python" -m om3d_core.cli models pull ssd_mobilenet_v2_coco)
    "${pull[@]}" >>"$log" 2>&1 ||
        say "the default detector could not be fetched: om3d models pull ssd_mobilenet_v2_coco"
}

# A build that was killed may have left half a file that looks new: it starts from nothing.
build_workspace() {
    [[ -f $build_stamp ]] || rm -rf "$root/build" "$root/install"
    rm -f "$build_stamp"
    (
        export PATH=$venv/bin:$PATH VIRTUAL_ENV=$venv MAKEFLAGS=-j$(nproc)
        if [[ $OM3D_ROS == wheels ]]; then
            export AMENT_PREFIX_PATH=$venv CMAKE_PREFIX_PATH=$venv
        fi
        local -a packages=(.)
        local name
        for name in tf2_msgs vision_msgs; do
            "$venv/bin/python" -c "import $name" 2>/dev/null || packages+=("interfaces/$name")
        done
        logged colcon --log-base "$root/log" build --paths "${packages[@]}" --symlink-install \
            --event-handlers console_direct+ \
            --cmake-args -DBUILD_TESTING=OFF "-DPython3_EXECUTABLE=$venv/bin/python"
    )
}

mkdir -p log
: >"$log"
exec 9>.setup.lock
flock 9
started=$SECONDS

leave_environment
OM3D_ROS=$(find_ros)
export OM3D_ROS
distro=${ROS_DISTRO:-}
[[ $OM3D_ROS == wheels ]] && isolate
python=$(find_python)
ensure_system_packages

venv_key=$(ls requirements/*.txt scripts/repair_ros_wheels.py |
    key "$root" "$OM3D_ROS" "$distro" "$python" "$("$python" -VV)")
if ! stamped "$venv_stamp" "$venv_key" || ! "$venv/bin/python" -c '' 2>/dev/null; then
    say "Python environment in .venv, ROS 2 from ${OM3D_ROS/installed/$distro} (some minutes) ..."
    make_venv
    say "default encoder, exported once into the cache folder ..."
    export_encoder
    say "default detector, fetched once into the cache folder ..."
    fetch_detector
    write_stamp "$venv_stamp" "$venv_key"
    rm -rf "$root/build" "$root/install"
fi

# Python files, launch files and configuration are linked: their names count, not their contents.
linked=$(find om3d_core om3d_ros launch config -type f -not -path '*cache*' | LC_ALL=C sort)
build_key=$(ls msg/* srv/* action/* interfaces/*/*.* interfaces/*/msg/* CMakeLists.txt package.xml om3d_ros/setup.cfg |
    key "$venv_key" "$linked")
if ! stamped "$build_stamp" "$build_key"; then
    say "interfaces and nodes with colcon (about a minute) ..."
    build_workspace
    write_stamp "$build_stamp" "$build_key"
fi
(( SECONDS - started > 5 )) && say "done in $((SECONDS - started)) s; log: log/setup.log"
exit 0
