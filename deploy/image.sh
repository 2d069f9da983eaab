#!/bin/sh
# Builds the image clip-api through BentoML; `make image` calls it, with the environment's bin
# folder as its only argument.
#
#   MODEL          name of the model in the image (openclip_vit_b32)
#   MODELS         names of more, from which a request may choose (none)
#   IMPORT_ARGS    how to import MODEL if the store lacks it and its name does not tell
#   BASE           base image (python:3.11-slim); with a digest always the very same
#   TAG            of the image (clip-api:latest)
#   PLATFORM       that it runs on, such as linux/amd64 (that of the engine)
#   BUILD_OPTIONS  more for `bentoml containerize`, such as --opt network=host
set -eu

bin=$1
model=${MODEL:-openclip_vit_b32}
tag=${TAG:-clip-api:latest}

# shellcheck disable=SC2086 # several arguments on purpose
PYTHON="$bin/python" deploy/import.sh "$model" ${IMPORT_ARGS:-}
for more in ${MODELS:-}; do
    PYTHON="$bin/python" deploy/import.sh "$more"
done
bento=$(CLIP_MODEL="$model" CLIP_MODELS="${MODELS:-}" "$bin/bentoml" build --output tag)
# shellcheck disable=SC2086
"$bin/bentoml" containerize "${bento#__tag__:}" --image-tag "$tag" \
    ${PLATFORM:+--opt platform="$PLATFORM"} ${BUILD_OPTIONS:-}

docker image inspect --format '{{.Size}} {{.Os}}/{{.Architecture}}' "$tag" | {
    read -r bytes platform
    echo "built $tag with the model $model for $platform: $((bytes / 1000000)) MB"
}
