"""Utterances in several languages, joined from utterances in one language while batches are loaded.

    {"min_seconds": 4, "max_seconds": 20, "min_monolingual": 0.3, "probs": {"en": 0.5, "eo": 0.5}, "db_norm": -25, ...}

Which utterances are joined follows from the seed alone, so that the lengths are known when batches are planned, and a
run resumes with the same ones. Source: NeMo's CodeSwitchedDataset (collections/common/data/dataset.py), which draws
others at every step. Each of ours has at least two languages, and digital silence at its ends stays.
"""

import copy
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from jaxspeech.data.joined_samples import joined_samples
from jaxspeech.data.manifest import Manifest, write_manifest
from jaxspeech.errors import ConfigError, ManifestError, did_you_mean

# The field with the language of an utterance, and the least root mean square that is made louder (NeMo's).
FIELD, QUIETEST = "lang", 0.01
# Utterances that are drawn in vain before a joined one ends as it is.
MOST_TRIES = 50
# Further first utterances, where none fits after one.
MOST_STARTS = 10


class CodeSwitching(NamedTuple):
    """The part `code_switched` of a recipe.

    Attributes:
      min_seconds, max_seconds: utterances are added until the first is reached, and none that would exceed the second.
      min_monolingual: the share of what an epoch shows that are the utterances themselves.
      probs: how likely each language is drawn; empty: all are equally likely.
      pure_random: draw any language each time; otherwise those that an utterance does not have yet, until it has all.
      db_norm: the level of each utterance before it is joined, also of those that are not, in dB of full scale;
        None: as it is.
      pause_seconds: silence at the start, between two utterances, and at the end.
      variety: an epoch shows one of so many parts of the joined utterances; after as many epochs they recur.
    """

    min_seconds: int | float = 4.0
    max_seconds: int | float = 20.0
    min_monolingual: int | float = 0.3
    probs: Mapping[str, float] = {}
    pure_random: bool = False
    db_norm: int | float | None = -25.0
    pause_seconds: Sequence[float] = (0.0, 0.0, 0.0)
    variety: int = 4


def parse_code_switching(settings: Mapping[str, Any]) -> CodeSwitching:
    """Checks the settings.

    Raises:
      ConfigError: a field is unknown, or has no such value.
    """
    for name in settings:
        if name not in CodeSwitching._fields:
            raise ConfigError(f"code_switched.{name} is not a field{did_you_mean(name, CodeSwitching._fields)}")
    found = CodeSwitching(**settings)
    checks = {
        "min_seconds": _number(found.min_seconds) and found.min_seconds > 0,
        "max_seconds": _number(found.max_seconds) and found.max_seconds >= found.min_seconds,
        "min_monolingual": _number(found.min_monolingual) and 0 <= found.min_monolingual < 1,
        "probs": all(_number(value) and value > 0 for value in found.probs.values()),
        "pure_random": isinstance(found.pure_random, bool),
        "db_norm": found.db_norm is None or _number(found.db_norm),
        "pause_seconds": len(found.pause_seconds) == 3 and all(_number(x) and x >= 0 for x in found.pause_seconds),
        "variety": type(found.variety) is int and found.variety >= 1,
    }
    for name, holds in checks.items():
        if not holds:
            raise ConfigError(f"code_switched.{name} cannot be {getattr(found, name)!r}")
    return found


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class CodeSwitchedManifest(Manifest):
    """A manifest of utterances and of joined ones.

    Attributes:
      original: the utterances.
      options: how they are joined.
      members: of each example, the utterances that it consists of, by their numbers in `original`.
    """

    original: Manifest
    options: CodeSwitching
    members: list[Int[np.ndarray, " M"]]

    @property
    def content(self) -> str:
        """Describes the utterances and how they are joined."""
        settings = ", ".join(f"{name} {value}" for name, value in self.options._asdict().items())
        return f"{self.original.content}, joined to {len(self)} ({settings})"

    def take(self, indices: np.ndarray) -> "CodeSwitchedManifest":
        taken = copy.copy(super().take(indices))
        assert isinstance(taken, CodeSwitchedManifest)
        taken.members = [self.members[i] for i in np.arange(len(self))[indices]]
        return taken

    def samples(
        self, example: int, decode: Callable[[int], Float[np.ndarray, " S"]], *, sample_rate: int
    ) -> Float[np.ndarray, " S"]:
        """Returns the samples of an example; `decode` returns those of an utterance."""
        parts = [normalised(decode(int(i)), self.options.db_norm) for i in self.members[example]]
        if len(parts) == 1:
            return parts[0]
        start, between, end = (round(seconds * sample_rate) for seconds in self.options.pause_seconds)
        return joined_samples(parts, between=between, start=start, end=end)


def normalised(samples: Float[np.ndarray, " S"], level: float | None) -> Float[np.ndarray, " S"]:
    """Returns samples with a root mean square of `level` dB of full scale; those of next to nothing are not raised."""
    if level is None or not len(samples):
        return samples
    power = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    return samples * np.float32(10 ** (level / 20) / max(QUIETEST, power))


def code_switched_manifest(settings: Mapping[str, Any], utterances: Manifest, *, seed: int) -> CodeSwitchedManifest:
    """Joins utterances of a manifest.

    Args:
      settings: the part `code_switched` of a recipe.
      utterances: with texts, each in one language, its "lang"; those without, or in several, are only shown themselves.
      seed: which utterances are joined.

    Raises:
      ConfigError: a setting is invalid.
      ManifestError: there are fewer than two languages, or no two utterances are short enough.
    """
    options = parse_code_switching(settings)
    fields = [entry.fields | {"audio_filepath": str(entry.path), "offset": 0.0} for entry in utterances]
    languages = [one.get(FIELD) for one in fields]
    groups = {
        name: np.array([i for i, language in enumerate(languages) if language == name])
        for name in sorted({name for name in languages if isinstance(name, str)})
    }
    if missing := set(options.probs) - set(groups):
        raise ConfigError(f"code_switched.probs: no utterance has the language {', '.join(sorted(missing))}")
    groups = {name: group for name, group in groups.items() if name in (options.probs or groups)}
    if len(groups) < 2:
        found = ", ".join(groups) or "none"
        raise ManifestError(f'{utterances.problems.name}: code_switched needs lines in two languages ("lang"): {found}')
    shown = (1 - options.min_monolingual) * float(utterances.weights.sum())
    number = max(round(shown * options.variety), 1)
    draw = _Drawing(groups, utterances.durations, options, np.random.default_rng(seed))
    joined = [draw() for _ in range(number)]
    own = np.arange(len(utterances)) if options.min_monolingual else np.zeros(0, int)
    lines: list[dict[str, Any]] = [fields[i] | {"duration": float(utterances.durations[i])} for i in own]
    lines += [_line(k, [fields[i] for i in one], utterances.durations[one], options) for k, one in enumerate(joined)]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        path = Path(folder, "joined.jsonl")
        write_manifest(path, lines)
        manifest = CodeSwitchedManifest(path, problems=utterances.problems)
    manifest.original, manifest.options = utterances, options
    manifest.members = [*own[:, None], *joined]
    weights = np.concatenate([options.min_monolingual * utterances.weights[own], np.full(number, shown / number)])
    weighted = manifest.weighted(weights)
    assert isinstance(weighted, CodeSwitchedManifest)
    return weighted


def _line(
    number: int, parts: Sequence[Mapping[str, Any]], seconds: Float[np.ndarray, " M"], options: CodeSwitching
) -> dict[str, Any]:
    """The line of a joined utterance: one language for each word."""
    start, between, end = options.pause_seconds
    words = [str(part.get("text") or "").split() for part in parts]
    return {
        "audio_filepath": f"/code-switched/{number:06d}",
        "duration": float(seconds.sum()) + start + between * (len(parts) - 1) + end,
        "text": " ".join(word for part in words for word in part),
        FIELD: [part[FIELD] for part, said in zip(parts, words, strict=True) for _ in said],
    }


class _Drawing:
    """Draws which utterances are joined."""

    def __init__(
        self,
        groups: Mapping[str, np.ndarray],
        seconds: Float[np.ndarray, " N"],
        options: CodeSwitching,
        rng: np.random.Generator,
    ):
        self._names, self._seconds, self._options, self._rng = list(groups), seconds, options, rng
        probs = np.array([options.probs.get(name, 1.0) if options.probs else 1.0 for name in self._names])
        self._probs = probs / probs.sum()
        self._next = [self._endless(group) for group in groups.values()]

    def _endless(self, group: np.ndarray) -> Iterator[int]:
        """The utterances of a language, each once before any recurs."""
        while True:
            yield from self._rng.permutation(group).tolist()

    def __call__(self) -> Int[np.ndarray, " M"]:
        """Draws one.

        Raises:
          ManifestError: no two utterances in different languages are short enough.
        """
        start, between, end = self._options.pause_seconds
        total, found, spoken, tries, starts = start + end, list[int](), list[int](), 0, 1
        while total < self._options.min_seconds or len({*spoken}) < 2:
            left = [i for i in range(len(self._names)) if i not in spoken] or list(range(len(self._names)))
            left = list(range(len(self._names))) if self._options.pure_random and len({*spoken}) != 1 else left
            language = int(self._rng.choice(left, p=self._probs[left] / self._probs[left].sum()))
            utterance = next(self._next[language])
            longer = total + float(self._seconds[utterance]) + (between if found else 0.0)
            if longer > self._options.max_seconds:
                tries += 1
                if tries < MOST_TRIES:
                    continue
                if len({*spoken}) > 1:
                    break
                if starts == MOST_STARTS:
                    raise ManifestError(
                        f"code_switched.max_seconds={self._options.max_seconds:g} is too short to join utterances of "
                        "two languages"
                    )
                # Perhaps the first one is too long.
                total, found, spoken, tries, starts = start + end, [], [], 0, starts + 1
                continue
            total, tries = longer, 0
            found.append(utterance)
            spoken.append(language)
        return np.array(found)
