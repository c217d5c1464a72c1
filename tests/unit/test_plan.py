"""Cutting definitions into segments: what runs through in one go, and where it must stop."""

from workflows.core.definition import Definition, StepDefinition
from workflows.core.plan import Plan, compile_plan, restore_plan


def plan_of(**needs: str | list[str] | StepDefinition) -> Plan:
    """This will compile steps given by what they need."""
    steps = [
        value
        if isinstance(value, StepDefinition)
        else StepDefinition(id=step, uses="set", needs=tuple([value] if isinstance(value, str) and value else value))
        for step, value in needs.items()
    ]
    return compile_plan(Definition(name="plan", steps=tuple(steps)))


def segments(plan: Plan) -> list[tuple[str, ...]]:
    """This will give the steps of each segment."""
    return [segment.steps for segment in plan.segments]


def test_sequence_is_one_segment() -> None:
    plan = plan_of(a="", b="a", c="b")

    assert segments(plan) == [("a", "b", "c")]
    assert plan.is_straight


def test_fork_and_join_cut_segments() -> None:
    plan = plan_of(a="", b="a", c="a", d="c", e=["b", "d"])

    assert sorted(segments(plan)) == [("a",), ("b",), ("c", "d"), ("e",)]
    assert not plan.is_straight


def test_change_of_lane_cuts_segments() -> None:
    plan = plan_of(a="", b=StepDefinition(id="b", uses="set", needs=("a",), queue="io"), c="b")

    assert segments(plan) == [("a",), ("b",), ("c",)]
    assert [segment.lane for segment in plan.segments] == ["default", "io", "default"]


def test_for_each_is_a_segment_of_its_own() -> None:
    plan = plan_of(a="", b=StepDefinition(id="b", uses="set", needs=("a",), for_each="input"), c="b")

    assert segments(plan) == [("a",), ("b",), ("c",)]
    assert [segment.is_map for segment in plan.segments] == [False, True, False]


def test_single_for_each_is_not_straight() -> None:
    plan = plan_of(a=StepDefinition(id="a", uses="set", for_each="input"))

    assert not plan.is_straight


def test_place_of_each_step_leads_back_to_it() -> None:
    plan = plan_of(a="", b="a", c="a", d=["b", "c"], e="d")

    for step, (segment, position) in plan.place_of.items():
        assert plan.step_at(segment=segment, position=position).id == step


def test_successors_are_the_segments_whose_head_waits_for_the_tail() -> None:
    plan = plan_of(a="", b="a", c="a", d=["b", "c"])
    heads = {segment.head: segment for segment in plan.segments}

    assert {segment.head for segment in plan.successors(heads["a"])} == {"b", "c"}
    assert [segment.head for segment in plan.successors(heads["b"])] == ["d"]
    assert plan.successors(heads["d"]) == ()


def test_digest_changes_with_the_cut_only() -> None:
    named_again = plan_of(a="", b="a")
    cut_elsewhere = plan_of(a="", b="")

    assert plan_of(a="", b="a").digest == named_again.digest
    assert plan_of(a="", b="a").digest != cut_elsewhere.digest


def test_restored_plan_keeps_the_cut_it_was_published_with() -> None:
    plan = plan_of(a="", b="a")
    published = [
        {"steps": ["a"], "lane": "default", "for_each": False},
        {"steps": ["b"], "lane": "default", "for_each": False},
    ]

    restored = restore_plan(plan.definition, document=published)  # type: ignore[arg-type]  # as it comes from JSON

    assert segments(restored) == [("a",), ("b",)]
