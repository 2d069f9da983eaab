#!/bin/bash
# Gives the deployment test what it needs, runs it and takes it away again; `make test-deploy`
# calls it, with the environment's bin folder as its only argument.
#
# Uses the Docker engine that runs. Where none does, root gets one that the test starts for itself:
# apart from the machine's, and removed afterwards. What is missing is installed, on Debian as root.
set -euo pipefail

bin=$1
export BASE=${BASE:-python:3.11-slim} # with a digest where the run must be repeatable
tarball=$PWD/.cache/stand-in-$BASE.tar
work=$(mktemp -d /var/tmp/test-deploy.XXXXXX)
engine=""
stand_in=""
# Debian's own client has BuildKit built in; one beside it may lack the plugin.
export PATH=/usr/bin:/usr/sbin:$PATH

say() { echo "test-deploy: $*" >&2; }

clean_up() {
    status=$?
    trap - EXIT
    # What the test removes by itself, unless it was cut off.
    for label in clip-ranker-test com.docker.compose.project=clip-ranker-test; do
        docker ps --all --quiet --filter "label=$label" 2>/dev/null |
            xargs --no-run-if-empty docker rm --force --volumes >/dev/null || true
    done
    docker network ls --quiet --filter label=clip-ranker-test 2>/dev/null |
        xargs --no-run-if-empty docker network rm >/dev/null || true
    [ -z "$stand_in" ] || docker image rm --force "$BASE" >/dev/null || true
    if [ -n "$engine" ]; then
        kill "$engine" 2>/dev/null || true
        wait "$engine" || true
        umount --recursive "$work/data" 2>/dev/null || true # left when it did not start
    fi
    rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

give_up() {
    say "$*"
    say "This needs Linux with git, caddy, busybox, curl, openssl, compose and a Docker engine that"
    say "'docker info' reaches; run as root on Debian it installs them and starts an engine."
    exit 1
}

has_compose() { docker compose version || command -v docker-compose; }

start_engine() {
    # A machine may have the client alone.
    [ "$(id -u)" = 0 ] && deploy/need dockerd docker.io || give_up "no Docker engine answers"
    say "starting a Docker engine in $work"
    export DOCKER_HOST=unix://$work/socket
    dockerd --host "$DOCKER_HOST" --data-root "$work/data" --exec-root "$work/exec" \
        --pidfile "$work/pid" >"$work/log" 2>&1 &
    engine=$!
    for _ in $(seq 150); do
        docker info >/dev/null 2>&1 && return
        sleep 0.2
    done
    tail -n 20 "$work/log" >&2
    say "the Docker engine did not start; its last lines stand above."
    exit 1
}

# Without a registry: Debian's Python under the name of the real image, trusting whom the host
# trusts. Bootstrapping takes minutes, so a copy is kept.
import_stand_in() {
    case $BASE in *@*) give_up "$BASE cannot be pulled, and nothing stands in for a digest" ;; esac
    say "no registry can be reached: $BASE becomes a stand-in made of Debian packages"
    stand_in=yes
    if [ ! -e "$tarball" ]; then
        deploy/need debootstrap debootstrap || give_up "$BASE can neither be pulled nor imitated"
        local root=$work/root
        debootstrap --variant=minbase --include=python3.11,python3.11-venv,python3-pip,ca-certificates \
            bookworm "$root" >/dev/null
        rm -r "$root"/usr/lib/python3.11/EXTERNALLY-MANAGED "$root"/usr/share/{doc,man,info,locale} \
            "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
        ln -s /usr/bin/python3.11 "$root/usr/local/bin/python"
        cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
        mkdir -p "$(dirname "$tarball")"
        tar -C "$root" -c . >"$tarball.part"
        mv "$tarball.part" "$tarball"
    fi
    docker import --change 'ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt' \
        --change 'ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' "$tarball" "$BASE" >/dev/null
}

[ "$(uname)" = Linux ] || give_up "this is $(uname)"
deploy/need docker docker.io && deploy/need git git && deploy/need caddy caddy &&
    deploy/need busybox busybox-static && deploy/need curl curl && deploy/need openssl openssl &&
    { has_compose >/dev/null 2>&1 || deploy/need docker-compose docker-compose; } ||
    give_up "a program is missing"
docker info >/dev/null 2>&1 || start_engine
docker image inspect "$BASE" >/dev/null 2>&1 || docker pull --quiet "$BASE" 2>/dev/null ||
    import_stand_in

"$bin/python" -m pytest deploy --durations 10 ${ARGS:-}
