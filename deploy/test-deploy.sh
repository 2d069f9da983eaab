#!/bin/bash
# Gives the deployment test what it needs, runs it and takes it away again; `make test-deploy`
# calls it, with the environment's bin folder as its only argument.
#
# Uses the Docker engine that runs. With CI=true it also installs what is missing and starts an
# engine of its own where none runs: apart from the machine's, and gone without a trace afterwards.
set -euo pipefail

bin=$1
base=python:3.11-slim
tarball=$PWD/.cache/stand-in-$base.tar
own=""
stand_in=""
# Debian's own client has BuildKit built in; one beside it may lack the plugin.
export PATH=/usr/bin:/usr/sbin:$PATH

say() { echo "test-deploy: $*" >&2; }

clean_up() {
    status=$?
    trap - EXIT
    [ -z "$stand_in" ] || docker image rm --force "$base" >/dev/null || true
    if [ -n "$own" ]; then
        kill "$(cat "$own/pid")" 2>/dev/null || true
        while kill -0 "$(cat "$own/pid" 2>/dev/null)" 2>/dev/null; do sleep 0.2; done
        rm -rf "$own"
    fi
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP

need() {
    say "this needs Linux with a running Docker engine, compose, git and the caddy program."
    say "Missing: $*."
    say "With CI=true, as root on Debian, it installs them and starts an engine of its own."
    exit 1
}

install() {
    [ "${CI:-}" = true ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || need "$@"
    say "installing $*"
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends "$@" >/dev/null
}

has_compose() { docker compose version || command -v docker-compose; }

start_engine() {
    [ "${CI:-}" = true ] && [ "$(id -u)" = 0 ] || need "an engine that answers 'docker info'"
    own=$(mktemp -d /var/tmp/test-deploy.XXXXXX)
    say "starting a Docker engine in $own"
    export DOCKER_HOST=unix://$own/socket
    dockerd --host "$DOCKER_HOST" --data-root "$own/data" --exec-root "$own/exec" \
        --pidfile "$own/pid" >"$own/log" 2>&1 &
    echo $! >"$own/pid"
    for _ in $(seq 150); do
        docker info >/dev/null 2>&1 && return
        sleep 0.2
    done
    tail -n 20 "$own/log" >&2
    say "the Docker engine did not start; its last lines stand above."
    exit 1
}

# Without a registry: Debian's Python under the name of the real image, trusting whom the host
# trusts. Bootstrapping takes minutes, so a copy is kept.
import_stand_in() {
    say "no registry can be reached: $base becomes a stand-in made of Debian packages"
    stand_in=yes
    if [ ! -e "$tarball" ]; then
        command -v debootstrap >/dev/null || install debootstrap
        [ "$(id -u)" = 0 ] || need "a registry to pull $base from"
        local root=$(mktemp -d /var/tmp/stand-in.XXXXXX)
        debootstrap --variant=minbase --include=python3.11,python3.11-venv,python3-pip,ca-certificates \
            bookworm "$root" >/dev/null
        rm -r "$root"/usr/lib/python3.11/EXTERNALLY-MANAGED "$root"/usr/share/{doc,man,info,locale} \
            "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
        ln -s /usr/bin/python3.11 "$root/usr/local/bin/python"
        cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
        mkdir -p "$(dirname "$tarball")"
        tar -C "$root" -c . >"$tarball.part"
        mv "$tarball.part" "$tarball"
        rm -rf "$root"
    fi
    docker import --change 'ENV SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt' \
        --change 'ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' "$tarball" "$base" >/dev/null
}

[ "$(uname)" = Linux ] || need "Linux"
command -v docker >/dev/null || install docker.io
command -v git >/dev/null || install git
command -v caddy >/dev/null || install caddy
has_compose >/dev/null 2>&1 || install docker-compose
docker info >/dev/null 2>&1 || start_engine
docker image inspect "$base" >/dev/null 2>&1 || docker pull --quiet "$base" 2>/dev/null ||
    import_stand_in

"$bin/python" -m pytest deploy --durations 10 ${ARGS:-}
