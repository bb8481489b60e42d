"""Finds which enhanced recording belongs to which clean and which noisy one: by their names, or by a manifest."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from jaxspeech.cli.recordings import counted, report
from jaxspeech.errors import ManifestError
from jaxspeech.inference.inputs import Recording, find_recordings, read_manifest
from jaxspeech.manifest_lines import is_manifest

# A message lists no more names than this.
MOST_LISTED = 3


class Compared(NamedTuple):
    """Recordings of the same speech.

    Attributes:
      name: the path within the folders, without the suffix; or the file's.
      enhanced, clean: what is scored, and what with.
      noisy: what it was made of; None if that is not known.
      text: what is said; None if that is not known.
    """

    name: str
    enhanced: Recording
    clean: Recording
    noisy: Recording | None = None
    text: str | None = None


def find_compared(
    found: Sequence[str], clean: Sequence[str], noisy: Sequence[str], *, clean_field: str
) -> list[Compared]:
    """Matches recordings, and reports on stderr which have no counterpart.

    Args:
      found: files and folders of enhanced recordings.
      clean: files and folders, or manifests whose lines have the noisy recording and in `clean_field` the clean one.
      noisy: files and folders; with manifests none are needed.
      clean_field: of the manifests.

    Raises:
      ManifestError: no recording has a counterpart, or two have the same name.
    """
    enhanced = _by_name(found)
    manifests = [path for path in clean if is_manifest(path)]
    known = _by_name([path for path in clean if path not in manifests])
    inputs = _by_name(noisy)
    single = len(enhanced) == len(known) == 1 and len(inputs) <= 1 and not manifests
    pairs = []
    for name, recording in known.items():
        # Of two files, the names need not be the same.
        other = next(iter(enhanced.values())) if single else _named(name, enhanced)
        before = (next(iter(inputs.values()), None)) if single else _named(name, inputs)
        if other is not None:
            pairs.append(Compared(name, other, recording, before))
    lines = [line for path in manifests for line in read_manifest(path)]
    for line in lines:
        pair = _of_line(line, enhanced, inputs, clean_field)
        if pair is not None:
            pairs.append(pair)
    total = len(known) + len(lines)
    if not pairs:
        names = [*known] + [Path(line.source).stem for line in lines]
        raise ManifestError(
            f"no recording is in both: clean are {_listed(names)}, enhanced {_listed(enhanced)}; files belong together "
            "that have the same name without the suffix"
        )
    if total > len(pairs):
        report(f"{counted(total - len(pairs), 'clean recording')} without an enhanced one, not scored")
    used = {pair.enhanced.source for pair in pairs}
    if extra := [name for name, recording in enhanced.items() if recording.source not in used]:
        report(f"{counted(len(extra), 'enhanced recording')} without a clean one, not scored, such as {extra[0]}")
    missing = [pair.name for pair in pairs if pair.noisy is None]
    if noisy and missing:
        report(f"{counted(len(missing), 'recording')} without a noisy one, such as {missing[0]}: no gain")
    return pairs


def _of_line(
    line: Recording, enhanced: Mapping[str, Recording], inputs: Mapping[str, Recording], clean_field: str
) -> Compared | None:
    name = Path(line.source).stem
    if line.problem:
        # Of no use, but its problem is reported with the others.
        return Compared(name, line, line)
    other = _named(name, enhanced)
    if other is None:
        return None
    return Compared(name, other, clean_of(line, clean_field), _named(name, inputs) or line, line.text)


def clean_of(line: Recording, clean_field: str) -> Recording:
    """The clean recording of a manifest's line: of one file, or of several, each with some of its channels."""
    given = line.fields.get(clean_field)
    names = given if isinstance(given, list) else [given]
    if not names or not all(name and isinstance(name, str) for name in names):
        what = f'has no clean recording in "{clean_field}"; --clean_field=NAME names another field'
        return Recording(line.source, problem=f"{line.source}: its line {what}")
    # The source is the manifest's folder and the name that the line has.
    folder = Path(line.source[: len(line.source) - len(str(line.fields["audio_filepath"]))])
    paths = [folder / str(name) for name in names]
    return Recording(str(paths[0]), paths[0] if len(paths) == 1 else paths, line.offset, line.duration)


def _by_name(paths: Iterable[str]) -> dict[str, Recording]:
    """The recordings by their path within a folder, without the suffix."""
    found: dict[str, Recording] = {}
    for given in paths:
        for recording in find_recordings(given):
            if recording.problem:
                raise ManifestError(recording.problem)
            path = Path(recording.source)
            name = (path.relative_to(given) if Path(given).is_dir() else Path(path.name)).with_suffix("").as_posix()
            if name in found:
                raise ManifestError(f"{found[name].source} and {recording.source} have the same name")
            found[name] = recording
    return found


def _named(name: str, among: Mapping[str, Recording]) -> Recording | None:
    """The recording of this name; or, in any folder, the only one of its last part."""
    if name in among:
        return among[name]
    last = name.rpartition("/")[2]
    same = [recording for other, recording in among.items() if other.rpartition("/")[2] == last]
    return same[0] if len(same) == 1 else None


def _listed(names: Iterable[str]) -> str:
    names = sorted(names)
    return (
        ", ".join(map(repr, names[:MOST_LISTED])) + (", ..." if len(names) > MOST_LISTED else "") if names else "none"
    )
