"""Who waits for whom, judged on names alone: cycles, and what ends before what; it bears broken input."""

import graphlib
from collections.abc import Collection, Mapping

MAX_CYCLES = 20


def find_cycles(needs: Mapping[str, Collection[str]]) -> tuple[tuple[str, ...], ...]:
    """This will find cycles, each as the steps that wait for one another, the first again at its end.

    At most `MAX_CYCLES` are found; needs that do not exist are passed over.

    >>> find_cycles({"a": ["c"], "b": ["a"], "c": ["b"], "d": ["a"]})
    (('a', 'c', 'b', 'a'),)
    """
    return _untangled(needs)[1]


def upstream_of(needs: Mapping[str, Collection[str]]) -> Mapping[str, frozenset[str]]:
    """This will give, for each step, all steps that end before it can start; cycles are cut at one edge.

    >>> sorted(upstream_of({"a": [], "b": ["a"], "c": ["b", "typo"]})["c"])
    ['a', 'b']
    """
    edges = _untangled(needs)[0]
    found: dict[str, frozenset[str]] = {}
    for step in graphlib.TopologicalSorter(edges).static_order():
        found[step] = frozenset(edges[step]).union(*(found[need] for need in edges[step]))
    return found


def _untangled(
    needs: Mapping[str, Collection[str]],
) -> tuple[dict[str, list[str]], tuple[tuple[str, ...], ...]]:
    edges = {step: [need for need in wanted if need in needs] for step, wanted in needs.items()}
    cycles: list[tuple[str, ...]] = []
    while (cycle := _one_cycle(edges)) is not None:
        if len(cycles) == MAX_CYCLES:
            return {step: [] for step in edges}, tuple(cycles)
        cycles.append(cycle)
        edges[cycle[0]] = [need for need in edges[cycle[0]] if need != cycle[1]]
    return edges, tuple(cycles)


def _one_cycle(edges: Mapping[str, Collection[str]]) -> tuple[str, ...] | None:
    try:
        graphlib.TopologicalSorter(edges).prepare()
    except graphlib.CycleError as error:
        steps: list[str] = error.args[1][:0:-1]  # graphlib goes from need to dependent, and repeats the first
        start = steps.index(min(steps))
        return (*steps[start:], *steps[:start], steps[start])
    return None
