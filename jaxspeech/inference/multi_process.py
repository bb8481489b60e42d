"""Lets several processes share one list of recordings; they communicate only through files.

    OUTPUT.parts/0000-of-0004.jsonl     one line for each recording that process 0 has finished
    OUTPUT                              all lines in the order of the list, once all are there

Recording i is done by process i mod n. A process that was killed and is started again continues after its last
complete line, so every recording is done once. Any process that finds all of them done merges the parts; if several
do, the result is the same.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxspeech.errors import ConfigError
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.writers import LINE_FORMATS, Write, line_writer, open_output
from jaxspeech.runtime.environment import whole_number
from jaxspeech.runtime.platform import lock

# The environment variables in which launchers pass the number of processes and this process's rank.
LAUNCHERS = (("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"), ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"))
Json = dict[str, Any]


class Share(NamedTuple):
    """Process `process_id` of `num_processes`."""

    process_id: int
    num_processes: int


def find_share(
    num_processes: int | None, process_id: int | None, *, environment: Mapping[str, str] = os.environ
) -> Share | None:
    """This process's share, from the flags, or else from the variables of SLURM or Open MPI; None for one process.

    Raises:
      ConfigError: only one of the two is known, or they are inconsistent.
    """
    if num_processes is None and process_id is None:
        for size, rank in LAUNCHERS:
            if size in environment and rank in environment:
                num_processes, process_id = (whole_number(environment, name) for name in (size, rank))
                break
    if num_processes is None and process_id is None:
        return None
    if num_processes is None or process_id is None or not 0 <= process_id < num_processes:
        raise ConfigError(
            f"--num_processes={num_processes} --process_id={process_id}: both are needed, process_id < num_processes"
        )
    return Share(process_id, num_processes) if num_processes > 1 else None


class SharedOutput:
    """The part of a list of recordings that this process transcribes, and the files that collect the results.

    Args:
      output: the output file, the same for all processes.
      recordings: the whole list, the same for all processes.
      share: this process's share.
      output_format: one of LINE_FORMATS.

    Raises:
      ConfigError: no output is given, or the format is not line-based.
    """

    def __init__(self, output: str | None, recordings: Sequence[Recording], share: Share, *, output_format: str):
        if output is None:
            raise ConfigError("several processes: --output=FILE must name the file that they write together")
        if output_format not in LINE_FORMATS:
            raise ConfigError(f"several processes: --format={output_format} cannot be split; text and jsonl can")
        self._output = Path(output)
        self._folder = Path(f"{output}.parts")
        self._recordings = recordings
        self._share = share
        self._format = output_format

    @property
    def complete(self) -> bool:
        """Whether another process has merged the parts already; then nothing is left to do."""
        return self._output.exists() and not self._folder.exists()

    @property
    def remaining(self) -> list[Recording]:
        """The recordings that this process has yet to transcribe."""
        return [self._recordings[place] for place in self._places()]

    @contextlib.contextmanager
    def open(self) -> Iterator[Write]:
        """Gives a function to call with each remaining recording and its hypothesis, in order."""
        places = iter(self._places())
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / "{:04}-of-{:04}.jsonl".format(*self._share)
        with path.with_suffix(".lock").open("w", encoding="utf-8") as held, path.open("a+b") as stream:
            if not lock(held):
                raise ConfigError(f"{path}: another process has the same --process_id; wait for it or end it")
            stream.truncate(_whole_lines(path.read_bytes()))  # drop the incomplete line of a killed process

            def write(recording: Recording, hypothesis: Hypothesis) -> None:
                line: list[str] = []
                line_writer(line.append, self._format, named=True)(recording, hypothesis)
                entry = {
                    "place": next(places),
                    "source": recording.source,
                    "line": "".join(line),
                    "skipped": hypothesis.error is not None,
                    "said": recording.text,
                    "heard": hypothesis.text,
                }
                stream.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
                stream.flush()

            yield write

    def merge(self) -> list[Json] | None:
        """Writes the output and removes the parts, if all processes have finished.

        Returns:
          "skipped", "said" and "heard" of each recording; None if some are still missing.
        """
        entries = self._read()
        if len(entries) < len(self._recordings):
            return None
        ordered = [entries[place] for place in range(len(self._recordings))]
        with open_output(self._output) as put:
            for entry in ordered:
                put(entry["line"])
        merged = Path(f"{self._folder}.merged")
        shutil.rmtree(merged, ignore_errors=True)  # of a process that was killed while it deleted this
        with contextlib.suppress(FileNotFoundError):  # another process has done it
            self._folder.replace(merged)  # atomic: a half-deleted folder could not be resumed
        shutil.rmtree(merged, ignore_errors=True)
        return ordered

    def _places(self) -> list[int]:
        done, (first, step) = self._read(), self._share
        return [place for place in range(first, len(self._recordings), step) if place not in done]

    def _read(self) -> dict[int, Json]:
        """Reads the entries of all processes, by place."""
        entries = {}
        for path in sorted(self._folder.glob("*.jsonl")):
            try:
                content = path.read_bytes()
            except FileNotFoundError:  # merged in the meantime
                continue
            for line in content[: _whole_lines(content)].splitlines():
                entry = json.loads(line)
                place = entry["place"]
                if place >= len(self._recordings) or self._recordings[place].source != entry["source"]:
                    raise ConfigError(
                        f"{path}: belongs to a different list of recordings; delete {self._folder} to start over"
                    )
                entries[place] = entry
        return entries


def _whole_lines(content: bytes) -> int:
    """The number of bytes up to the last line end."""
    return content.rfind(b"\n") + 1
