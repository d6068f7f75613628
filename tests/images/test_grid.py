"""The comparison grid: every cell in its place bit for bit, every label beside its cells."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sd2_depth2img.images.grid import comparison_grid
from sd2_depth2img.images.lettering import MARGIN


def noise(count, height=20, width=30):
    """Cells of float32 values that no 8-bit image can hold, far outside 0..1 too."""
    generator = torch.Generator().manual_seed(count)
    return list(3 * torch.randn(count, height, width, 3, generator=generator))


def place(grid, cell):
    """Top and left of the one place where a cell lies in a grid, bit for bit."""
    height, width = cell.shape[:2]
    corners = (grid[0, :, :, 0] == cell[0, 0, 0]).nonzero().tolist()
    found = [
        (top, left)
        for top, left in corners
        if torch.equal(grid[0, top : top + height, left : left + width], cell)
    ]
    (one,) = found
    return one


def ink(grid):
    """Tops and lefts of pixels that are letters, on a grid of white cells."""
    return (grid[0].amax(-1) < 0.5).nonzero(as_tuple=True)


def white(count, size=40):
    return [torch.ones(size, size, 3)] * count


@given(rows=st.integers(1, 4), columns=st.integers(1, 5), labels=st.booleans())
@settings(deadline=None, max_examples=30)
def test_cells_lie_row_by_row_bit_for_bit(rows, columns, labels):
    cells = noise(rows * columns)
    above = [f"column {i}" for i in range(columns)] if labels else []
    beside = [f"row {i}" for i in range(rows)] if labels else []
    grid = comparison_grid(cells, columns, above, beside)
    assert grid.dtype == torch.float32
    places = [place(grid, cell) for cell in cells]
    tops, lefts = sorted({top for top, _ in places}), sorted({left for _, left in places})
    assert places == [(top, left) for top in tops for left in lefts]
    assert (len(tops), len(lefts)) == (rows, columns)
    assert grid.shape == (1, tops[-1] + 20 + MARGIN, lefts[-1] + 30 + MARGIN, 3) or labels
    if not labels:
        assert (tops[0], lefts[0]) == (MARGIN, MARGIN)
    paper = torch.ones(grid.shape[1:3], dtype=torch.bool)
    for top, left in places:
        paper[top : top + 20, left : left + 30] = False
    assert grid[0][paper].min() >= 0
    assert grid[0][paper].max() == 1.0
    assert (grid[0][paper].amin() < 0.5) == labels  # letters and nothing else


def test_the_columns_follow_from_the_labels_or_are_all_cells():
    cells = noise(6)
    assert place(comparison_grid(cells, 0), cells[5])[0] == MARGIN
    labelled = comparison_grid(cells, 0, ["a", "b", "c"])
    assert place(labelled, cells[3])[1] == place(labelled, cells[0])[1] == MARGIN
    assert place(labelled, cells[3])[0] > place(labelled, cells[2])[0]


def test_column_labels_stand_above_the_middle_of_their_columns():
    grid = comparison_grid(white(4), 2, ["", "H"])
    tops, lefts = ink(grid)
    first = MARGIN + 40 + MARGIN  # left of the second column
    assert abs(lefts.float().mean() - (first + 20)) < 2
    cells = noise(4, 40, 40)
    assert tops.max() < place(comparison_grid(cells, 2, ["", "H"]), cells[1])[0]


def test_row_labels_stand_left_of_the_middle_of_their_rows():
    cells = noise(4, 40, 40)
    left = place(comparison_grid(cells, 2, (), ["", "H"]), cells[2])[1]
    top = place(comparison_grid(cells, 2, (), ["", "H"]), cells[2])[0]
    tops, lefts = ink(comparison_grid(white(4), 2, (), ["", "H"]))
    assert lefts.max() < left
    assert lefts.min() >= MARGIN
    assert abs(tops.float().mean() - (top + 20)) < 5


def test_long_labels_are_wrapped_and_the_paper_grows():
    short, long = ["a"], ["a long text with a verylongwordthatfitsnowhere"]
    plain = comparison_grid(white(1), 1, short, short)
    high = comparison_grid(white(1), 1, long, short)
    assert high.shape[2] == plain.shape[2]
    assert high.shape[1] > plain.shape[1] + 40
    wide = comparison_grid(white(1), 1, short, long)
    assert wide.shape[2] - plain.shape[2] <= 160  # ten letters' heights, not the whole text
    assert wide.shape[2] - plain.shape[2] > 60


def test_a_row_label_higher_than_its_row_pushes_the_next_row_down():
    cells = noise(2, 8, 8)
    beside = ["one two three four five six seven eight", "nine"]
    grid = comparison_grid(cells, 1, (), beside)
    tops = [place(grid, cell)[0] for cell in cells]
    assert tops[1] - tops[0] > 2 * (8 + MARGIN)
    both = ink(comparison_grid(white(2, 8), 1, (), beside))[0]
    first = ink(comparison_grid(white(2, 8), 1, (), [beside[0], ""]))[0]
    assert first.max() < both.max()  # the second label is below the first
    assert len(both) > len(first)


def test_labels_grow_with_the_font_size():
    heights = []
    for size in (12, 24):
        tops = ink(comparison_grid(white(1, 200), 1, ["H"], (), size))[0]
        heights.append((tops.max() - tops.min()).item())
    assert heights[1] > 1.6 * heights[0]


def test_a_label_that_is_a_book_is_refused():
    with pytest.raises(ValueError, match="shorten the labels or choose a smaller font size"):
        comparison_grid(noise(1), row_labels=["a word " * 1000], font_size=256)


def test_the_cells_are_not_written_into():
    cells = noise(2)
    before = [cell.clone() for cell in cells]
    comparison_grid(cells, 1, ["a"], ["b", "c"]).zero_()
    assert all(map(torch.equal, cells, before))


def test_half_precision_cells_become_float32_without_loss():
    cells = [cell.half() for cell in noise(2)]
    place(comparison_grid(cells), cells[1].float())


@pytest.mark.parametrize(
    ("cells", "arguments", "message"),
    [
        ([], {}, "found no images"),
        ([*noise(1, 8, 9), *noise(1, 9, 8)], {}, "found 9 x 8, 8 x 9 .*one size"),
        ([torch.ones(8, 8, 4)], {}, r"image 0 of 1 .*\[8, 8, 4\]; expected RGB"),
        ([torch.ones(8, 8, 1)], {}, r"\[8, 8, 1\]; expected RGB"),
        ([torch.ones(8, 3)], {}, r"\[8, 3\]; expected RGB"),
        (noise(5), {"columns": 2}, "5 images do not fill rows of 2 columns: 1 would"),
        (noise(2), {"columns": 4}, "2 images do not fill rows of 4"),
        (noise(5), {"column_labels": ["a", "b"]}, "5 images do not fill rows of 2"),
        (noise(2), {"columns": -1}, "-1 columns"),
        (
            noise(4),
            {"columns": 2, "column_labels": ["a"] * 3},
            "found 3 column labels for 2 columns; expected 2",
        ),
        (noise(4), {"columns": 2, "row_labels": ["a"]}, "found 1 row labels for 2 rows"),
        (noise(1), {"font_size": 0}, "letters of 0 pixels"),
    ],
)
def test_what_makes_no_grid_is_refused(cells, arguments, message):
    with pytest.raises(ValueError, match=message):
        comparison_grid(cells, **arguments)
