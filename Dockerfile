# clip-api from this folder alone, on a machine that has Docker and nothing else:
#
#   docker compose up -d --build
#
# It ends in what `make image` builds through `bentoml containerize`; `make test-deploy` compares
# the two. Build arguments, with `docker compose build --build-arg NAME=VALUE`, the first four also
# from the environment or .env:
#
#   MODEL           name of the model in the image; docs/models.md has the rule of names
#   MODELS          names of more, from which a request may choose; of those that tell their import
#   IMPORT_ARGS     arguments of import_model.py for MODEL where its name does not tell them
#   LOCAL_FEATURES  anything takes OpenCV in, 160 MB, for CLIP_LOCAL_FEATURES
#   TORCH_BACKEND   which torch imports the model; empty takes it from the package index
#   PIP_INDEX_URL   package index; empty takes the default one
#   BASE            base image; with a digest, python:3.11-slim@sha256:…, always the very same

ARG BASE=python:3.11-slim

FROM $BASE AS packages
ARG PIP_INDEX_URL=
ARG LOCAL_FEATURES=
ENV UV_DEFAULT_INDEX=$PIP_INDEX_URL UV_NO_CACHE=1 UV_NO_PROGRESS=1
COPY requirements.txt deploy/requirements-uv.txt deploy/requirements-local.txt ./
RUN pip install --no-cache-dir --require-hashes --requirement requirements-uv.txt
# Without dependencies: what is not pinned does not get in, and the check tells if it is missed.
RUN uv venv --python python3 /app/.venv \
    && uv pip install --python /app/.venv --compile-bytecode --no-deps \
        --require-hashes --requirement requirements.txt \
        ${LOCAL_FEATURES:+--requirement requirements-local.txt} \
    && uv pip check --python /app/.venv

FROM packages AS bento
ARG MODEL=openclip_vit_b32
ARG MODELS=
ARG IMPORT_ARGS=
ARG TORCH_BACKEND=cpu
WORKDIR /build
ENV BENTOML_HOME=/bentoml BENTOML_DO_NOT_TRACK=True PATH=/import/bin:$PATH
COPY pyproject.toml requirements.txt ./
COPY deploy/requirements-import.txt deploy/
# uv holds what requirements.txt names to its hashes here too; of the rest only versions are pinned,
# because which files torch is depends on TORCH_BACKEND.
RUN uv venv --python python3 /import \
    && uv pip install --python /import ${TORCH_BACKEND:+--torch-backend=$TORCH_BACKEND} \
        --constraint requirements.txt --constraint deploy/requirements-import.txt \
        --requirement pyproject.toml --extra import
# Importing takes minutes: only what it needs, so that other changes do not import again.
COPY import_model.py ./
COPY deploy/import.sh deploy/
COPY clip_ranker/__init__.py clip_ranker/errors.py clip_ranker/markup.py clip_ranker/messages.json \
    clip_ranker/processors.py clip_ranker/
COPY clip_ranker/decode clip_ranker/decode
COPY clip_ranker/examples clip_ranker/examples
COPY clip_ranker/evaluate/__init__.py clip_ranker/evaluate/retake.py clip_ranker/evaluate/
COPY clip_ranker/importing clip_ranker/importing
COPY clip_ranker/models clip_ranker/models
RUN deploy/import.sh "$MODEL" $IMPORT_ARGS \
    && for model in $MODELS; do deploy/import.sh "$model" || exit; done
COPY . .
# BentoML makes folders that only their owner can read.
RUN CLIP_MODEL="$MODEL" CLIP_MODELS="$MODELS" bentoml build --version image \
    && chmod -R a+rX /bentoml

FROM $BASE
RUN useradd --system --uid 1034 --no-create-home bentoml
ENV PATH=/app/.venv/bin:$PATH \
    LC_ALL=C.UTF-8 \
    PYTHONUNBUFFERED=1 \
    BENTOML_DO_NOT_TRACK=True \
    BENTOML_HOME=/tmp/bentoml \
    MALLOC_ARENA_MAX=2 \
    MALLOC_MMAP_THRESHOLD_=1000000
# All of it belongs to root, and what changes least comes first.
COPY --from=packages /app/.venv /app/.venv
COPY --from=bento /bentoml/models /home/bentoml/bento/models
COPY --from=bento /bentoml/bentos/clip-api/image /home/bentoml/bento
ARG MODEL=openclip_vit_b32
ARG MODELS=
ENV CLIP_MODEL=$MODEL CLIP_MODELS=$MODELS
WORKDIR /home/bentoml/bento/src
USER bentoml
EXPOSE 8000
ENTRYPOINT ["python", "-m", "clip_ranker.entrypoint", "serve", "/home/bentoml/bento"]
