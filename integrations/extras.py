"""Libraries that are installed only where they are wanted, loaded at the first call that needs them."""

import importlib
from types import ModuleType

from integrations.errors import Refused


def load(module: str, *, extra: str) -> ModuleType:
    """This will import a module of ours that needs an extra.

    Raises Refused, with the command that installs it, when the library is not there.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] == __name__.partition(".")[0]:
            raise
        raise Refused(
            f"the library {error.name} is not installed on this worker: pip install automation-engine[{extra}]",
            evidence={"extra": extra, "library": error.name},
        ) from error
