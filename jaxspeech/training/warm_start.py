"""Starting from a trained model: which of its arrays a new model takes over, and the proof that it is still that model.

The names in the patterns are those of parameters.py. Nothing is taken or left in silence: a shape that does not fit, an
array that is missing and a pattern that matches nothing are errors, and what the new model has no place for is told.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxspeech.errors import ArchiveError, ConfigError
from jaxspeech.training.parameters import assign, path_name
from jaxspeech.types import Variables

LISTED = 3


class Start(NamedTuple):
    """What a model starts from.

    Attributes:
      arrays: the trained ones, by path ("params/encoder/...").
      masks: by path, True or, where only some of stacked layers are taken, an array [L 1 ...].
      unused: names of the trained model's arrays that are not taken.
    """

    arrays: dict[str, Any]
    masks: dict[str, Any]
    unused: list[str]


FROM_SCRATCH = Start({}, {}, [])


def choose_start(
    shapes: Variables, source: Variables, *, include: Sequence[str] = (), exclude: Sequence[str] = (), model: str
) -> Start:
    """Chooses what a model with these shapes takes from `source`.

    Args:
      shapes: the new model's variables, or their shapes.
      source: the trained model's variables.
      include: patterns of what is taken; without any, everything.
      exclude: patterns of what is not taken.
      model: the trained model's name, for messages.

    Raises:
      ConfigError: a pattern that matches nothing, an array that is wanted and not there, or not of the right shape.
    """
    names = _by_path(shapes)
    # Patterns are about names without their collection, which are those of the parameters.
    merged = {path.split("/", 1)[1]: leaf for path, leaf in names.items()}
    wanted = assign(merged, [(p, True) for p in include], default=not include, option="init.include")
    kept_out = assign(merged, [(p, True) for p in exclude], default=False, option="init.exclude")
    given = _by_path(source)
    arrays, masks, problems = {}, {}, []
    for path, leaf in names.items():
        name = path.split("/", 1)[1]
        mask = np.logical_and(wanted[name], np.logical_not(kept_out[name]))
        if not mask.any():
            continue
        if path not in given:
            problems.append(f"{name} {leaf.shape} is not in it")
        elif given[path].shape != leaf.shape:
            problems.append(f"{name} is {given[path].shape} in it, {leaf.shape} here")
        else:
            arrays[path], masks[path] = given[path], True if mask.all() else mask
    if problems:
        more = f"; and {len(problems) - LISTED} more" if len(problems) > LISTED else ""
        raise ConfigError(
            f"{model} does not fit: {'; '.join(problems[:LISTED])}{more}. What init.exclude matches starts anew"
        )
    unused = [path.split("/", 1)[1] for path in given if masks.get(path) is not True]
    return Start(arrays, masks, unused)


def fill_from(variables: Variables, arrays: Mapping[str, Any], masks: Mapping[str, Any]) -> Variables:
    """`variables` with the trained arrays in their places; works under jit."""

    def choose(path: Any, new: Any) -> Any:
        name = path_name(path)
        if name not in arrays:
            return new
        old = jnp.asarray(arrays[name], new.dtype)
        return old if masks[name] is True else jnp.where(masks[name], old, new)

    return jax.tree_util.tree_map_with_path(choose, variables)


def describe_start(start: Start, *, model: str) -> str:
    """One line about what was taken."""
    line = f"Starting from {model}: {len(start.arrays)} arrays"
    if start.unused:
        more = f" and {len(start.unused) - LISTED} more" if len(start.unused) > LISTED else ""
        line += f"; not used: {', '.join(start.unused[:LISTED])}{more}"
    return line


def check_word_error_rate(
    stated: Mapping[str, Any], found: Mapping[str, Any], *, model: str, tolerance: int | float, exact: bool
) -> list[str]:
    """Compares what an archive states of its model with what was measured before the first step.

    Args:
      stated, found: name of an evaluation set -> {"set": its identity, "wer": rate}.
      model: the archive's name.
      tolerance: largest difference of the rates, absolute.
      exact: whether the model is the whole archive's, with its tokenizer; if not, nothing can be expected of it.

    Returns:
      A line to print for each set.

    Raises:
      ArchiveError: it is not the model that the archive describes, or is not run as it was.
    """
    statements = {statement["set"]: statement["wer"] for statement in stated.values()}
    lines = []
    for name, here in found.items():
        line = f"step 0: WER {here['wer']:.2%} on {name}"
        there = statements.get(here["set"])
        if not exact:
            lines.append(f"{line}, of a model with new parts")
        elif there is None:
            lines.append(f"{line}; the model states none of this set")
        elif abs(there - here["wer"]) > tolerance:
            raise ArchiveError(
                f"{model} states a WER of {there:.2%} on {name} and reaches {here['wer']:.2%}: it was not loaded as it "
                "was saved. To go on all the same: --config.init.wer_tolerance=1"
            )
        else:
            lines.append(f"{line}, as the model states")
    return lines


def _by_path(tree: Any) -> dict[str, Any]:
    return {path_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}
