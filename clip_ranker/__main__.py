"""``python -m clip_ranker``."""

import sys

from pydantic import ValidationError

try:
    from clip_ranker.cli.main import main
except ValidationError as error:  # of a setting: they bound what a request may hold
    fault = error.errors()[0]
    name = "_".join(["clip", *map(str, fault["loc"])]).upper()
    sys.stderr.write(f"clip_ranker: {name}: {fault['msg']}\n")
    sys.exit(2)

sys.exit(main())
