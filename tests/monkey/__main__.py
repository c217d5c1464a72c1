"""Plays many games of the monkey; exit code 1 when a law was broken in any, with the story of that game.

    make monkey SEED=7
    python -m config.private_services -- python -m tests.monkey --seeds 1-60 --moves 400

All games share one database on the private servers; each looks only at its own runs.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.support import environment

environment.set_up_django()  # before the modules below import a model

from tests.chaos.__main__ import read_range  # noqa: E402
from tests.monkey import playing  # noqa: E402
from tests.monkey.playing import Game  # noqa: E402
from tests.support import database  # noqa: E402


def main(argv: Sequence[str]) -> int:
    """This will play once for each seed and return 1 when any law was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.monkey", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="which game; the same seed draws the same moves")
    parser.add_argument("--seeds", type=read_range, default=None, help="one game after the other, as 1-60")
    parser.add_argument("--moves", type=int, default=400, help="how many moves a game has")
    options = parser.parse_args(argv)
    environment.control_path()
    database.make()
    try:
        games = {seed: _played(seed, moves=options.moves) for seed in options.seeds or [options.seed]}
    finally:
        database.drop()
    print(_tally(games))
    return 0 if all(game.is_clean for game in games.values()) else 1


def _played(seed: int, *, moves: int) -> Game:
    began_at = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        game = playing.play(seed=seed, moves=moves, directory=Path(directory))
    took_s = time.monotonic() - began_at
    breaches = sum(len(found) for found in game.breaches.values())
    print(f"seed {seed}: {game.runs} runs, {breaches} breaches in {took_s:.0f} s", flush=True)
    if not game.is_clean:
        print(game.told, flush=True)
    return game


def _tally(games: dict[int, Game]) -> str:
    """What was played, and the breaches of each law over all games."""
    moves: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for game in games.values():
        moves.update(game.moves)
        refused.update(game.refused)
    laws = {law: sum(len(game.breaches[law]) for game in games.values()) for law in next(iter(games.values())).breaches}
    width = max(len(law) for law in laws)
    return "\n".join(
        [
            f"{len(games)} games, {sum(game.runs for game in games.values())} runs, {moves.total()} moves",
            "moves: " + ", ".join(f"{count} {name}" for name, count in moves.most_common()),
            "refused: " + ", ".join(f"{count} {name}" for name, count in refused.most_common()),
            *(f"  {law:<{width}} {count:>6}" for law, count in laws.items()),
            f"{sum(laws.values())} breaches of {len(laws)} laws; seeds {list(games)}",
        ]
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
