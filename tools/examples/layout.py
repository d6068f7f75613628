"""Where the groups and nodes of a page stand.

Notes fill a column at the left, because a newcomer reads them first. Beside them groups stand in
rows from left to right; in a group columns from left to right, in a column nodes from top to
bottom. The page opens a template at three quarters of the window's size, so all of it has to fit
into LARGEST for titles to be readable.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from .node import Node

MARGIN = 12
TITLE = 30  # a node's title bar lies above its position
GROUP_TITLE = 36
GAP = 14  # between groups
LARGEST = (1826, 1133)  # of all nodes: what a window of 1600 x 1000 shows at a scale of 0.65


@dataclass
class Column:
    """Nodes of one width, one below the other."""

    width: int
    nodes: list[Node] = field(default_factory=list)

    @property
    def height(self) -> int:
        """With the title bars and a margin below each node."""
        return sum(TITLE + node.height + MARGIN for node in self.nodes)

    def widen(self, by: int) -> None:
        """Make all nodes wider."""
        self.width += by
        for node in self.nodes:
            node.width += by


@dataclass
class Group:
    """A titled box with columns of nodes."""

    title: str
    colour: str
    columns: list[Column] = field(default_factory=list)
    bounding: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def width(self) -> int:
        """Of the box around all columns."""
        return MARGIN + sum(column.width + MARGIN for column in self.columns)

    @property
    def height(self) -> int:
        """Of the box around the longest column."""
        return GROUP_TITLE + max(column.height for column in self.columns)


def lay_out(notes: Group | None, rows: Sequence[Sequence[Group]]) -> None:
    """Put every group and node in its place; all rows end at the same right edge."""
    rows = [row for row in rows if row]
    left = MARGIN
    heights = [max(group.height for group in row) for row in rows]
    if notes is not None:
        height = max(notes.height, sum(heights) + GAP * (len(rows) - 1))
        heights[-1] += height - (sum(heights) + GAP * (len(rows) - 1))
        notes.bounding = (left, MARGIN, notes.width, height)
        _arrange(notes)
        left += notes.width + GAP
    right = max(sum(group.width + GAP for group in row) for row in rows)
    top = MARGIN
    for row, height in zip(rows, heights, strict=True):
        row[-1].columns[-1].widen(right - sum(group.width + GAP for group in row))
        x = left
        for group in row:
            group.bounding = (x, top, group.width, height)
            _arrange(group)
            x += group.width + GAP
        top += height + GAP


def _arrange(group: Group) -> None:
    """Put the nodes into their group's box."""
    left, top = group.bounding[0] + MARGIN, group.bounding[1] + GROUP_TITLE
    for column in group.columns:
        y = top
        for node in column.nodes:
            node.pos = (left, y + TITLE)
            y += TITLE + node.height + MARGIN
        left += column.width + MARGIN
