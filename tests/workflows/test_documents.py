"""Documents of any encoding and any origin."""

import json
import time

import pytest

from sd2_depth2img.workflows import damage, documents
from sd2_depth2img.workflows.graph import parse_workflow, read_workflow
from sd2_depth2img.workflows.problems import WorkflowError

TEXT = {"1": {"class_type": "PrimitiveString", "inputs": {"value": "Ein Café — 10 €"}}}


def written(tmp_path, data):
    file = tmp_path / "a.json"
    file.write_bytes(data)
    return file


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"]
)
def test_encodings_of_windows(tmp_path, caplog, encoding):
    """PowerShell's > writes UTF-16 with a mark, an old Notepad the code page."""
    data = json.dumps(TEXT, ensure_ascii=False).encode(encoding)
    assert read_workflow(written(tmp_path, data)).prompt == TEXT
    assert ("read as Windows-1252" in caplog.text) is (encoding == "cp1252")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"1": "\x81"}', "is no text in UTF-8, UTF-16 or Windows-1252; expected JSON, or a PNG"),
        (b"\xff\xd8\xff\xe0\0\x10JFIF\x81", "is no text in UTF-8"),
        (b"\xff\xfe{\x00\x00\xd8{", "is damaged"),
        (b"[" * 100_000, "more than 100 deep"),
        (b"[" * 101 + b"]" * 101, "more than 100 deep"),
        (b'{"a": ' * 101 + b"1" + b"}" * 101, "more than 100 deep"),
        (b'{"1": {}, "1": {}}', "the name '1' stands twice"),
        (b"{%s}" % b",".join(b'"%d":0' % at for at in (*range(200_000), 199_999)), "'199999' st"),
        (b'{"1": ' + b"9" * 5000 + b"}", "4300 digits"),
        (b"[" + b"[]," * documents.MAX_PARTS + b"[]]", "holds 1,000,002 lists and objects"),
        (b" " * (documents.MAX_BYTES + 1), "33,554,432 at most"),
        (b"", "is not JSON"),
    ],
)
def test_what_is_refused_names_the_file(tmp_path, data, said):
    start = time.process_time()
    with pytest.raises(WorkflowError, match=r"a\.json") as caught:
        read_workflow(written(tmp_path, data))
    assert said in str(caught.value)
    assert time.process_time() - start < 10


def test_a_problem_at_no_node_names_the_file(tmp_path):
    with pytest.raises(WorkflowError, match=r"a\.json: this is no workflow"):
        read_workflow(written(tmp_path, b"[]"))


def subgraph(name, kinds):
    nodes = [{"id": at, "type": kind} for at, kind in enumerate(kinds)]
    return {"id": name, "nodes": nodes, "links": []}


def refused(definitions):
    drawn = {"nodes": [{"id": 1, "type": "s0"}], "links": []}
    with pytest.raises(WorkflowError) as caught:
        parse_workflow({**drawn, "definitions": {"subgraphs": definitions}})
    return str(caught.value)


def test_subgraphs_that_open_without_end_are_refused_before_they_are_opened():
    tenfold = [subgraph(f"s{at}", [f"s{at + 1}"] * 10) for at in range(12)]
    assert "1,000,000,000 or more nodes; 20,000 can be run" in refused(tenfold)
    deep = [subgraph(f"s{at}", [f"s{at + 1}"]) for at in range(5000)]
    assert "lie 5000 deep in each other" in refused(deep)
    circle = [*deep, subgraph("s5000", ["s4000"])]
    assert "contains itself" in refused(circle)
    within = [subgraph(f"s{at}", [f"s{at + 1}"] * 10) for at in range(3)]
    drawn = {"nodes": [{"id": 1, "type": "s0"}], "links": []}
    workflow = parse_workflow({**drawn, "definitions": {"subgraphs": within}})
    assert len(workflow.prompt) == 1000


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ({"1": {"class_type": "A", "inputs": {}, "_meta": "x"}}, "node 1 has 'x' as its _meta"),
        ({"1": {"class_type": "A", "inputs": {}}, "2": 5}, "node 2 has no class_type"),
        ({str(at): {"class_type": "A", "inputs": {}} for at in range(20_001)}, "20,001 nodes"),
    ],
)
def test_damage_of_the_api_format(prompt, said):
    with pytest.raises(WorkflowError) as caught:
        parse_workflow(prompt)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"title": 5}, "node 1 of the canvas has the title 5"),
        ({"properties": []}, None),
        ({"properties": [1]}, "has the properties"),
        ({"outputs": [5]}, "has outputs that are no list"),
        ({"outputs": [{"links": [[1]]}]}, "has an output with the links"),
        ({"inputs": [{"name": "a", "link": [1]}]}, "has inputs or values that are no lists"),
        ({"inputs": [{"name": "a", "widget": {"name": 1}}]}, "has inputs or values"),
    ],
)
def test_damage_of_the_canvas(part, said):
    found = damage.damage({"nodes": [{"id": 1, "type": "A", **part}], "links": []})
    assert [said in str(problem) for problem in found] == ([] if said is None else [True])


def test_two_nodes_of_one_id():
    nodes = [{"id": 1, "type": "A"}, {"id": "1", "type": "B"}]
    (problem,) = damage.damage({"nodes": nodes, "links": []})
    assert "2 nodes of the canvas have the id 1" in str(problem)
