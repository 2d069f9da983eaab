"""``make run``: picks a model, serves, and says how to ask once it answers."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

import httpx

from clip_ranker.errors import ModelNotFoundError
from clip_ranker.models import names, store
from clip_ranker.settings import get_settings

PORT = os.environ.get("PORT", "8000")
URL = f"http://localhost:{PORT}"
DEFAULT = "openclip_vit_b32"
STARTER = "efficientnet_lite0"
STARTER_WARNING = """\

WARNING: serving the small starter model (EfficientNet-Lite0), because the OpenCLIP weights are
neither in the store nor could they be downloaded. Scores are real but much less discerning.
`.venv/bin/python import_model.py --help` tells how to bring the weights; then run again.
"""
REFUSED = "make run: no model '{}'; the lines above say why"
READY = """\

clip-ranker answers on {url} with the model {model}. Try, in another terminal:

curl -s {url}/rank -H 'Content-Type: application/json' -d '{{
  "query_image_url": "example:cat",
  "candidates": [
    {{"auction_id": "A1", "image_url": "example:coffee"}},
    {{"auction_id": "A2", "image_url": "example:cat"}},
    {{"auction_id": "A3", "image_url": "example:rocket"}}
  ]
}}'

Ctrl-C stops it.
"""


def main() -> int:
    """Runs until interrupted; returns the exit code of the service."""
    model = chosen_model()
    environment = os.environ | {"CLIP_MODEL": model, "BENTOML_DO_NOT_TRACK": "True"}
    serve = [sys.executable, "-m", "bentoml", "serve", "--port", PORT]
    with subprocess.Popen(serve, env=environment) as service:
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with suppress(KeyboardInterrupt):
            while service.poll() is None:
                with suppress(httpx.HTTPError):
                    httpx.get(f"{URL}/healthz", trust_env=False).raise_for_status()
                    print(READY.format(url=URL, model=model), flush=True)
                    break
                time.sleep(0.25)
            return service.wait()
        service.terminate()  # Ctrl-C reaches it by itself, kill does not
        return service.wait()


def chosen_model() -> str:
    """The one to serve: ``CLIP_MODEL``, or the starter where that is the default and not to be had.

    Raises:
        ModelNotFoundError: it is not in the store, and its name does not tell how to import it.
    """
    wanted = get_settings().model
    for name in get_settings().models:
        if not _stored(name):
            raise SystemExit(REFUSED.format(name))
    if _stored(wanted):
        return wanted
    if wanted != DEFAULT or not _stored(STARTER):
        raise SystemExit(REFUSED.format(wanted))
    print(STARTER_WARNING, file=sys.stderr, flush=True)
    return STARTER


def _stored(name: str) -> bool:
    """Whether the store has the model, after an import if need be."""
    try:
        store.load(name)
    except ModelNotFoundError:
        arguments = names.arguments(name)
        if arguments is None:
            raise
        command = [sys.executable, "import_model.py", *arguments, "--name", name]
        return subprocess.run(command, check=False).returncode == 0
    return True


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ModelNotFoundError as error:
        sys.exit(f"make run: {error}")
