#!/usr/bin/env bash
# Makes .venv in the checkout: this package, editable, with everything of constraints.txt. Does nothing when .venv was
# made from the files as they are now. With uv on PATH it takes uv, else python -m venv and pip.
#
#   PYTHON   the interpreter to use; default: the first of python3.13 ... python3 that is 3.10 or newer
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.venv
stamp=$venv/made-from
log=.setup.log

fail() {
    printf 'setup: %s\n' "$1" >&2
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Being on PATH says nothing: a version manager's shim may stand for a Python that is not there. So it is run.
is_new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 10))' >/dev/null 2>&1; }
can_make_venv() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

# What .venv depends on. The folder is part of it: the scripts of a virtual environment hold its path.
fingerprint() { { pwd && cat pyproject.toml setup.py constraints.txt scripts/setup.sh; } | cksum; }

identity() { "$1" -c 'import sys; print(sys.version_info[:3], sys.base_prefix)'; }

is_up_to_date() {
    [[ -f $stamp && "$(<"$stamp")" == "$(fingerprint)" ]] || return 1
    "$venv/bin/python" -c '' 2>/dev/null || return 1
    [[ -z "${PYTHON:-}" || "$(identity "$PYTHON" 2>/dev/null)" == "$(identity "$venv/bin/python")" ]]
}

# Prints the interpreter to use, or nothing when there is none and uv may bring one.
choose_python() {
    local candidate without_venv=""
    if [[ -n "${PYTHON:-}" ]]; then
        is_new_enough "$PYTHON" || fail "PYTHON=$PYTHON does not run, or is older than Python 3.10."
        have uv || can_make_venv "$PYTHON" || fail "$(no_venv "$PYTHON")"
        echo "$PYTHON"
        return
    fi
    for candidate in python3.13 python3.12 python3.11 python3.10 python3; do
        is_new_enough "$candidate" || continue
        if have uv || can_make_venv "$candidate"; then
            echo "$candidate"
            return
        fi
        without_venv=$candidate
    done
    have uv && return
    [[ -z $without_venv ]] || fail "$(no_venv "$without_venv")"
    fail "no Python 3.10 or newer on PATH; install one (or uv), or name it: make PYTHON=/path/to/python3"
}

no_venv() { echo "$1 lacks the modules venv and ensurepip; on Debian and Ubuntu: apt-get install python3-venv"; }

# Runs an installer: all of its output goes to the log, its main steps to the terminal as they come.
run_logged() {
    if ! "$@" 2>&1 </dev/null | tee -a "$log" | show_steps; then
        cat "$log" >&2
        fail "could not be done: $*"
    fi
}

show_steps() {
    awk '
        /^Collecting / && ++collected % 25 == 0 { say("  " collected " packages found") }
        /^Installing collected packages/ && collected > 25 { say("  installing " collected " packages") }
        /^(Resolved|Downloading .*[0-9][MG]iB|Prepared|Installed|Bytecode compiled) / { say("  " $0) }
        function say(text) { print text; fflush() }
    '
}

with_uv() {
    export UV_COMPILE_BYTECODE=1
    run_logged uv venv --python "${1:->=3.10,<3.14}" "$venv"
    run_logged uv pip install --python "$venv/bin/python" --constraint constraints.txt pip setuptools
    run_logged uv pip install --python "$venv/bin/python" --constraint constraints.txt --no-build-isolation \
        --editable '.[dev]'
}

with_pip() {
    run_logged "$1" -m venv "$venv"
    # First pip and setuptools of the known versions, which then build and install the rest.
    run_logged "$venv/bin/python" -m pip install --constraint constraints.txt pip setuptools
    run_logged "$venv/bin/python" -m pip install --constraint constraints.txt --no-build-isolation --editable '.[dev]'
}

main() {
    is_up_to_date && return
    local python
    python=$(choose_python)
    rm -rf "$venv" "$log"
    if have uv; then
        echo "Setting up $venv with uv and ${python:-a Python of its own} (once, about half a minute) ..."
        with_uv "$python"
    else
        echo "Setting up $venv with $("$python" -V) and pip (once, one to two minutes) ..."
        with_pip "$python"
    fi
    fingerprint >"$stamp"
    rm -f "$log"
    echo "Set up in $SECONDS s."
}

main
