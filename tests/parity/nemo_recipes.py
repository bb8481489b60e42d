"""Compares NeMo's recipes: numbers of parameters, and outputs of small models in both directions."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import jax
from tqdm import tqdm

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo import load_nemo, save_nemo
from jaxspeech.interop.nemo.model_config import from_nemo
from tests.parity.both_ways import NEMO_PYTHON, Differences, restore_with_nemo, written
from tests.parity.own_models import random_batch

SCRIPT = Path(__file__).with_name("build_recipes.py")
HEADER = (
    "| NeMo's recipe | its parameters | here | read: outputs | text | written: outputs | text |",
    "|---|---:|---:|---:|---|---:|---|",
)


def recipes_table(folder: Path) -> str:
    """Makes the table of the recipes (.yaml) below `folder`, with NeMo's interpreter."""
    with tempfile.TemporaryDirectory() as temporary:
        made = Path(temporary)
        subprocess.run([NEMO_PYTHON, SCRIPT, folder, made], stdout=subprocess.DEVNULL, check=True)
        found = {path.stem: json.loads(path.read_text()) for path in sorted(made.glob("*.json"))}
        counts = {name: _parameters(notes) for name, notes in found.items()}
        files = {name: made / f"{name}.nemo" for name, count in counts.items() if isinstance(count, int)}
        compared = _read_and_written(files, made)
    lines = [_row(name, found[name], counts[name], *compared.get(name, ("", ""))) for name in found]
    return "\n".join([*HEADER, *lines]) + "\n"


def parameters_as_nemo(config: dict[str, Any]) -> int:
    """Counts the parameters of the model that we build from NeMo's configuration, as NeMo counts them.

    Raises:
      ArchiveError: it is not supported.
    """
    _, model = from_nemo(config)
    shapes = jax.eval_shape(build(model).init, jax.random.key(0))
    # NeMo's embedding has a row for the blank, which is zero.
    blank = model["decoder"]["width"] if model["task"] != "ctc" else 0
    return blank + sum(leaf.size for leaf in jax.tree.leaves(shapes["params"]))


def _parameters(notes: dict[str, Any]) -> int | str:
    if "failed" in notes:
        return f"NeMo: {_one_line(notes['failed'])}"
    try:
        return parameters_as_nemo(notes["config"])
    except ArchiveError as error:
        return _one_line(str(error))


def _read_and_written(files: dict[str, Path], folder: Path) -> dict[str, tuple[Any, Any]]:
    """Compares the outputs for NeMo's files, and for those that we write of the same models, in subfolders."""
    archives: dict[str, Archive] = {}
    compared: dict[str, tuple[Any, Any]] = {}
    theirs, ours = folder / "read", folder / "written"
    theirs.mkdir()
    ours.mkdir()
    for name, path in files.items():
        try:
            archives[name] = load_nemo(path)
            save_nemo(ours / path.name, **archives[name]._asdict())
            path.rename(theirs / path.name)
        except ArchiveError as error:
            archives.pop(name, None)
            compared[name] = _one_line(str(error).removeprefix(f"{path}: ")), ""
    read, wrote = _differences(theirs, archives), _differences(ours, archives)
    return compared | {name: (read[name], wrote[name]) for name in archives}


def _differences(folder: Path, archives: dict[str, Archive]) -> dict[str, Differences | str]:
    """Compares our outputs with NeMo's for the files in a folder; gives the reason where NeMo cannot run one."""
    notes = restore_with_nemo(folder, {name: random_batch(archive) for name, archive in archives.items()})
    return {
        name: _one_line(notes[name]["failed"]) if "failed" in notes[name] else written(archive, folder / f"{name}.nemo")
        for name, archive in tqdm(archives.items(), file=sys.stderr)
    }


def _row(name: str, notes: dict[str, Any], count: int | str, read: Any, wrote: Any) -> str:
    nemo = f"{notes['parameters']:,}" if "parameters" in notes else ""
    ours = f"{count:,}" if isinstance(count, int) else count
    return f"| {name} | {nemo} | {ours} | {_cells(read)} | {_cells(wrote)} |"


def _cells(found: Differences | str) -> str:
    if isinstance(found, str):
        return f"{found} |"
    return f"{max(found.layers, found.outputs):.1e} | {'same' if found.ids else 'differs'}"


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")[:300]
