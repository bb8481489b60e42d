"""Parses what a config names as data: manifests and, where the audio is in tars, the tars.

"train.jsonl"                                                   a manifest, local or at a URL
{"path": "train.jsonl", "weight": 2}                            an epoch shows each of its examples twice
{"path": "manifest.json", "tars": "audio__OP_0..127_CL_.tar"}   a tarred dataset of NeMo's; lines have a shard_id
{"path": "m_{0..7}.json", "tars": "audio_{0..7}.tar"}           a manifest for each tar
{"tars": "s3://bucket/shard-{000..127}.tar"}                    a WebDataset: text in .json or .txt beside the audio
{"path": "pseudo.jsonl", "keep": {"confidence": (0.9, None)}}   those of its lines whose fields are so: keep.py
"data/train-{00000..00003}-of-00004.parquet"                    audio and texts of the Hugging Face Hub: parquet.py
"cuts.jsonl.gz"                                                 cuts of lhotse: cuts.py
{"path": "cuts.{000000..000009}.jsonl.gz", "tars": "recording.{000000..000009}.tar"}              lhotse's Shar
{"sources": ["a.jsonl", "b.jsonl"], "weight": 2}                a group of sources, whose weights are multiplied
"""

import ast
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from jaxspeech.data.braces import expand
from jaxspeech.data.files import Location, locate
from jaxspeech.data.keep import Rule, parse_keep
from jaxspeech.errors import ManifestError

Source = str | Path | Mapping[str, Any]


class ParsedSource(NamedTuple):
    """One manifest.

    Attributes:
      path: path of the manifest; None where the tars hold the transcripts too.
      tars: the tars that hold its audio; empty where each line names a file.
      weight: how often an epoch shows each of its examples.
      groups: its number among its neighbours at each level of groups, from the outermost, and last its own.
      fields: (field, column) pairs of a Parquet file whose columns have other names.
      keep: what the fields of its lines must be (keep.py).
    """

    path: Location | None
    tars: tuple[Location, ...]
    weight: float
    groups: tuple[int, ...] = (0,)
    fields: tuple[tuple[str, str], ...] = ()
    keep: tuple[Rule, ...] = ()

    @property
    def name(self) -> Location:
        """The manifest, or the first tar where there is none."""
        return self.tars[0] if self.path is None else self.path


def parse_sources(sources: Source | Sequence[Source]) -> list[ParsedSource]:
    """Parse sources into manifests; patterns are expanded.

    Raises:
      ManifestError: a field is unknown, a weight is not positive, or the number of tars does not match the manifests.
    """
    found: list[ParsedSource] = []
    number = 0
    for source in listed(sources):
        if isinstance(source, Mapping) and "sources" in source:
            found += [inner._replace(groups=(number, *inner.groups)) for inner in _members(source)]
            number += 1
            continue
        # What one pattern stands for is one source.
        keep = parse_keep(source.get("keep")) if isinstance(source, Mapping) else ()
        found += [part._replace(groups=(number,), keep=keep) for part in _parse(source)]
        number += 1
    return found


def listed(sources: Source | Sequence[Source]) -> Sequence[Source]:
    """The sources as a sequence, patterns not expanded."""
    sources = _written_out(sources)
    return [sources] if isinstance(sources, str | Path | Mapping) else sources


def _written_out(sources: Source | Sequence[Source]) -> Source | Sequence[Source]:
    """Parse a list or mapping that a command line gives as a string, for a field that is a path in the recipe."""
    if not isinstance(sources, str) or sources[:1] not in ("[", "(", "{") or Path(sources).exists():
        return sources
    try:
        value = ast.literal_eval(sources)
    except (SyntaxError, ValueError):
        return sources  # a path or a pattern: {a,b}.jsonl
    return value if isinstance(value, list | tuple | Mapping) else sources


def _members(group: Mapping[str, Any]) -> list[ParsedSource]:
    if extra := set(group) - {"sources", "weight"}:
        raise ManifestError(
            f"a group of sources must be {{'sources': ..., 'weight': ...}}; it has {sorted(extra)[0]!r}"
        )
    members, weight = parse_sources(group["sources"]), group.get("weight", 1.0)
    if not members:
        raise ManifestError("a group of sources is empty")
    _check_weight(weight, "a group of sources")
    return [member._replace(weight=member.weight * weight) for member in members]


def _check_weight(weight: Any, name: Any) -> None:
    if not (isinstance(weight, int | float) and 0 < weight < math.inf):
        raise ManifestError(f"{name}: the weight is {weight}; it must be a positive number")


def _parse(source: Source) -> list[ParsedSource]:
    if isinstance(source, Path):
        return [ParsedSource(locate(source), (), 1.0)]
    if isinstance(source, str):
        return [ParsedSource(locate(path), (), 1.0) for path in _expand(source)]
    if set(source) - {"path", "tars", "weight", "fields", "keep"} or not {"path", "tars"} & set(source):
        raise ManifestError(
            f"a manifest must be a path or {{'path': ..., 'weight': ..., 'tars': ...}}, not {dict(source)}"
        )
    weight = source.get("weight", 1.0)
    name = source.get("path") or source["tars"]
    _check_weight(weight, name)
    if source.get("fields") and source.get("tars"):
        raise ManifestError(f"{name}: fields are named for Parquet files, which have no tars; leave one of them out")
    tars = tuple(locate(path) for path in _expand(source["tars"])) if source.get("tars") else ()
    if not source.get("path"):
        return [ParsedSource(None, tars, float(weight))]
    paths = [locate(path) for path in _expand(source["path"])]
    if len(paths) == 1 or not tars:
        fields = tuple(dict(source.get("fields") or {}).items())
        return [ParsedSource(path, tars, float(weight), fields=fields) for path in paths]
    if len(paths) != len(tars):
        raise ManifestError(
            f"{name}: {len(paths)} manifests, but {len(tars)} tars; give one manifest per tar, or one for all"
        )
    return [ParsedSource(path, (tar,), float(weight)) for path, tar in zip(paths, tars, strict=True)]


def _expand(path: str | Path) -> list[str | Path]:
    # The name of a folder may contain brackets; an existing file is not a pattern.
    return [path] if isinstance(path, Path) or Path(path).exists() else list(expand(path))
