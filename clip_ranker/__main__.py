"""``clip-ranker``, and ``python -m clip_ranker``."""

import sys

from pydantic import ValidationError


def main() -> int:
    """Runs the command line of the process; returns the exit code."""
    if sys.argv[1:2] == ["import"]:
        from clip_ranker.importing import command

        return command.main(sys.argv[2:], program="clip-ranker import")
    try:
        from clip_ranker.cli import main as cli
    except ValidationError as error:  # of a setting: they bound what a request may hold
        fault = error.errors()[0]
        name = "_".join(["clip", *map(str, fault["loc"])]).upper()
        sys.stderr.write(f"clip-ranker: {name}: {fault['msg']}\n")
        return 2
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
