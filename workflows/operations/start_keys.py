"""Which run a start's idempotency key stands for; keys are stored by the statement that starts runs."""

import hashlib
from collections.abc import Collection, Mapping

import orjson

from workflows.models import StartKey
from workflows.operations.dry_runs import Dry


def find(keys: Collection[str | None]) -> Mapping[str, StartKey]:
    """This will give those of the keys that have begun a run, by key."""
    return StartKey.objects.in_bulk([key for key in keys if key is not None])


def digest(*, workflow: str, version: int | None, dry: Dry | None, input_text: bytes) -> str:
    """This will say what makes two starts the same request; a dry run never stands for a real one."""
    wanted = b"" if version is None else b"v%d\0" % version
    if dry is not None:
        wanted += orjson.dumps(["dry_run", dry.pins, dry.of], option=orjson.OPT_SORT_KEYS) + b"\0"
    return hashlib.sha256(workflow.encode() + b"\0" + wanted + input_text).hexdigest()
