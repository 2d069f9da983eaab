"""``python -m clip_ranker``."""

import sys

from pydantic import ValidationError

from clip_ranker.settings import get_settings


def _main() -> int:
    try:
        get_settings()
    except ValidationError as error:
        fault = error.errors()[0]
        name = "_".join(["clip", *map(str, fault["loc"])]).upper()
        sys.stderr.write(f"clip_ranker: {name}: {fault['msg']}\n")
        return 2
    from clip_ranker.cli.main import main  # only now: the request's bounds are settings

    return main()


sys.exit(_main())
