"""What a comparison has counted, and that it adds up; pure."""

from dataclasses import dataclass

from reconciliation.core.record import Side


@dataclass(slots=True)
class Counts:
    """Rows of each side, and keys by what came of them.

    rows = equal + differing + only on this side + repeats of its keys, for each side.
    """

    left_rows: int = 0
    right_rows: int = 0
    left_repeats: int = 0
    right_repeats: int = 0
    equal: int = 0
    differing: int = 0
    only_left: int = 0
    only_right: int = 0

    def read(self, side: Side, *, rows: int) -> None:
        """This will count the rows of one key."""
        if side is Side.LEFT:
            self.left_rows += rows
            self.left_repeats += rows - 1
        else:
            self.right_rows += rows
            self.right_repeats += rows - 1

    def skip(self, *, rows: int) -> None:
        """This will count rows that are the same on both sides and were not read."""
        self.left_rows += rows
        self.right_rows += rows
        self.equal += rows

    def adds_up(self) -> bool:
        """This will tell whether every row that was read came to something, once.

        >>> Counts(left_rows=3, right_rows=1, left_repeats=1, equal=1, only_left=1).adds_up()
        True
        """
        both = self.equal + self.differing
        return (
            self.left_rows == both + self.only_left + self.left_repeats
            and self.right_rows == both + self.only_right + self.right_repeats
        )
