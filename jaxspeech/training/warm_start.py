"""A warm start: chooses the arrays that a new model takes from a trained one, and checks that it scores the same.

Patterns match the names of parameters.py. Nothing is taken or left out silently: a shape that does not fit, a missing
array and a pattern that matches nothing are errors; arrays without a counterpart in the new model are reported.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxspeech.errors import ArchiveError, ConfigError
from jaxspeech.training.coverage import same_coverage
from jaxspeech.training.parameters import assign, path_name
from jaxspeech.types import Variables

LISTED = 3


class Start(NamedTuple):
    """The arrays that a model starts from.

    Attributes:
      arrays: the trained ones, by path ("params/encoder/...").
      masks: by path, True or, if only some of the stacked layers are taken, an array [L 1 ...].
      unused: names of the trained model's arrays that are not taken.
      new: names of the arrays that the trained model may lack, and does.
      scratch: the parts of the new model of which nothing is taken, besides those in `new`.
    """

    arrays: dict[str, Any]
    masks: dict[str, Any]
    unused: list[str]
    new: tuple[str, ...] = ()
    scratch: tuple[str, ...] = ()

    def beside(self, other: "Start") -> "Start":
        """The arrays of both; those of the other one replace those of this one."""
        return self._replace(arrays={**self.arrays, **other.arrays}, masks={**self.masks, **other.masks})


FROM_SCRATCH = Start({}, {}, [])


def choose_start(
    shapes: Variables,
    source: Variables,
    *,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
    beside: Collection[str] = (),
    optional: Collection[str] = (),
    model: str,
) -> Start:
    """Chooses what a model with these shapes takes from `source`.

    Args:
      shapes: the new model's variables, or their shapes.
      source: the trained model's variables.
      include: patterns of the arrays to take; if empty, all.
      exclude: patterns of the arrays not to take.
      beside: paths of arrays that are taken from elsewhere.
      optional: paths of arrays that start from scratch where `source` does not have them.
      model: the trained model's name, for messages.

    Raises:
      ConfigError: a pattern matches nothing, or a wanted array is missing or has a different shape.
    """
    names = _by_path(shapes)
    # Patterns match names without the collection, as they do for parameters.
    merged = {path.split("/", 1)[1]: leaf for path, leaf in names.items()}
    wanted = assign(merged, [(p, True) for p in include], default=not include, option="init.include")
    kept_out = assign(merged, [(p, True) for p in exclude], default=False, option="init.exclude")
    given = _by_path(source)
    arrays, masks, problems, new = {}, {}, [], []
    for path, leaf in names.items():
        name = path.split("/", 1)[1]
        mask = np.logical_and(wanted[name], np.logical_not(kept_out[name]))
        if not mask.any() or path in beside:
            continue
        if path not in given and path in optional:
            new.append(name)
        elif path not in given:
            problems.append(f"{name} {leaf.shape} is not in it")
        elif given[path].shape != leaf.shape:
            problems.append(f"{name} is {given[path].shape} in it, {leaf.shape} here")
        else:
            arrays[path], masks[path] = given[path], True if mask.all() else mask
    if problems:
        more = f"; and {len(problems) - LISTED} more" if len(problems) > LISTED else ""
        raise ConfigError(
            f"{model} does not fit: {'; '.join(problems[:LISTED])}{more}. What init.exclude matches starts from scratch"
        )
    unused = [path.split("/", 1)[1] for path in given if masks.get(path) is not True and path not in beside]
    parts = dict.fromkeys(path.split("/")[1] for path in names)
    said = {path.split("/")[1] for path in [*arrays, *beside]} | {name.partition("/")[0] for name in new}
    scratch = tuple(part for part in parts if part not in said)
    return Start(arrays, masks, unused, tuple(new), scratch)


def paths_beside(variables: Variables, part: Variables) -> set[str]:
    """The paths of the variables that are not in a part of them."""
    return {*_by_path(variables)} - {*_by_path(part)}


def start_given(shapes: Variables, given: Variables) -> Start:
    """Takes all arrays that are given.

    Args:
      shapes: the new model's variables, or their shapes.
      given: some of its variables.

    Raises:
      ConfigError: the model has no such array, or one of another shape.
    """
    names, arrays = _by_path(shapes), _by_path(given)
    for path, array in arrays.items():
        if path not in names or names[path].shape != array.shape:
            theirs = "none" if path not in names else f"one of {names[path].shape}"
            raise ConfigError(f"the model has {theirs} where {path.split('/', 1)[1]} {array.shape} is given")
    return Start(arrays, dict.fromkeys(arrays, True), [])


def fill_from(variables: Variables, arrays: Mapping[str, Any], masks: Mapping[str, Any]) -> Variables:
    """Replaces arrays of `variables` by the trained ones; works under jit."""

    def choose(path: Any, new: Any) -> Any:
        name = path_name(path)
        if name not in arrays:
            return new
        old = jnp.asarray(arrays[name], new.dtype)
        return old if masks[name] is True else jnp.where(masks[name], old, new)

    return jax.tree_util.tree_map_with_path(choose, variables)


def describe_start(start: Start, *, model: str, note: str = "") -> str:
    """Describes in one line what was taken; `note` says more about the arrays."""
    line = f"Starting from {model}: {len(start.arrays)} arrays{note and f', {note}'}"
    if start.scratch:
        line += f"; from scratch: {', '.join(start.scratch)}"
    if start.unused:
        more = f" and {len(start.unused) - LISTED} more" if len(start.unused) > LISTED else ""
        line += f"; not used: {', '.join(start.unused[:LISTED])}{more}"
    if start.new:
        line += f"; not in it, and new: {', '.join(sorted({name.partition('/')[0] for name in start.new}))}"
    return line


class WarmStart(NamedTuple):
    """A model's start, and what the trained model states about itself.

    Attributes:
      start: the arrays.
      model: the trained model's name.
      stated: its scores, {set: {"set": identity, "scores": {score: value}}}.
      exact: whether the new model is the whole trained model with its assets, and so has to reach these scores.
    """

    start: Start = FROM_SCRATCH
    model: str = ""
    stated: Mapping[str, Any] = MappingProxyType({})
    exact: bool = False

    def check(
        self, found: Mapping[str, Any], *, tolerance: int | float, show: Callable[[Mapping[str, float]], str]
    ) -> list[str]:
        """Compares the scores that the trained model states with those that were measured before the first step.

        Args:
          found: {set: {"set": identity, "scores": {score: value}}}, as measured.
          tolerance: largest allowed difference of a score, in its unit.
          show: formats scores.

        Returns:
          A line to print for each set.

        Raises:
          ArchiveError: the scores differ: the model was not loaded as it was saved, or it is run differently.
        """
        statements = {statement["set"]: statement["scores"] for statement in self.stated.values()}
        lines = []
        for name, here in found.items():
            reached, there = here["scores"], statements.get(here["set"])
            line = f"step 0: {show(reached)} on {name}"
            if not self.exact:
                lines.append(f"{line}, of a model with new parts")
            elif there is None:
                lines.append(f"{line}; the model states no score for this set")
            elif not same_coverage(reached, there):
                lines.append(f"{line}; the model states {show(there)}, which is of other examples of the set")
            elif any(abs(value - reached[score]) > tolerance for score, value in there.items() if score in reached):
                raise ArchiveError(
                    f"{self.model} states {show(there)} on {name} and reaches {show(reached)}: it was not loaded as it "
                    "was saved. To train it anyway: --config.init.tolerance=1"
                )
            else:
                lines.append(f"{line}, as the model states")
        return lines


def _by_path(tree: Any) -> dict[str, Any]:
    return {path_name(path): leaf for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}
