#!/usr/bin/env bash
# Runs every test. Some tests drive the simulated AWS with third-party clients (the aws CLI, boto3,
# s5cmd) and compare it with moto: this script installs them into target/clients, and what checks the
# templates and manifests of deploy into target/checkov. Chromium reads the status page; root installs
# it if it is missing. Tests that scrape, query and alert need Prometheus: it is unpacked into
# target/prometheus. The script says what is missing and skipped. After a failure the script goes on, and
# says at the end what failed. Arguments go to cargo test and select what runs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

requirements=tests/conformance/requirements.txt

say() { printf '%s\n' "test.sh: $*" >&2; }

# Makes a virtual environment with the packages of a file; fails without touching anything else.
install_packages() {
    local clients=$1 requirements=$2
    if ! command -v python3 >/dev/null; then
        say "python3 is not installed"
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

# Unpacks Debian's Prometheus and Alertmanager, without creating users or starting services.
unpack_prometheus() {
    local folder=$1
    if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
        say "Prometheus is not installed, nor are Debian's tools to download it"
        return 1
    fi
    rm -rf "$folder"
    mkdir -p "$folder"
    say "unpacking prometheus and prometheus-alertmanager into $folder"
    (
        cd "$folder"
        fetch() { apt-get download -qq prometheus prometheus-alertmanager; }
        # A fresh container lacks the package lists, which only root may fetch.
        fetch 2>/dev/null || { [[ $(id -u) == 0 ]] && apt-get update -qq && fetch; }
        for package in ./*.deb; do dpkg-deb --extract "$package" .; done
        rm ./*.deb
    ) >/dev/null </dev/null
}

# Tests start processes of their own, which must not see the caller's AWS settings.
while IFS='=' read -r name _; do
    case "$name" in AWS_*) unset "$name" ;; esac
done < <(env)

clients="$PWD/target/clients"
stamp="$clients/requirements.txt"
if cmp -s "$requirements" "$stamp" ||
    { install_packages "$clients" "$requirements" && cp "$requirements" "$stamp"; }; then
    export PATH="$clients/bin:$PATH"
    export AMIFERRY_AWS_CLI="$clients/bin/aws"
    export AMIFERRY_PYTHON="$clients/bin/python"
    say "using $("$AMIFERRY_AWS_CLI" --version 2>&1)"
else
    unset AMIFERRY_AWS_CLI AMIFERRY_PYTHON
    say "SKIPPED: each test that drives the aws CLI, boto3 or s5cmd says so and tests nothing"
fi

checkov="$PWD/target/checkov"
checks=tests/conformance/requirements-deploy.txt
if cmp -s "$checks" "$checkov/requirements.txt" ||
    { install_packages "$checkov" "$checks" && cp "$checks" "$checkov/requirements.txt"; }; then
    export AMIFERRY_CHECKOV="$checkov/bin/checkov"
    say "using checkov $("$AMIFERRY_CHECKOV" --version </dev/null 2>/dev/null)"
else
    unset AMIFERRY_CHECKOV
    say "SKIPPED: each test with checkov or kubernetes-validate says so and tests nothing"
fi

if [[ -z ${AMIFERRY_CHROMIUM:-} ]] && ! command -v chromium >/dev/null &&
    [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null; then
    say "installing chromium"
    install_chromium() { apt-get install -qq -y --no-install-recommends chromium fonts-dejavu-core; }
    export DEBIAN_FRONTEND=noninteractive
    { install_chromium || { apt-get update -qq && install_chromium; }; } >/dev/null 2>&1 </dev/null || true
fi
if chromium=$("${AMIFERRY_CHROMIUM:-chromium}" --version 2>/dev/null); then
    say "using $chromium"
else
    say "SKIPPED: each test of the status page in Chromium says so and tests nothing"
fi

# The rules of accessibility that the status page is held to.
axe_version=4.14.1
axe="$PWD/target/axe-$axe_version/node_modules/axe-core/axe.min.js"
if [[ ! -f $axe ]] && command -v npm >/dev/null; then
    npm install --silent --no-save --no-fund --no-audit --prefix "$PWD/target/axe-$axe_version" \
        "axe-core@$axe_version" >/dev/null 2>&1 </dev/null || true
fi
if [[ -f $axe ]]; then
    export AMIFERRY_AXE=$axe
    say "using axe-core $axe_version"
else
    say "SKIPPED: without npm, axe-core does not check the status page; the tests' own rules do"
fi

# A folder that the caller names comes first, then an installed Prometheus.
prometheus="$PWD/target/prometheus/usr/bin"
if [[ -n ${AMIFERRY_PROMETHEUS:-} ]]; then
    say "using $("$AMIFERRY_PROMETHEUS/promtool" --version 2>&1 | head -n 1)"
elif command -v prometheus >/dev/null && command -v promtool >/dev/null && command -v amtool >/dev/null; then
    say "using $(promtool --version 2>&1 | head -n 1)"
elif [[ -x $prometheus/amtool ]] || unpack_prometheus "$PWD/target/prometheus"; then
    export AMIFERRY_PROMETHEUS=$prometheus
    say "using $("$prometheus/promtool" --version 2>&1 | head -n 1)"
else
    say "SKIPPED: each test that needs Prometheus, promtool or amtool says so and tests nothing"
fi

output=$(mktemp)
trap 'rm -f "$output"' EXIT
failures=()

# Runs tests to the end, whatever fails, and notes what does: tests by name, and executables, which
# may end without naming any.
run_tests() {
    local line
    if cargo test --workspace --locked --no-fail-fast "$@" </dev/null 2>&1 | tee "$output"; then
        return
    fi
    while IFS= read -r line; do
        failures+=("$line")
    done < <(awk '
        $1 == "Running" { binary = $NF; gsub(/.*\/|-[0-9a-f]+\)$/, "", binary) }
        $1 == "Doc-tests" { binary = "documentation of " $2 }
        sub(/^test /, "") && sub(/ \.\.\. FAILED$/, "") { print binary ": " $0 }
        /^error: [0-9]+ targets? failed:$/ { targets = 1; next }
        targets && /^    `.*`$/ { print "cargo test " substr($0, 6, length($0) - 6); next }
        /^error/ && !/^error: (doc)?test failed/ { print }
    ' "$output" | sort -u)
    [[ ${#failures[@]} != 0 ]] || failures=("cargo test $*: see above")
}

arguments=()
for argument in "$@"; do
    # It is given anyway, and cargo takes it once.
    [[ $argument == --no-fail-fast ]] || arguments+=("$argument")
done
run_tests ${arguments[@]+"${arguments[@]}"}

# The simulation must notice planted mistakes. --workspace keeps the features of every dependency, so
# that none is built twice. With arguments, only the tests that they select run.
if [[ $# == 0 ]]; then
    say "planting mistakes"
    run_tests --features amiferry-tests/planted-bugs --test planted
fi

if [[ ${#failures[@]} != 0 ]]; then
    say "FAILED:"
    printf '  %s\n' "${failures[@]}" >&2
    exit 1
fi
say "all passed"
