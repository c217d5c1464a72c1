"""Draws the graph of a workflow as SVG, layer by layer from left to right; it never does I/O.

The drawing carries classes: the page's style sheet says how a state looks. Every text is escaped.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

from workflows.core.layers import Layers, Point

_WIDTH = 166
_HEIGHT = 48
_THIN = 14
_GAP_X = 44
_GAP_Y = 20
_MARGIN = 8
_FITS = 7  # columns that still can be read when the page shrinks them to its width
_LABEL_CHARS = 18
_KIND_CHARS = 21
_GLYPHS: Mapping[str, str] = {
    "succeeded": "M2 6.5 5 9.5 10 3",
    "failed": "M3 3 9 9M9 3 3 9",
    "upstream_failed": "M3 3 9 9M9 3 3 9",
    "cancelled": "M2.5 6H9.5",
    "skipped": "M2.5 3 6 6 2.5 9M6.5 3 10 6 6.5 9",
    "running": "M4 2.5 9.5 6 4 9.5Z",
    "ready": "M6 2.5V6H9",
    "retrying": "M9.5 4A4 4 0 1 0 10 7M9.8 1.5V4.2H7",
    "waiting": "M6 2.5V6H9",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One box: a step, what it waits for and how it looks.

    `state` names its colour and sign, `kind` is its second line, `badge` a short text in its corner, `note`
    what a pointer over it shows. `is_stack` draws several boxes behind each other: a `for_each`.
    """

    id: str
    needs: tuple[str, ...] = ()
    kind: str = ""
    state: str = ""
    badge: str = ""
    note: str = ""
    href: str = ""
    is_stack: bool = False


def draw(nodes: Sequence[Node], *, label: str) -> str:
    """This will draw the boxes and the arrows between them; needs that are no box are left out.

    Raises `graphlib.CycleError` when boxes wait for each other.

    >>> draw([Node(id="charge"), Node(id="book", needs=("charge",))], label="orders").count("<rect")
    4
    """
    layers = Layers(needs={node.id: node.needs for node in nodes}, box_height=_HEIGHT, line_height=_THIN, gap=_GAP_Y)
    by_id = {node.id: node for node in nodes}
    width = 2 * _MARGIN + max(1, layers.count) * (_WIDTH + _GAP_X) - _GAP_X + 8
    height = 2 * _MARGIN + layers.height + 8
    kind = "ae-graph is-wide" if layers.count > _FITS else "ae-graph"
    edges = [_edge(points, layers=layers, by_id=by_id) for points in layers.lines]
    boxes = [_box(node, x=_left(layers.place[node.id]), y=_middle(layers, node.id)) for node in nodes]
    return (
        f'<svg class="{kind}" xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escape(label)}" '
        f'width="{width}" height="{height:.0f}" viewBox="0 0 {width} {height:.0f}">'
        f"{''.join(edges)}{''.join(boxes)}</svg>"
    )


def _left(point: Point) -> float:
    return _MARGIN + point.layer * (_WIDTH + _GAP_X)


def _middle(layers: Layers, name: str) -> float:
    return _MARGIN + 4 + layers.middle[layers.place[name]]


def _edge(points: Sequence[Point], *, layers: Layers, by_id: Mapping[str, Node]) -> str:
    """A smooth line from box to box, level where it passes other layers."""
    source, target = by_id[points[0].name], by_id[points[-1].name]
    y = _MARGIN + 4 + layers.middle[points[0]]
    path = [f"M{_left(points[0]) + _WIDTH:.0f} {y:.1f}"]
    for before, point in itertools.pairwise(points):
        start_x, end_x = _left(before) + _WIDTH, _left(point)
        end_y = _MARGIN + 4 + layers.middle[point]
        bend = (start_x + end_x) / 2
        path.append(f"C{bend:.0f} {y:.1f} {bend:.0f} {end_y:.1f} {end_x - 5:.0f} {end_y:.1f}")
        y = end_y
        if point is not points[-1]:
            path.append(f"H{_left(point) + _WIDTH:.0f}")
    tip = _left(points[-1])
    style = escape(f"ae-edge from-{source.state or 'none'} to-{target.state or 'none'}")
    return (
        f'<g class="{style}"><path fill="none" stroke="#94a3b8" d="{"".join(path)}"/>'
        f'<path stroke="none" fill="#94a3b8" d="M{tip:.0f} {y:.1f}l-7 -4v8z"/></g>'
    )


def _box(node: Node, *, x: float, y: float) -> str:
    top = y - _HEIGHT / 2
    state = escape(node.state or "none")
    shape = [
        (
            f'<rect class="ae-box" x="{x:.0f}" y="{top:.1f}" width="{_WIDTH}" height="{_HEIGHT}" rx="7" '
            'fill="#fff" stroke="#94a3b8"/>'
        ),
        f'<rect class="ae-stripe" x="{x:.0f}" y="{top + 8:.1f}" width="4" height="{_HEIGHT - 16}" rx="2"/>',
    ]
    if node.is_stack:
        shape.insert(
            0,
            f'<rect class="ae-box ae-behind" x="{x + 5:.0f}" y="{top + 5:.1f}" width="{_WIDTH}" '
            f'height="{_HEIGHT}" rx="7" fill="#fff" stroke="#94a3b8"/>',
        )
    inside = "".join([f"<title>{escape(_title(node))}</title>", *shape, *_texts(node, x=x, top=top)])
    if node.href:
        inside = f'<a href="{escape(node.href)}">{inside}</a>'
    return f'<g class="ae-node is-{state}">{inside}</g>'


def _texts(node: Node, *, x: float, top: float) -> Sequence[str]:
    glyph = _GLYPHS.get(node.state)
    start = x + (32 if glyph else 14)
    middle = top + _HEIGHT / 2
    label_y = middle - 3 if node.kind or node.badge else middle + 4
    label = escape(_short(node.id, chars=_LABEL_CHARS))
    parts = [f'<text class="ae-name" font-size="13" x="{start:.0f}" y="{label_y:.1f}">{label}</text>']
    if glyph:
        parts.append(
            f'<path class="ae-glyph" fill="none" stroke="currentColor" transform="translate({x + 13:.0f} '
            f'{middle - 6:.1f})" d="{glyph}"/>'
        )
    if node.kind:
        kind = escape(_short(node.kind, chars=_KIND_CHARS - (len(node.badge) + 1 if node.badge else 0)))
        parts.append(f'<text class="ae-kind" font-size="11" x="{start:.0f}" y="{middle + 13:.1f}">{kind}</text>')
    if node.badge:
        parts.append(
            f'<text class="ae-badge" font-size="11" text-anchor="end" x="{x + _WIDTH - 10:.0f}" '
            f'y="{middle + 13:.1f}">{escape(node.badge)}</text>'
        )
    return parts


def _title(node: Node) -> str:
    return "\n".join(part for part in (node.id, node.kind, node.note) if part)


def _short(text: str, *, chars: int) -> str:
    return text if len(text) <= chars else text[: chars - 1] + "…"
