"""Lets several processes share one list of recordings; they communicate only through files.

    OUTPUT.parts/0000-of-0004.jsonl     one line for each recording that process 0 has finished
    OUTPUT                              all lines in the order of the list, once all are there

Recording i is done by process i mod n. A process that was killed and is started again continues after its last
complete line, so every recording is done once. Any process that finds all of them done merges the parts; if several
do, the result is the same.

Each line identifies its recording with all fields of its manifest line. So if a manifest is edited between two starts,
what it still lists is kept, and what is new or different is done.
"""

import contextlib
import hashlib
import json
import os
import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxspeech.errors import ConfigError
from jaxspeech.inference.hypothesis import Hypothesis
from jaxspeech.inference.inputs import Recording
from jaxspeech.inference.output import append, open_output
from jaxspeech.inference.writers import LINE_FORMATS, Write, line_writer
from jaxspeech.runtime.environment import whole_number
from jaxspeech.runtime.platform import lock
from jaxspeech.runtime.unicode import to_json

# The environment variables in which launchers pass the number of processes and this process's rank.
LAUNCHERS = (("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"), ("SLURM_STEP_NUM_TASKS", "SLURM_PROCID"))
Json = dict[str, Any]
# Of each line of a part.
FIELDS = {"place", "recording", "list", "line", "skipped", "said", "heard"}


class Share(NamedTuple):
    """Process `process_id` of `num_processes`."""

    process_id: int
    num_processes: int


def find_share(
    num_processes: int | None, process_id: int | None, *, environment: Mapping[str, str] = os.environ
) -> Share | None:
    """This process's share, from the flags, or else from the variables of SLURM or Open MPI; None for one process.

    A single process that is said to be one by both flags has a share of all, so that it can resume.

    Raises:
      ConfigError: only one of the two is known, or they are inconsistent.
    """
    said = num_processes is not None
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
    return Share(process_id, num_processes) if num_processes > 1 or said else None


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
        self._identities = [_identity(recording) for recording in recordings]
        self._list = hashlib.blake2b("".join(self._identities).encode(), digest_size=8).hexdigest()

    @property
    def complete(self) -> bool:
        """Whether another process has merged the parts already; then nothing is left to do."""
        return self._output.exists() and not self._folder.exists()

    @property
    def remaining(self) -> list[Recording]:
        """The recordings that this process has yet to transcribe."""
        return [self._recordings[place] for place in self._places()]

    @property
    def edited(self) -> str:
        """One line about results of a list that differed from this one, as its manifest was edited; "" without any."""
        entries = self._entries()
        if all(entry["list"] == self._list for entry in entries):
            return ""
        kept = len(self._read())
        return (
            f"the list of recordings was edited since {self._folder} was begun: of {len(entries)} results {kept} are "
            f"kept, {len(self._recordings) - kept} of now {len(self._recordings)} recordings remain to be done"
        )

    @contextlib.contextmanager
    def open(self) -> Iterator[Write]:
        """Gives a function to call with each remaining recording and its hypothesis, in order."""
        places = iter(self._places())
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / "{:04}-of-{:04}.jsonl".format(*self._share)
        with path.with_suffix(".lock").open("w", encoding="utf-8") as held, open(path, "a+b", buffering=0) as stream:
            if not lock(held):
                raise ConfigError(f"{path}: another process has the same --process_id; wait for it or end it")
            stream.truncate(_whole_lines(path.read_bytes()))  # drop the incomplete line of a killed process
            stream.seek(0, os.SEEK_END)

            def write(recording: Recording, hypothesis: Hypothesis) -> None:
                place = next(places)
                lines: list[str] = []
                error: Exception | None = None
                try:
                    line_writer(lines.append, self._format, named=True)(recording, hypothesis)
                except Exception as raised:  # this recording is done, and is not tried again
                    lines, error = [], raised
                entry = {
                    "place": place,
                    "recording": self._identities[place],
                    "list": self._list,
                    "line": "".join(lines),
                    "skipped": error is not None or hypothesis.error is not None,
                    "said": recording.text,
                    "heard": hypothesis.text,
                }
                append(stream, to_json(entry).encode() + b"\n", name=str(path))
                if error is not None:
                    raise error

            yield write

    def merge(self) -> list[Json] | None:
        """Writes the output and removes the parts, if all processes have finished.

        Where every recording was skipped there is no output, and one that was there stays.

        Returns:
          "skipped", "said" and "heard" of each recording; None if some are still missing.
        """
        entries = self._read()
        if len(entries) < len(self._recordings):
            return None
        ordered = [entries[place] for place in range(len(self._recordings))]
        with open_output(self._output) as put:
            for entry in ordered:
                if not entry["skipped"]:
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
        """Reads what all processes have done of this list, by place in it.

        Raises:
          ConfigError: nothing that they have done is in it.
        """
        places: defaultdict[str, list[int]] = defaultdict(list)
        for place, identity in reversed(list(enumerate(self._identities))):
            places[identity].append(place)
        entries = self._entries()
        # Where a recording is listed several times, each result is that of one place.
        found = {places[x["recording"]].pop(): x for x in entries if places[x["recording"]]}
        if entries and not found:
            raise ConfigError(
                f"{self._folder}: belongs to a different list of recordings; delete it to start over, or use its list"
            )
        return found

    def _entries(self) -> list[Json]:
        """Reads the whole lines of all processes, in order of their places; damaged ones are done again."""
        entries = []
        for path in sorted(self._folder.glob("*.jsonl")):
            try:
                content = path.read_bytes()
            except FileNotFoundError:  # merged in the meantime
                continue
            for line in content[: _whole_lines(content)].split(b"\n"):
                with contextlib.suppress(ValueError):
                    entry = json.loads(line)
                    if isinstance(entry, dict) and entry.keys() >= FIELDS:
                        entries.append(entry)
        return sorted(entries, key=lambda entry: entry["place"])


def _identity(recording: Recording) -> str:
    """Identifies a recording by its name, its part, and all fields of its manifest line; equal ones by the same."""
    parts = [recording.source, recording.offset, recording.duration, recording.text, dict(recording.fields)]
    return hashlib.blake2b(to_json([*parts, recording.problem]).encode(), digest_size=8).hexdigest()


def _whole_lines(content: bytes) -> int:
    """The number of bytes up to the last line end."""
    return content.rfind(b"\n") + 1
