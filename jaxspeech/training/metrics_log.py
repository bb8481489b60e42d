"""Logs the metrics of a run: TensorBoard events, and the same scalars as lines of JSON."""

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import jax
import numpy as np
import tensorboardX
from tensorboardX.proto import summary_pb2

from jaxspeech.files import replace_atomically
from jaxspeech.training.parameters import path_name
from jaxspeech.training.processes import gather, is_leader


class MetricsLog:
    """Writes to `folder`/tensorboard and `folder`/history.jsonl; existing entries after `step` are discarded.

    With several processes only the leader writes, but all of them call the same methods.
    """

    def __init__(self, folder: Path, *, step: int):
        self._writer = tensorboardX.SummaryWriter(
            str(folder / "tensorboard"), purge_step=step, write_to_disk=is_leader()
        )
        self._path = folder / "history.jsonl"
        if not is_leader():
            return
        # A run that starts from scratch keeps nothing.
        kept = [entry for entry in self.history if entry["step"] <= step] if step else []
        with replace_atomically(self._path) as temporary:
            temporary.write_text("".join(json.dumps(entry) + "\n" for entry in kept), encoding="utf-8")

    @property
    def history(self) -> list[dict[str, float | int]]:
        """One {"step": ..., "group/name": value, ...} for each call of `scalars`, over all starts of the run."""
        if not self._path.exists():
            return []
        entries = []
        for line in self._path.read_bytes().splitlines():
            try:
                entries.append(json.loads(line))
            except ValueError:
                break  # a killed process wrote only a part of this line
        return entries

    def scalars(self, group: str, values: Mapping[str, float], step: int) -> None:
        """Logs scalars under the names group/name."""
        if not is_leader():
            return
        named = {f"{group}/{name}": float(value) for name, value in values.items()}
        for name, value in named.items():
            self._writer.add_scalar(name, value, step)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **named}) + "\n")

    def histograms(self, group: str, tree: Any, step: int) -> None:
        """Logs one histogram for each array of a tree of parameters."""
        for path, array in jax.tree_util.tree_leaves_with_path(tree):
            values = np.asarray(gather(array), np.float32)
            if np.isfinite(values).all():
                self._writer.add_histogram(f"{group}/{path_name(path)}", values, step)

    def words(self, name: str, markdown: str, step: int) -> None:
        """Logs Markdown; pass untrusted content as a code block."""
        self._writer.add_text(name, markdown, step)

    def picture(self, name: str, png: bytes, step: int) -> None:
        """Logs a PNG file as it is. (The writer's own `add_image` would need Pillow.)"""
        width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
        proto: Any = summary_pb2  # its classes are created on import, where type checkers do not see them
        image = proto.Summary.Image(height=height, width=width, colorspace=3, encoded_image_string=png)
        summary = proto.Summary(value=[proto.Summary.Value(tag=name, image=image)])
        files: Any = self._writer.file_writer
        files.add_summary(summary, step)

    def close(self) -> None:
        self._writer.close()

    def __enter__(self) -> "MetricsLog":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
