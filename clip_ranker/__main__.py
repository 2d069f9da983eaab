"""``python -m clip_ranker``."""

import sys

from clip_ranker.cli import main

sys.exit(main())
