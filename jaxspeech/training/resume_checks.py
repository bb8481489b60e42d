"""Checks that a checkpoint belongs to the run being resumed, and says what differs."""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import jax

from jaxspeech.errors import CheckpointError
from jaxspeech.training.parameters import path_name

Json = Mapping[str, Any]
NONE: Json = MappingProxyType({})


def check_same_model(saved: Json, now: Json, *, fixed: Iterable[str], folder: str | Path) -> None:
    """Raises CheckpointError, saying what differs, unless two recipes have the same model.

    Args:
      saved, now: the recipes.
      fixed: the parts of a recipe that define the model.
      folder: of the run.
    """
    changes = [change for part in fixed for change in _differences(saved.get(part), now.get(part), place=part)]
    if changes:
        listed = "; ".join(changes[:3]) + (f"; and {len(changes) - 3} more" if len(changes) > 3 else "")
        raise CheckpointError(
            f"{folder} holds a run of a different model: {listed}. Use its settings to resume it, or another --workdir"
        )


def check_same_start(saved: Json, now: Json, *, folder: str | Path) -> None:
    """Raises CheckpointError if the run started from a different trained model than `init_from` names now."""
    before, after = saved.get("init_from", ""), now.get("init_from", "")
    if before and after and os.path.realpath(before) != os.path.realpath(after):
        raise CheckpointError(
            f"{folder} holds a run that began with {before}, not with {after}. Use that model to resume it, or another "
            "--workdir"
        )


def changed_settings(saved: Json, now: Json, *, fixed: Iterable[str], defaults: Json = NONE) -> str:
    """Describes the changed settings of a resumed run, except its length and the `fixed` parts; "" if none changed.

    Args:
      saved, now: the recipes.
      fixed: the parts of a recipe that define the model.
      defaults: of the settings; one that a later version added has not changed if it has its default.
    """
    parts = (saved.keys() & now.keys()) - {*fixed, "steps", "init_from"}
    filled = {part: _with_new_settings(saved[part], now[part], defaults.get(part)) for part in parts}
    changes = [change for part in sorted(parts) for change in _differences(filled[part], now[part], place=part)]
    return "; ".join(changes[:5]) + (f"; and {len(changes) - 5} more" if len(changes) > 5 else "")


def edited_manifests(saved: Mapping[str, str], now: Mapping[str, str]) -> str:
    """Describes the manifests of a resumed run that were edited since it was saved; "" if none was.

    Args:
      saved, now: describe the content of each set's manifests.
    """
    edited = [f"{name} had {saved[name]}, has {now[name]}" for name in now if saved.get(name, now[name]) != now[name]]
    return "; ".join(edited)


def check_same_arrays(saved: Mapping[str, Any], now: Mapping[str, Any], *, folder: str | Path) -> None:
    """Raises CheckpointError if the states' arrays differ: the checkpoint is intact, but the optimizer has changed."""
    changes = list(_differences(saved, now, place="state"))
    if changes:
        raise CheckpointError(
            f"{folder} holds a run with a different optimizer or different trained parameters: {changes[0]}"
            + (f" (and {len(changes) - 1} more)" if len(changes) > 1 else "")
            + ". Use its settings to resume it, or another --workdir"
        )


def shapes_by_path(tree: Any) -> dict[str, Any]:
    """The shape of each leaf, by its name."""
    return {path_name(path): tuple(leaf.shape) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}


def _with_new_settings(saved: Any, now: Any, defaults: Any) -> Any:
    """The saved settings, with those that a later version added and that are empty, or have their defaults."""
    if not (isinstance(saved, dict) and isinstance(now, dict)):
        return saved
    known = defaults if isinstance(defaults, dict) else {}
    new = {key: value for key, value in now.items() if key not in saved and (not value or value == known.get(key))}
    return new | {key: _with_new_settings(value, now.get(key), known.get(key)) for key, value in saved.items()}


def _differences(saved: Any, now: Any, *, place: str) -> Iterator[str]:
    if isinstance(saved, dict) and isinstance(now, dict):
        for key in sorted(saved.keys() | now.keys()):
            yield from _differences(saved.get(key, "absent"), now.get(key, "absent"), place=f"{place}.{key}")
    elif saved != now:
        yield f"{place} was {saved}, is now {now}"
