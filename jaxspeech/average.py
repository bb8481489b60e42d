"""The mean of several models, often better than the best of them (Izmailov et al., 2018).

    python -m jaxspeech.average --output=mean.jaxspeech runs/x                  # the checkpoints that the run keeps
    python -m jaxspeech.average --output=mean.jaxspeech a.jaxspeech b.nemo      # models of the same shapes

A run keeps its last checkpoints and its best; --config.keep.last=5 keeps more. The mean is that of parameters and
running statistics, in float64.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxspeech.archive import Archive, save_archive
from jaxspeech.command import run
from jaxspeech.errors import ArchiveError
from jaxspeech.loading import read_model
from jaxspeech.text.tokenizer import read_tokenizer
from jaxspeech.training.checkpoint import Checkpoints
from jaxspeech.training.lora import LORA, Lora


def average(models: Iterable[tuple[str, Archive]]) -> Archive:
    """The mean of named models, one of which is in memory at a time; configuration and tokenizer are the first's.

    Raises:
      ArchiveError: there is none, or they are not of one kind.
    """
    names: list[str] = []
    first = mean = None
    for name, archive in models:
        names.append(name)
        leaves = dict(_leaves(archive.variables))
        if first is None or mean is None:
            first, mean = archive, {path: np.array(leaf, np.float64) for path, leaf in leaves.items()}
            continue
        if archive.tokenizer.pieces != first.tokenizer.pieces:
            raise ArchiveError(f"{name} has another vocabulary than {names[0]}: no mean of the two makes sense")
        for path in sorted({*mean, *leaves}):
            shapes = [tree[path].shape if path in tree else "missing" for tree in (mean, leaves)]
            if shapes[0] != shapes[1]:
                raise ArchiveError(f"{path} is {shapes[0]} in {names[0]} and {shapes[1]} in {name}: no mean of these")
            mean[path] += (leaves[path] - mean[path]) / len(names)
    if first is None or mean is None:
        raise ArchiveError("nothing to average")
    variables = jax.tree_util.tree_map_with_path(
        lambda path, leaf: mean[_name(path)].astype(leaf.dtype), first.variables
    )
    return first._replace(variables=variables, metadata={"average_of": names})


def checkpoints_of(workdir: Path) -> Iterator[tuple[str, Archive]]:
    """The models in a run's checkpoints, as the run saves them: its moving averages where it has such, LoRA merged.

    Raises:
      CheckpointError: one cannot be read.
    """
    folder = workdir / "checkpoints"
    settings = json.loads((workdir / "config.json").read_text())
    tokenizer, checkpoints = read_tokenizer(workdir / "tokenizer"), Checkpoints(folder)
    for step in checkpoints.steps:
        state = checkpoints.read(step)
        variables = state["variables"]
        if state["average"] is not None:
            variables = {**variables, "params": state["average"]}
        if LORA in variables["params"]:
            variables = Lora(**settings["lora"]).merge(variables)
        yield str(folder / str(step)), Archive(settings["model"], tokenizer, jax.device_get(variables), {})
    checkpoints.close()


def _leaves(tree: Any) -> Iterator[tuple[str, np.ndarray]]:
    return ((_name(path), np.asarray(leaf)) for path, leaf in jax.tree_util.tree_leaves_with_path(tree))


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path, simple=True, separator="/")


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m jaxspeech.average", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("inputs", nargs="+", help="models, or the workdirs of runs")
    parser.add_argument("--output", required=True, help="the archive to write")
    flags = parser.parse_args(arguments)

    return run(lambda: write_mean(flags.inputs, Path(flags.output)))


def write_mean(inputs: Iterable[str], output: Path) -> None:
    """Averages models, or those of runs, into the archive `output`, and says so."""

    def models() -> Iterator[tuple[str, Archive]]:
        for path in inputs:
            if (Path(path) / "checkpoints").is_dir():
                yield from checkpoints_of(Path(path))
            else:
                yield path, read_model(path)

    mean = average(models())
    save_archive(output, **mean._asdict())
    print(f"{output}: the mean of {', '.join(mean.metadata['average_of'])}")


if __name__ == "__main__":
    sys.exit(main())
