"""Both hosts name their parameters as `Host` does; types and defaults are mypy's to check."""

import ast
import inspect
from pathlib import Path

from sd2_depth2img.engine import host
from sd2_depth2img.host import interface

PACK = Path(interface.__file__).parents[1]
PROMISED = {
    name: list(inspect.signature(method).parameters)[1:]
    for name, method in vars(interface.Host).items()
    if inspect.isfunction(method) and not name.startswith("_")
}


def test_the_engines_parameters_have_the_promised_names():
    for name, promised in PROMISED.items():
        found = list(inspect.signature(getattr(host, name)).parameters.values())
        assert [parameter.name for parameter in found[: len(promised)]] == promised
        assert all(parameter.default is not parameter.empty for parameter in found[len(promised) :])


def test_comfyuis_parameters_have_the_promised_names():
    """Read from the source, as ComfyUI is not there."""
    functions = {
        node.name: [argument.arg for argument in node.args.args]
        for node in ast.parse((PACK / "host" / "comfyui.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }
    assert functions
    assert functions == {name: PROMISED[name] for name in functions}
