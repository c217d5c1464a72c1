"""What forms of the admin share: a list written as lines, and problems told at their fields; it knows no model."""

import re
from collections.abc import Iterable, Mapping

from django.forms import BaseForm

_END_OF_FIELD = re.compile(r"[.\[]")


def lines_of(text: str) -> list[str]:
    """This will give the lines that say something, without spaces around them."""
    return [line.strip() for line in text.splitlines() if line.strip()]


def tell(form: BaseForm, problems: Iterable[tuple[str, str]], *, renamed: Mapping[str, str] | None = None) -> None:
    """This will tell each problem at the field its path begins with, and at the form where there is none.

    A path is a field or leads into one (`options.health.path`): then the text says where. `renamed` maps what a
    document calls a field to what the form does. A field that has a problem of its own already is left with that.
    """
    wrong = set(form.errors)
    for path, text in problems:
        said = path.removeprefix("$.")
        name = _END_OF_FIELD.split(said)[0]
        field = (renamed or {}).get(name, name)
        if field not in wrong:
            form.add_error(field if field in form.fields else None, text if said == name else f"{said}: {text}")
