"""Images side by side in rows and columns, with labels above and at the left."""

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from .crop import check_opaque
from .lettering import MARGIN, PAPER, Label, Lettering
from .sizes import common_size

# Width of the row labels before they are wrapped, in font sizes: two or three words.
ROW_LABEL_WIDTH = 10
MOST_PIXELS = 1 << 25  # of a grid that is mostly labels


def comparison_grid(
    cells: Sequence[Tensor],
    columns: int = 0,
    column_labels: Sequence[str] = (),
    row_labels: Sequence[str] = (),
    font_size: int = 16,
) -> Tensor:
    """Lay cells out row by row on white paper: float32 `[1, H', W', 3]` on the first cell's device.

    Args:
        cells: float32 `[H, W, 3]`, all of one size, for whole rows; copied bit for bit.
        columns: cells in a row; 0 = as many as column labels or, without these, all cells.
        column_labels: one for each column, or none; wrapped to the cells' width.
        row_labels: one for each row, or none; wrapped to `ROW_LABEL_WIDTH`.
        font_size: of the labels, in pixels.
    """
    for index, cell in enumerate(cells):
        _check_rgb(cell, f"{index} of {len(cells)} (counted from 0)")
    height, width = common_size((cell.shape[0], cell.shape[1]) for cell in cells)
    columns = columns or len(column_labels) or len(cells)
    rows = _whole_rows(len(cells), columns)
    _check_labels(column_labels, columns, "column")
    _check_labels(row_labels, rows, "row")
    letters = Lettering(font_size)
    above = [letters.label(text, width) for text in column_labels]
    beside = [letters.label(text, ROW_LABEL_WIDTH * font_size) for text in row_labels]
    label_width, high = _largest(above)
    wide, label_height = _largest(beside)
    cell_width, cell_height = max(width, label_width), max(height, label_height)
    lefts, tops = _edges(columns, cell_width, wide), _edges(rows, cell_height, high)
    _check_paper(lefts[-1], tops[-1], len(cells) * width * height)
    paper = Image.new("RGB", (lefts[-1], tops[-1]), PAPER)
    # There may be no labels, and the last edge begins no cell.
    for label, left in zip(above, lefts, strict=False):
        letters.write(paper, label, left + (cell_width - label.width) // 2, MARGIN, "center")
    for label, top in zip(beside, tops, strict=False):
        letters.write(paper, label, MARGIN, top + (cell_height - label.height) // 2, "left")
    # The cells are laid on as tensors: on Pillow's paper they would be rounded to 8 bits.
    grid = torch.from_numpy(np.array(paper)).to(cells[0].device, torch.float32) / 255.0
    for index, cell in enumerate(cells):
        left = lefts[index % columns] + (cell_width - width) // 2
        top = tops[index // columns] + (cell_height - height) // 2
        grid[top : top + height, left : left + width] = cell
    return grid.unsqueeze(0)  # HWC -> BHWC


def _check_rgb(cell: Tensor, which: str) -> None:
    if cell.ndim != 3 or cell.shape[-1] != 3:
        expected = "expected RGB, [height, width, 3]"
        check_opaque(cell, expected, f"image {which}")
        raise ValueError(f"image {which} has shape {list(cell.shape)}; {expected}")


def _whole_rows(cells: int, columns: int) -> int:
    if columns < 1:
        raise ValueError(
            f"{columns} columns have no place for an image; expected 1 or more, or 0 for as many "
            "as there are column labels"
        )
    rows, rest = divmod(cells, columns)
    if rest:
        raise ValueError(
            f"{cells} images do not fill rows of {columns} columns: {rest} would stand in the "
            "last row; set the number of columns, or that of the column labels, so that it does"
        )
    return rows


def _check_labels(labels: Sequence[str], count: int, kind: str) -> None:
    if labels and len(labels) != count:
        raise ValueError(
            f"found {len(labels)} {kind} labels for {count} {kind}s; expected {count}, one for "
            f"each {kind}, or none"
        )


def _check_paper(width: int, height: int, images: int) -> None:
    """A label may be a whole book. `images` is how many pixels the cells have."""
    if width * height > max(MOST_PIXELS, 4 * images):
        raise ValueError(
            f"with its labels the grid would have {width} x {height} pixels; shorten the labels or "
            "choose a smaller font size"
        )


def _largest(labels: Sequence[Label]) -> tuple[int, int]:
    """Width and height."""
    sizes = [(label.width, label.height) for label in labels] or [(0, 0)]
    return max(width for width, _ in sizes), max(height for _, height in sizes)


def _edges(count: int, side: int, labels: int) -> list[int]:
    """Where each of `count` cells of `side` pixels begins, after `labels` pixels of labels, and
    where the paper ends.
    """
    first = MARGIN + (labels + MARGIN if labels else 0)
    return [first + index * (side + MARGIN) for index in range(count + 1)]
