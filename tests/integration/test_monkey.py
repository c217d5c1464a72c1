"""Whatever people and processes do to runs, in any order and beside each other: at the end every law holds."""

from pathlib import Path

import pytest

from tests.monkey import playing

pytestmark = pytest.mark.usefixtures("database")
MOVES = 150


@pytest.mark.parametrize("seed", range(1, 5))
def test_laws_hold_whatever_is_done(seed: int, tmp_path: Path) -> None:
    game = playing.play(seed=seed, moves=MOVES, directory=tmp_path)

    assert not game.breaches, "\n".join([*game.story, *game.breaches])
    assert game.runs >= 12
