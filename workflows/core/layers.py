"""Places a graph on layers: who stands in which column and how high; pure geometry, it draws nothing.

Columns follow the longest way from a start. Lines over several columns get a point in each, so that they
pass beside the boxes. Crossings are reduced by ordering each column by the mean of its neighbours, as in
Sugiyama's method; heights are the least-squares fit to the neighbours that keeps the order and the gaps.
"""

import graphlib
import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

_SWEEPS = 4


class Point(NamedTuple):
    """A box, or the place where the line `name` passes layer `layer`."""

    name: str
    layer: int
    is_box: bool


class Layers:
    """The layout of a graph. `place` gives the point of each box, `middle` each point's height.

    `lines` lists the points of every line from box to box. Raises `graphlib.CycleError` when boxes wait for
    each other; needs that are no box are left out.
    """

    def __init__(
        self, *, needs: Mapping[str, Sequence[str]], box_height: float, line_height: float, gap: float
    ) -> None:
        known = {name: [need for need in dict.fromkeys(found) if need in needs] for name, found in needs.items()}
        self.place: Mapping[str, Point] = _place(known)
        self.lines: Sequence[tuple[Point, ...]] = _lines(known, place=self.place)
        self._size = {True: box_height, False: line_height}
        self._gap = gap
        self._before: dict[Point, list[Point]] = {}
        self._behind: dict[Point, list[Point]] = {}
        columns: dict[int, list[Point]] = {}
        for point in dict.fromkeys([*self.place.values(), *(point for line in self.lines for point in line)]):
            columns.setdefault(point.layer, []).append(point)
            self._before[point], self._behind[point] = [], []
        for line in self.lines:
            for left, right in itertools.pairwise(line):
                self._before[right].append(left)
                self._behind[left].append(right)
        self._columns = [columns[layer] for layer in sorted(columns)]
        self.count = len(self._columns)
        self._order()
        self.middle: Mapping[Point, float] = self._heights()
        self.height = max((self.middle[point] + self._size[point.is_box] / 2 for point in self.middle), default=0.0)

    def _order(self) -> None:
        for sweep in range(2 * _SWEEPS):
            forward = sweep % 2 == 0
            neighbours = self._before if forward else self._behind
            rank = {point: index for column in self._columns for index, point in enumerate(column)}
            for column in self._columns if forward else reversed(self._columns):
                centre = {point: _mean([rank[other] for other in neighbours[point]]) for point in column}
                column.sort(key=lambda point: rank[point] if centre[point] is None else centre[point] or 0.0)
                rank.update({point: index for index, point in enumerate(column)})

    def _heights(self) -> Mapping[Point, float]:
        middle: dict[Point, float] = {}
        for column in self._columns:
            middle.update(self._fit(column, wanted=[0.0] * len(column)))
        for sweep in range(2 * _SWEEPS):
            forward = sweep % 2 == 0
            neighbours = self._before if forward else self._behind
            for column in self._columns if forward else reversed(self._columns):
                wanted = []
                for point in column:
                    centre = _mean([middle[other] for other in neighbours[point]])
                    wanted.append(middle[point] if centre is None else centre)
                middle.update(self._fit(column, wanted=wanted))
        top = min((middle[point] - self._size[point.is_box] / 2 for point in middle), default=0.0)
        return {point: height - top for point, height in middle.items()}

    def _fit(self, column: Sequence[Point], *, wanted: Sequence[float]) -> Mapping[Point, float]:
        """Pool adjacent violators: the closest heights to those wanted that keep the order and the gaps."""
        offsets = [0.0]
        for above, below in itertools.pairwise(column):
            half = (self._size[above.is_box] + self._size[below.is_box]) / 2
            offsets.append(offsets[-1] + half + self._gap)
        pools: list[tuple[float, int]] = []
        for value in (want - offset for want, offset in zip(wanted, offsets, strict=True)):
            pool = (value, 1)
            while pools and pools[-1][0] > pool[0]:
                mean, size = pools.pop()
                total = size + pool[1]
                pool = ((mean * size + pool[0] * pool[1]) / total, total)
            pools.append(pool)
        level = [mean for mean, size in pools for _ in range(size)]
        return {point: base + offset for point, base, offset in zip(column, level, offsets, strict=True)}


def _place(needs: Mapping[str, Sequence[str]]) -> Mapping[str, Point]:
    found: dict[str, Point] = {}
    for name in graphlib.TopologicalSorter(needs).static_order():
        layer = 1 + max((found[need].layer for need in needs[name]), default=-1)
        found[name] = Point(name, layer, True)
    return {name: found[name] for name in needs}


def _lines(needs: Mapping[str, Sequence[str]], *, place: Mapping[str, Point]) -> Sequence[tuple[Point, ...]]:
    """Lines that leave the same box share their points, like a bundle."""
    return [
        (
            place[need],
            *(Point(need, layer, False) for layer in range(place[need].layer + 1, place[name].layer)),
            place[name],
        )
        for name in needs
        for need in needs[name]
    ]


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
