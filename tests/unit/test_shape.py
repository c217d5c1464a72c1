"""Which of Celery's primitives carries a frontier."""

from workflows.core.definition import Definition, StepDefinition
from workflows.core.plan import Plan, compile_plan
from workflows.core.shape import Shape, shapes


def step(step_id: str, *needs: str, lane: str = "default", is_map: bool = False) -> StepDefinition:
    """This will be a step."""
    return StepDefinition(
        id=step_id, uses="set", needs=needs, queue=lane, for_each="input" if is_map else None, parallel=9
    )


def plan_of(*steps: StepDefinition) -> Plan:
    """This will compile steps."""
    return compile_plan(Definition(name="shape", steps=steps))


def frontier(plan: Plan, *steps: str) -> list[int]:
    """This will give the segments that begin with these steps."""
    return [plan.place_of[one][0] for one in steps]


def test_one_segment_is_a_signature() -> None:
    plan = plan_of(step("a"), step("b", "a"))

    assert shapes(plan, frontier=[0]) == (Shape(((0,),)),)


def test_segments_on_changing_lanes_are_a_chain() -> None:
    plan = plan_of(step("a"), step("b", "a", lane="io"), step("c", "b"))

    assert shapes(plan, frontier=[0]) == (Shape(((0, 1, 2),)),)


def test_branches_that_meet_are_a_chord() -> None:
    plan = plan_of(step("a"), step("b"), step("c", "a", "b"))
    a, b, c = frontier(plan, "a", "b", "c")

    assert shapes(plan, frontier=[a, b]) == (Shape(((a,), (b,)), join=c),)


def test_branches_of_chains_that_meet_are_a_chord_of_chains() -> None:
    plan = plan_of(step("a"), step("b", "a", lane="io"), step("c"), step("d", "b", "c"))
    a, b, c, d = frontier(plan, "a", "b", "c", "d")

    assert shapes(plan, frontier=[a, c]) == (Shape(((a, b), (c,)), join=d),)


def test_branches_of_which_the_join_needs_more_are_sent_apart() -> None:
    """Not series-parallel: the database alone counts what `d` waits for."""
    plan = plan_of(step("a"), step("b"), step("c", "a"), step("d", "a", "b"), step("e", "c", "d"))
    a, b = frontier(plan, "a", "b")

    assert shapes(plan, frontier=[a, b]) == (Shape(((a,),)), Shape(((b,),)))


def test_last_branch_alone_is_followed_by_a_join_on_another_lane_only() -> None:
    near = plan_of(step("a"), step("b"), step("c", "a", "b"))
    far = plan_of(step("a"), step("c", "a", lane="io"), step("b", "a"))

    assert shapes(near, frontier=frontier(near, "b")) == (Shape((tuple(frontier(near, "b")),)),)
    assert shapes(far, frontier=frontier(far, "b")) == (Shape((tuple(frontier(far, "b")),)),)


def test_pullers_of_a_for_each_are_a_chord_whatever_lane_follows() -> None:
    for lane in ("default", "io"):
        plan = plan_of(step("m", is_map=True), step("j", "m", lane=lane))
        m, j = frontier(plan, "m", "j")

        assert shapes(plan, frontier=[m, m, m]) == (Shape(((m,),), join=j),)


def test_single_puller_is_followed_by_what_is_on_another_lane() -> None:
    near = plan_of(step("m", is_map=True), step("j", "m"))
    far = plan_of(step("m", is_map=True), step("j", "m", lane="io"))

    assert shapes(near, frontier=[0]) == (Shape(((0,),)),)
    assert shapes(far, frontier=[0]) == (Shape(((0,),), join=1),)


def test_chain_is_bounded() -> None:
    lanes = ("default", "io")
    steps = [step("s0")]
    for number in range(1, 60):
        steps.append(step(f"s{number}", f"s{number - 1}", lane=lanes[number % 2]))

    (shape,) = shapes(plan_of(*steps), frontier=[0])

    assert len(shape.branches[0]) == 20
