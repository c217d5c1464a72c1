"""Laws of the layout, for any graph: needs stand left, nothing overlaps, every line runs from box to box."""

import itertools
from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from workflows.core.layers import Layers

BOX, LINE, GAP = 40.0, 10.0, 16.0


@st.composite
def graphs(draw: st.DrawFn) -> Mapping[str, tuple[str, ...]]:
    """This will make graphs without cycles: each step may need earlier ones."""
    size = draw(st.integers(min_value=1, max_value=14))
    names = [f"s{index}" for index in range(size)]
    return {
        name: tuple(draw(st.lists(st.sampled_from(names[:index]), unique=True, max_size=4))) if index else ()
        for index, name in enumerate(names)
    }


@given(graphs())
def test_every_need_stands_further_left(needs: Mapping[str, tuple[str, ...]]) -> None:
    layers = Layers(needs=needs, box_height=BOX, line_height=LINE, gap=GAP)

    assert all(layers.place[need].layer < layers.place[name].layer for name, found in needs.items() for need in found)


@given(graphs())
def test_boxes_and_lines_of_a_column_keep_their_gap(needs: Mapping[str, tuple[str, ...]]) -> None:
    layers = Layers(needs=needs, box_height=BOX, line_height=LINE, gap=GAP)

    columns: dict[int, list[tuple[float, float]]] = {}
    for point, middle in layers.middle.items():
        half = (BOX if point.is_box else LINE) / 2
        columns.setdefault(point.layer, []).append((middle - half, middle + half))
    for column in columns.values():
        column.sort()
        assert all(below[0] - above[1] >= GAP - 1e-6 for above, below in itertools.pairwise(column))


@given(graphs())
def test_every_line_passes_each_column_between_its_boxes_once(needs: Mapping[str, tuple[str, ...]]) -> None:
    layers = Layers(needs=needs, box_height=BOX, line_height=LINE, gap=GAP)

    assert len(layers.lines) == sum(len(set(found)) for found in needs.values())
    for line in layers.lines:
        assert line[0].is_box
        assert line[-1].is_box
        assert [point.layer for point in line] == list(range(line[0].layer, line[-1].layer + 1))


@given(graphs())
def test_everything_lies_within_the_height(needs: Mapping[str, tuple[str, ...]]) -> None:
    layers = Layers(needs=needs, box_height=BOX, line_height=LINE, gap=GAP)

    for point, middle in layers.middle.items():
        half = (BOX if point.is_box else LINE) / 2
        assert middle - half >= -1e-6
        assert middle + half <= layers.height + 1e-6
