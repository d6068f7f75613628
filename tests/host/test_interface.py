"""Both hosts offer the interface that host/__init__ promises, read from their source.

ComfyUI is not imported, so this runs everywhere.
"""

import ast
from pathlib import Path

import pytest

PACK = Path(__file__).parents[2]
HOSTS = ("host/comfyui.py", "engine/host.py")


def _tree(file: str) -> ast.Module:
    return ast.parse((PACK / file).read_text(encoding="utf-8"))


def _functions(file: str) -> dict[str, tuple[list[str], list[str]]]:
    """Public functions of a file: their parameters, and the defaults of the last of these."""
    return {
        node.name: (
            [argument.arg for argument in node.args.args],
            [ast.unparse(default) for default in node.args.defaults],
        )
        for node in _tree(file).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }


def _exported() -> set[str]:
    for node in _tree("host/__init__.py").body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return set(ast.literal_eval(node.value))
    raise AssertionError("host/__init__.py has no __all__")


def test_both_hosts_define_the_same_functions_with_the_same_parameters():
    comfyui, engine = (_functions(file) for file in HOSTS)
    assert comfyui == engine


@pytest.mark.parametrize("file", HOSTS)
def test_every_exported_function_is_defined_and_every_public_function_exported(file: str):
    assert set(_functions(file)) == _exported()


def test_both_branches_of_the_choice_import_the_whole_interface():
    (choice,) = (node for node in _tree("host/__init__.py").body if isinstance(node, ast.If))
    for branch in (choice.body, choice.orelse):
        (statement,) = branch
        assert isinstance(statement, ast.ImportFrom)
        assert {name.name for name in statement.names} == _exported()


def test_the_interface_is_documented():
    text = ast.get_docstring(_tree("host/__init__.py"))
    for name in _exported():
        assert f"{name}(" in text
