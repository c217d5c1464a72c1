"""Tells whether this web process is about to end; the file that says so is written by `config/serving.py` alone."""

import os

VARIABLE = "DRAINING_FILE"
"""Names the file to the workers of a server; without it nothing ever drains."""


def is_draining() -> bool:
    """This will tell whether clients should go elsewhere: their requests are still served, and answered in full."""
    path = os.environ.get(VARIABLE)
    return path is not None and os.path.exists(path)  # noqa: PTH110  asked at each request: a Path costs far more
