"""The drawing of a graph: every box and arrow is there, and no text of a definition becomes markup."""

import graphlib
import xml.etree.ElementTree as ET

import pytest

from workflows.drawing import Node, draw

SVG = "{http://www.w3.org/2000/svg}"


def drawn(*nodes: Node) -> ET.Element:
    """This will draw nodes and read the result as the XML it must be."""
    return ET.fromstring(draw(nodes, label="test"))


def boxes(root: ET.Element) -> dict[str, tuple[float, float]]:
    """This will give the upper left corner of each box, by its name."""
    found = {}
    for group in root.iter(f"{SVG}g"):
        title = group.find(f".//{SVG}title")
        if title is not None and title.text is not None:
            rect = next(part for part in group.iter(f"{SVG}rect") if part.get("class") == "ae-box")
            found[title.text.split("\n")[0]] = (float(rect.get("x", "")), float(rect.get("y", "")))
    return found


def test_draw_puts_a_step_to_the_right_of_what_it_needs() -> None:
    places = boxes(drawn(Node(id="a"), Node(id="b", needs=("a",)), Node(id="c", needs=("a", "b"))))

    assert places["a"][0] < places["b"][0] < places["c"][0]


def test_draw_puts_parallel_steps_above_each_other_without_overlap() -> None:
    places = boxes(drawn(Node(id="a"), Node(id="b"), Node(id="c")))

    assert len({x for x, _ in places.values()}) == 1
    heights = sorted(y for _, y in places.values())
    assert heights[1] - heights[0] >= 48
    assert heights[2] - heights[1] >= 48


def test_draw_has_one_arrow_for_each_need_that_is_drawn() -> None:
    root = drawn(Node(id="a"), Node(id="b", needs=("a", "unknown")), Node(id="c", needs=("b", "a", "a")))

    arrows = [group for group in root.iter(f"{SVG}g") if (group.get("class") or "").startswith("ae-edge")]
    assert len(arrows) == 3


def test_draw_escapes_every_text() -> None:
    bad = '"><script>alert(1)</script>&'
    root = drawn(Node(id=bad, kind=bad, state=bad, badge=bad, note=bad, href=bad))

    assert not list(root.iter(f"{SVG}script"))
    assert root.find(f".//{SVG}a").get("href") == bad  # type: ignore[union-attr]  # it was given a link


def test_draw_shortens_long_names_and_keeps_them_in_the_title() -> None:
    name = "a-step-with-a-name-that-is-far-too-long-for-its-box"
    root = drawn(Node(id=name))

    assert [text.text for text in root.iter(f"{SVG}text")] == ["a-step-with-a-nam…"]
    assert name in boxes(root)


def test_draw_shows_a_state_as_class_and_sign() -> None:
    text = draw([Node(id="a", state="failed")], label="x")

    assert 'class="ae-node is-failed"' in text
    assert "ae-glyph" in text


def test_draw_stacks_boxes_for_many_items() -> None:
    assert "ae-behind" in draw([Node(id="a", is_stack=True)], label="x")


def test_draw_of_nothing_is_an_empty_picture() -> None:
    assert list(drawn()) == []


def test_draw_refuses_boxes_that_wait_for_each_other() -> None:
    with pytest.raises(graphlib.CycleError):
        draw([Node(id="a", needs=("b",)), Node(id="b", needs=("a",))], label="x")
