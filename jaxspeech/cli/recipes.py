"""Finds and lists the recipes that come with the package."""

import ast
from pathlib import Path

import jaxspeech
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.runtime.platform import split_argument, without_drive

FOLDER = Path(jaxspeech.__file__).parent / "configs"
DEFAULT = "quickstart"


def find_recipe(given: str) -> str:
    """The path of a recipe, with its size if given, in the form that ml_collections takes.

    Args:
      given: FILE.py, a user's file; or configs/NAME.py, NAME.py or NAME, a recipe of this package; then, after a
        colon, the argument of the recipe's get_config: usually a size.

    Raises:
      ConfigError: neither a file nor a recipe has this name.
    """
    path, size = split_argument(given)
    if Path(path).is_file():
        return _without_drive(path) + size
    name = Path(path.removeprefix("configs/")).with_suffix("") if path.endswith(".py") else Path(path)
    known = recipes()
    if str(name) not in known:
        raise ConfigError(f"--config={given}: no such file, nor a recipe of that name{did_you_mean(name.name, known)}")
    return _without_drive(f"{FOLDER / name}.py") + size


def _without_drive(path: str) -> str:
    """The path without the colon of a Windows drive: ml_collections would take it for the one before the size."""
    try:
        return without_drive(path)
    except ValueError as error:
        raise ConfigError(f"{path}: is on a different drive than the current folder; change to that drive") from error


def recipes() -> dict[str, str]:
    """The first line of each recipe's docstring, by its name."""
    trees = {file.stem: ast.parse(file.read_text(encoding="utf-8")) for file in sorted(FOLDER.glob("*.py"))}
    return {name: (ast.get_docstring(tree) or "").split("\n")[0] for name, tree in trees.items() if _is_recipe(tree)}


def _is_recipe(tree: ast.Module) -> bool:
    return any(isinstance(node, ast.FunctionDef) and node.name == "get_config" for node in tree.body)
