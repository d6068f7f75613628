"""The items of a list."""

import pytest

from sd2_depth2img.batches.lists import read_list
from sd2_depth2img.batches.problems import UnusableInput
from sd2_depth2img.batches.sources import read_items


@pytest.fixture
def listed(tmp_path):
    """Writes a list, and reads its items."""

    def write(content, name="list.csv", encoding="utf-8"):
        path = tmp_path / name
        path.write_bytes(content.encode(encoding) if isinstance(content, str) else content)
        return read_list(path)

    return write


def test_columns_are_what_changes(tmp_path, picture, listed):
    cup, depth, mask = picture("photos/cup.jpg"), picture("z.png"), picture("m.png")
    items = listed(
        "image,depth,mask,prompt,negative,seed,steps,name,SD2DepthSampler.denoise\n"
        'photos/cup.jpg,z.png,m.png,"a cup, red",blurry,7,3,made/red,0.5\n'
        "photos\\cup.jpg,,,,,random,,made/plain,\n"
    )
    first, second = items
    assert first.name == "made/red"
    given = first.changes.given()
    assert given == {
        "image": str(cup),
        "depth": str(depth),
        "mask": str(mask),
        "prompt": "a cup, red",
        "negative": "blurry",
        "seed": 7,
        "steps": 3,
        "assignments": ("SD2DepthSampler.denoise=0.5",),
    }
    assert dict(first.files) == {"image": cup, "depth": depth, "mask": mask}
    assert second.changes.given() == {"image": str(cup)}
    assert (second.draws_seed, first.draws_seed) == (True, False)


def test_a_name_follows_the_picture_below_the_list(picture, listed):
    picture("a/cup.jpg")
    elsewhere = picture("b/bowl.jpg")
    items = listed(f"image\na/cup.jpg\n{elsewhere}\n")
    assert [item.name for item in items] == ["a/cup", "bowl"]


def test_rows_without_a_file_are_called_after_the_list(listed):
    items = listed("prompt;seed\na cup;1\n\na bowl;2\n", name="cups.csv")
    assert [item.name for item in items] == ["cups-00001", "cups-00002"]
    assert [item.changes.prompt for item in items] == ["a cup", "a bowl"]


@pytest.mark.parametrize(
    ("content", "encoding"),
    [("prompt;seed\nküche;1\n", "utf-8-sig"), ("prompt\tseed\nküche\t1\n", "utf-16")],
)
def test_what_spreadsheets_save_is_read(listed, content, encoding):
    (item,) = listed(content, encoding=encoding)
    assert (item.changes.prompt, item.changes.seed) == ("küche", 1)


def test_a_file_in_a_column_of_a_node_is_a_source_and_other_words_are_not(picture, listed):
    style = picture("style.png")
    (item,) = listed("prompt,12.image,13.text\nx,style.png,nowhere.png\n")
    assert item.changes.assignments == (f"12.image={style}", "13.text=nowhere.png")
    assert dict(item.files) == {"12.image": style}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("image,seed\ngone.png,1\n", "there is no image file"),
        ("prompt,seed\nx,seven\n", "the seed 'seven' is neither"),
        ("prompt,steps\nx,many\n", "the steps 'many' are no whole number"),
    ],
)
def test_a_row_that_cannot_be_used_fails_alone(listed, content, problem):
    (item,) = listed(content)
    assert problem in item.problem


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is empty"),
        ("prompt\n", "has no rows"),
        ("picture,prompt\na,b\n", "has a column 'picture'; expected image, depth"),
        ("seed,seed\n1,2\n", "two columns 'seed'"),
        ("prompt,seed\na,1,2\n", "line 2: 3 cells for 2 columns"),
        ('prompt,seed\n"a,1\n', "unexpected end of data"),
        ("prompt,name\na,../x\n", "leads outside the output folder"),
        ("prompt,name\na,x\nb,x\n", "row 1 and row 2 would both be written as x,"),
        ("image\na.png\na.png\n", "give them different ones in a column called name"),
    ],
)
def test_a_list_that_cannot_be_used_is_refused(listed, content, problem):
    with pytest.raises(UnusableInput, match=problem):
        listed(content)


def test_folders_of_depths_are_for_folders(tmp_path, listed):
    (tmp_path / "list.csv").write_text("prompt\na\n")
    with pytest.raises(UnusableInput, match="in a list, name them in a column"):
        read_items(tmp_path / "list.csv", depths=tmp_path)
    assert len(read_items(tmp_path / "list.csv")) == 1
