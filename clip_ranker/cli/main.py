"""Ranks listings by the likeness of their thumbnails to a photo."""

import argparse
from collections.abc import Callable, Sequence
from typing import NoReturn

from rich.console import Console

from clip_ranker import __version__
from clip_ranker.cli import rank_command, service_commands, store_commands
from clip_ranker.cli.evaluate import options as evaluate
from clip_ranker.cli.inputs import UsageError
from clip_ranker.cli.show import plain
from clip_ranker.errors import ClipRankerError

Run = Callable[[argparse.Namespace, Console], int]
"""A command: what was typed, and where to talk to people; answers the exit code."""
FAILED, USAGE, INTERRUPTED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line, that of the process by default; returns the exit code."""
    options = _parser().parse_args(arguments)
    people = Console(stderr=True, highlight=False)
    run: Run = options.run
    try:
        return run(options, people)
    except ClipRankerError as error:
        said = plain(f"clip-ranker {options.command}: {error}")
        people.print(said, style="red", markup=False, soft_wrap=True)
        return USAGE if isinstance(error, UsageError) else FAILED
    except KeyboardInterrupt:
        return INTERRUPTED


class _Parser(argparse.ArgumentParser):
    """One whose complaints quote what was typed, or what a pattern of the shell made of it."""

    def error(self, message: str) -> NoReturn:
        """Prints the usage and the complaint, and ends the process."""
        super().error(plain(message))


def _parser() -> argparse.ArgumentParser:
    top = _Parser(
        prog="clip-ranker",
        description="Ranks listings by likeness to a photo, and judges how well.",
        epilog="COMMAND --help tells more of each. "
        "`import --help` tells how a model gets into the store; that needs torch.",
    )
    top.add_argument("--version", action="version", version=__version__)
    commands = top.add_subparsers(required=True, metavar="COMMAND", dest="command")
    rank_command.add_to(commands)
    service_commands.add_to(commands)
    store_commands.add_to(commands)
    evaluate.add_to(commands)
    return top
