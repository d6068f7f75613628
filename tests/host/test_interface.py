"""Both hosts name their parameters as `Host` does; types and defaults are mypy's to check."""

import ast
import inspect
from pathlib import Path

import pytest

from sd2_depth2img.host import interface

PACK = Path(interface.__file__).parents[1]
PROMISED = {
    name: list(inspect.signature(method).parameters)[1:]
    for name, method in vars(interface.Host).items()
    if inspect.isfunction(method) and not name.startswith("_")
}


@pytest.mark.parametrize("file", ["host/comfyui.py", "engine/host.py"])
def test_parameters_have_the_promised_names(file):
    """Read from the source, as ComfyUI is not there."""
    functions = {
        node.name: [argument.arg for argument in node.args.args]
        for node in ast.parse((PACK / file).read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }
    assert functions
    assert functions == {name: PROMISED[name] for name in functions}
