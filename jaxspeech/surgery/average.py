"""Averages several models, which is often better than the best of them (Izmailov et al., 2018).

Parameters and running statistics are averaged, in float64.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxspeech.archive import Archive, save_archive
from jaxspeech.assets import read_assets, same_assets
from jaxspeech.builder import TASKS, with_defaults
from jaxspeech.errors import ArchiveError
from jaxspeech.loading import read_model
from jaxspeech.training.checkpoint import Checkpoints
from jaxspeech.training.lora import LORA, Lora

# Fields that affect only the training or the computation of a model, not the meaning of its weights.
TRAINING_ONLY = re.compile(
    "dropout|stochastic_depth|context_weights|chunk_context|weight_init|dither|dtype|scan_layers|remat"
)


def average(models: Iterable[tuple[str, Archive]]) -> Archive:
    """Averages named models, with one in memory at a time; configuration and assets are those of the first.

    Raises:
      ArchiveError: there are no models, or they differ in more than their weights.
    """
    names: list[str] = []
    first = mean = None
    for name, archive in models:
        names.append(name)
        leaves = dict(_leaves(archive.variables))
        if first is None or mean is None:
            first, mean = archive, {path: np.array(leaf, np.float64) for path, leaf in leaves.items()}
            continue
        if different := same_assets(first.assets, archive.assets):
            raise ArchiveError(f"the {different} of {name} differs from that of {names[0]}: they cannot be averaged")
        for field, (ours, theirs) in sorted(differences(first.model, archive.model).items()):
            raise ArchiveError(f"{field} is {ours} in {names[0]} and {theirs} in {name}: they cannot be averaged")
        for path in sorted({*mean, *leaves}):
            shapes = [tree[path].shape if path in tree else "missing" for tree in (mean, leaves)]
            if shapes[0] != shapes[1]:
                raise ArchiveError(
                    f"{path} is {shapes[0]} in {names[0]} and {shapes[1]} in {name}: they cannot be averaged"
                )
            mean[path] += (leaves[path] - mean[path]) / len(names)
    if first is None or mean is None:
        raise ArchiveError("nothing to average")
    variables = jax.tree_util.tree_map_with_path(
        lambda path, leaf: mean[_name(path)].astype(leaf.dtype), first.variables
    )
    return first._replace(variables=variables, metadata={"average_of": names})


def differences(model: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Returns the fields in which two models differ and that change the meaning of the weights."""
    ours, theirs = (_plain_fields(with_defaults(config)) for config in (model, other))
    named = {field for field in ours.keys() | theirs.keys() if not TRAINING_ONLY.search(field)}
    pairs = {field: (ours.get(field), theirs.get(field)) for field in named}
    return {field: pair for field, pair in pairs.items() if pair[0] != pair[1]}


def _plain_fields(config: Mapping[str, Any]) -> dict[str, Any]:
    """Flattens the parts of a model to {"part.field": value}, and adds its task."""
    kind = TASKS[config["task"]]
    parts = {key: value for key, value in config.items() if key in kind.parts}
    parts |= {key: _plain_fields(config[key]) for key in kind.models}
    return {"task": config["task"]} | {
        f"{part}.{name}": x for part, fields in parts.items() for name, x in fields.items()
    }


def checkpoints_of(workdir: Path) -> Iterator[tuple[str, Archive]]:
    """Yields the models in a run's checkpoints, as the run exports them: moving averages if any, LoRA merged.

    Raises:
      CheckpointError: a checkpoint cannot be read.
    """
    folder = workdir / "checkpoints"
    settings = json.loads((workdir / "config.json").read_bytes())
    assets, checkpoints = read_assets(workdir), Checkpoints(folder, only_read=True)
    for step in checkpoints.steps:
        state = checkpoints.read(step)
        variables = state["variables"]
        if state["average"] is not None:
            variables = {**variables, "params": state["average"]}
        if LORA in variables["params"]:
            variables = Lora(**settings["lora"]).merge(variables)
        yield str(folder / str(step)), Archive(settings["model"], assets, jax.device_get(variables), {})
    checkpoints.close()


def _leaves(tree: Any) -> Iterator[tuple[str, np.ndarray]]:
    return ((_name(path), np.asarray(leaf)) for path, leaf in jax.tree_util.tree_leaves_with_path(tree))


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


def write_mean(inputs: Iterable[str], output: Path) -> None:
    """Averages models, or the checkpoints of runs, writes the archive `output` and prints a line about it."""

    def models() -> Iterator[tuple[str, Archive]]:
        for path in inputs:
            if (Path(path) / "checkpoints").is_dir():
                yield from checkpoints_of(Path(path))
            else:
                yield path, read_model(path)

    mean = average(models())
    save_archive(output, **mean._asdict())
    print(f"{output}: the average of {', '.join(mean.metadata['average_of'])}")
