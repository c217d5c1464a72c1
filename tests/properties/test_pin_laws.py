"""Laws of dry runs: what is not allowed by name is never performed, and a pin always comes first."""

from hypothesis import given
from hypothesis import strategies as st

from workflows.core import pins
from workflows.core.pins import Answered, Fails, Performed
from workflows.schema import Schema

names = st.sampled_from(["charge", "lines", "ship", "mail:undo"])
outputs = st.none() | st.integers() | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)
pin = st.one_of(
    outputs.map(lambda output: {"output": output}),
    st.lists(outputs, max_size=3).map(lambda items: {"items": items}),
    st.just({"fails": {"kind": "unknown", "message": "cut"}}),
    st.just({"pins": {"steps": {}}}),
)
documents = st.fixed_dictionaries(
    {}, optional={"unpinned": st.sampled_from(["fail", "placeholder"]), "steps": st.dictionaries(names, pin)}
)
uses = st.sampled_from(["http.request", "python", "approval", "wait", "sql.execute", "a kind that comes later"])
indexes = st.none() | st.integers(0, 4)


@given(documents, names, indexes, uses)
def test_what_does_not_only_compute_is_never_performed(
    document: dict[str, object], step: str, index: int | None, kind: str
) -> None:
    found = pins.answer(document, step=step, index=index, uses=kind, inputs={}, is_pure=False)  # type: ignore[arg-type]

    assert not isinstance(found, Performed)


@given(documents, names, indexes, uses, outputs, st.booleans())
def test_a_pinned_output_always_comes_first(
    document: dict[str, object], step: str, index: int | None, kind: str, output: object, is_pure: bool
) -> None:
    pinned = {**document, "steps": {step: {"output": output}}}

    found = pins.answer(pinned, step=step, index=index, uses=kind, inputs={}, is_pure=is_pure)  # type: ignore[arg-type]

    assert found == Answered(output)  # type: ignore[arg-type]


@given(documents, names, uses)
def test_what_is_not_pinned_fails_unless_a_placeholder_was_asked_for(
    document: dict[str, object], step: str, kind: str
) -> None:
    bare = {**document, "steps": {}}

    found = pins.answer(bare, step=step, index=None, uses=kind, inputs={}, is_pure=False)  # type: ignore[arg-type]

    wants_placeholder = document.get("unpinned") == "placeholder"
    assert isinstance(found, Answered if wants_placeholder else Fails)


@given(documents, names)
def test_a_run_that_a_dry_run_starts_has_pins_that_can_be_checked(document: dict[str, object], step: str) -> None:
    child = pins.of_child(document, step=step)  # type: ignore[arg-type]

    assert Schema(pins.SCHEMA).problems(child) == []
    assert child["unpinned"] == document.get("unpinned", "fail")
