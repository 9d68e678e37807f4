#!/usr/bin/env bash
# Runs every test. Tests that talk to the simulated AWS with clients of others (the aws CLI, boto3,
# s5cmd) and with moto need those: they are installed into target/clients, and what cannot be had is
# said, not hidden.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

requirements=tests/conformance/requirements.txt

say() { printf '%s\n' "test.sh: $*" >&2; }

# Makes a virtual environment with the clients; fails without touching anything else.
install_clients() {
    local clients=$1
    if ! command -v python3 >/dev/null; then
        say "there is no python3"
        return 1
    fi
    rm -rf "$clients"
    mkdir -p "$(dirname "$clients")"
    if ! python3 -m venv "$clients" >/dev/null; then
        say "python3 cannot make a virtual environment (Debian: apt-get install python3-venv)"
        return 1
    fi
    say "installing $(grep -v '^#' "$requirements" | xargs) into $clients"
    "$clients/bin/pip" install --quiet --disable-pip-version-check --no-input \
        --requirement "$requirements" </dev/null
}

# Tests start processes of their own: nothing of the caller's AWS set-up may reach them.
while IFS='=' read -r name _; do
    case "$name" in AWS_*) unset "$name" ;; esac
done < <(env)

clients="$PWD/target/clients"
stamp="$clients/requirements.txt"
if cmp -s "$requirements" "$stamp" ||
    { install_clients "$clients" && cp "$requirements" "$stamp"; }; then
    export PATH="$clients/bin:$PATH"
    export AMIFERRY_AWS_CLI="$clients/bin/aws"
    export AMIFERRY_PYTHON="$clients/bin/python"
    say "using $("$AMIFERRY_AWS_CLI" --version 2>&1)"
else
    unset AMIFERRY_AWS_CLI AMIFERRY_PYTHON
    say "SKIPPED: the tests that drive the aws CLI, boto3 and s5cmd say so one by one and test nothing"
fi

cargo test --workspace --locked "$@" </dev/null

# The simulation's own power, with mistakes built in that it must notice. All members are named so
# that every dependency keeps its features and none is built twice; with arguments, they choose.
if [[ $# == 0 ]]; then
    say "planting mistakes"
    cargo test --workspace --locked --features amiferry-tests/planted-bugs --test planted </dev/null
fi
