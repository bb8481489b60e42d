"""Makes the data of a run from a recipe's `data`: batches to train on, and evaluation sets."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, runtime_checkable

from jaxspeech.data.augment import AugmentConfig
from jaxspeech.data.batches import EvaluationBatches, TrainingBatches
from jaxspeech.data.batching import parse_batching
from jaxspeech.data.columns.column import Column
from jaxspeech.data.example_set import ExampleSet
from jaxspeech.data.identity import identity
from jaxspeech.data.keep import parse_keep
from jaxspeech.data.limits import parse_limits
from jaxspeech.data.loader import EvaluationData, TrainingData
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.problems import Problems
from jaxspeech.data.quickstart import QUICKSTART
from jaxspeech.data.quickstart_languages import QUICKSTART_EN, QUICKSTART_EO, QUICKSTART_LANGUAGES
from jaxspeech.data.quickstart_open import QUICKSTART_OPEN
from jaxspeech.data.readers import CORPUS as READERS
from jaxspeech.data.sources import listed
from jaxspeech.data.spoken_digits import SPOKEN_DIGITS
from jaxspeech.data.spoken_questions import SPOKEN_QUESTIONS
from jaxspeech.data.trial import try_examples
from jaxspeech.data.two_tasks import TWO_TASKS
from jaxspeech.data.voice import VOICE
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.manifest_lines import AUDIO

# The fields of data.windows.
WINDOWS = ("seconds", "hop")
# Corpora that data.prepare can name; they are made if they are missing.
LANGUAGES = (QUICKSTART_LANGUAGES, QUICKSTART_EN, QUICKSTART_EO)
SPOKEN = (QUICKSTART, QUICKSTART_OPEN, *LANGUAGES, SPOKEN_DIGITS, SPOKEN_QUESTIONS, TWO_TASKS, VOICE, READERS)
PREPARE = {corpus.name: corpus for corpus in SPOKEN}


@runtime_checkable
class ColumnsOf(Protocol):
    """Makes the columns of a manifest: with the recipe's augmentation for training, without any for evaluation."""

    def __call__(self, manifest: Any, *, train: bool) -> Mapping[str, Column]: ...


class RunData(NamedTuple):
    """The data of a run.

    Attributes:
      train: batches to train on.
      eval: the evaluation sets, by name.
      identities: a hash of the content of each evaluation set (see identity.py).
      contents: describes the content of each set's manifests, by its name in recipes; it changes with any byte of them.
    """

    train: TrainingBatches[Any]
    eval: dict[str, EvaluationBatches[Any]]
    identities: dict[str, str]
    contents: Mapping[str, str] = MappingProxyType({})

    def resized(self, batch_seconds: int | float) -> "RunData":
        """The same data in batches of `batch_seconds` seconds."""
        evals = {name: part.resized(batch_seconds) for name, part in self.eval.items()}
        return self._replace(train=self.train.resized(batch_seconds), eval=evals)

    def statement(self, scores: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
        """The evaluation part of an archive's metadata: the scores on each evaluation set, and the set's identity."""
        return {name: {"set": self.identities[name], "scores": dict(found)} for name, found in scores.items()}

    @property
    def num_problems(self) -> int:
        """Number of examples that could not be used so far."""
        return len(self.train.problems) + sum(len(part.problems) for part in self.eval.values())


def with_corpus(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Add the corpus named by `prepare` to the fields of `data`; it is made in `folder` if it is missing.

    Its training part is added to the recipe's, and its other parts to the evaluation sets, unless the recipe already
    has sets of these names.

    Raises:
      ConfigError: there is no such corpus.
      SpeechError: the corpus cannot be made.
    """
    name = settings["prepare"]
    if not name:
        return dict(settings)
    if name not in PREPARE:
        raise ConfigError(f"data.prepare: {name}{did_you_mean(name, PREPARE)}")
    made = {part: str(manifest) for part, manifest in PREPARE[name].make(folder).items()}
    training = [*listed(settings["train"]), made.pop("train")]
    return {**settings, "train": training, "eval": {**made, **settings["eval"]}}


def training_manifest(
    settings: Mapping[str, Any],
    *,
    report: Callable[[str], None],
    need: tuple[str, ...] = (),
    audio: str = AUDIO,
    several: bool = False,
) -> Manifest:
    """Open the manifests of a recipe's training data.

    Args:
      settings: the fields of `data`.
      report: is called with a line about each example that cannot be used.
      need: required string fields; a line that lacks one is a bad line.
      audio, several: see `Manifest`.

    Raises:
      ManifestError: a manifest is missing, or too many of the examples are unusable.
    """
    manifest = Manifest(
        settings["train"],
        min_seconds=settings["min_seconds"],
        max_seconds=settings["max_seconds"],
        need=need,
        temperature=settings["temperature"],
        keep=parse_keep(settings.get("keep")),
        audio=audio,
        several=several,
        problems=Problems(name="data.train", report=report),
    )
    total = len(manifest) + manifest.too_short + manifest.too_long + sum(manifest.left_out.values())
    for count, how, limit in ((manifest.too_short, "shorter", "min"), (manifest.too_long, "longer", "max")):
        if count:
            bound = f"data.{limit}_seconds={settings[f'{limit}_seconds']:g}"
            report(f"left out: {count} of {total} training examples, {how} than {bound}")
    for why, count in manifest.left_out.most_common():
        report(f"left out: {count} of {total} training examples, {why} (data.keep)")
    return _in_windows(manifest, settings, need=need)


def _in_windows(manifest: Manifest, settings: Mapping[str, Any], *, need: tuple[str, ...]) -> Manifest:
    """The recordings in windows, if the recipe says so.

    Raises:
      ConfigError: a window would have the text of the whole recording, or its length is not possible.
    """
    given = dict(settings.get("windows") or {})
    for name in given:
        if name not in WINDOWS:
            raise ConfigError(f"data.windows.{name}: no such field{did_you_mean(name, WINDOWS)}")
    seconds, hop = (given.get(name, 0.0) for name in WINDOWS)
    if not (isinstance(seconds, int | float) and isinstance(hop, int | float) and seconds >= 0 and hop >= 0):
        raise ConfigError(f"data.windows: seconds is {seconds!r} and hop {hop!r}; both are seconds, 0 or more")
    if not seconds:
        return manifest
    if "text" in need:
        raise ConfigError("data.windows: a text is of a whole recording, not of windows; leave it out")
    return manifest.in_windows(seconds, hop)


def make_run_data(
    settings: Mapping[str, Any],
    manifest: ExampleSet,
    columns_of: ColumnsOf,
    batch: type,
    *,
    identity_fields: tuple[str, ...],
    augment: AugmentConfig,
    data_shards: int,
    accumulate: int,
    share: tuple[int, int],
    report: Callable[[str], None],
    need: tuple[str, ...] = (),
    parts: Callable[[Manifest], Manifest] | None = None,
    audio: str = AUDIO,
    several: bool = False,
) -> RunData:
    """Make the batches of a run's training and evaluation data.

    Args:
      settings: the fields of `data`.
      manifest: the examples to train on.
      columns_of: makes the columns of a manifest.
      batch: the NamedTuple class that they fill.
      identity_fields: the fields of the manifest that, with the durations, identify an evaluation set.
      augment: how speeds, silences and cuts of the training examples are drawn.
      data_shards: number of devices that a batch is split over.
      accumulate: number of parts in which a step processes a training batch.
      share: (i, n): this process gets part i of the n equal parts of each batch's rows.
      report: is called with a line about each example that cannot be used.
      need: required string fields of evaluation manifests; a line that lacks one is a bad line.
      parts: chooses or cuts the examples of an evaluation manifest.
      audio, several: of evaluation manifests, see `Manifest`.

    Raises:
      ConfigError: an example is longer than the last bucket, or the batches cannot be split.
      ManifestError: a manifest is missing, or too many of its examples are unusable.
    """
    if accumulate < 1:
        raise ConfigError(
            f"accumulate is {accumulate}; it is the number of parts that a batch is split into, 1 or more"
        )
    buckets = settings["buckets"]
    if not isinstance(buckets, int) and not (
        isinstance(buckets, list | tuple) and all(isinstance(seconds, int | float) for seconds in buckets)
    ):
        raise ConfigError(f"data.buckets is {buckets!r}; it is the number of padded lengths, or a list of seconds")
    shared = {name: settings[name] for name in ("buckets", "batch_seconds", "num_threads")}
    shared |= {"process_index": share[0], "process_count": share[1]}
    batching = parse_batching(settings)
    columns = columns_of(manifest, train=True)
    try_examples(manifest, columns)
    limits = parse_limits(settings)
    train = TrainingData(
        manifest,
        columns,
        batch,
        batch_size=settings["batch_size"],
        seed=settings["seed"],
        augment=augment,
        data_shards=data_shards * accumulate,
        batching=batching,
        limits=limits,
        **shared,
    )
    for name, count in train.left_out.items():
        if count:
            how = "fewer" if name.startswith("min_") else "more"
            what = "tokens a second" if name.endswith("_second") else "tokens"
            bound = f"{how} {what} than data.{name}={limits.shown(name)}"
            report(f"left out: {count} of {len(manifest)} training examples, with {bound}")
    evals: dict[str, EvaluationBatches[Any]] = {}
    identities, contents = {}, {"data.train": manifest.content}
    shared |= {
        "batch_size": max(settings["eval_batch_size"], data_shards),
        "data_shards": data_shards,
        "cost": batching.cost,
    }
    for name, path in settings["eval"].items():
        problems = Problems(name=f"data.eval.{name}", report=report)
        part = Manifest(path, need=need, audio=audio, several=several, problems=problems)
        part = part if parts is None else parts(part)
        identities[name], contents[f"data.eval.{name}"] = identity(part, identity_fields), part.content
        columns = columns_of(part, train=False)
        try_examples(part, columns)
        evals[name] = EvaluationData(part, columns, batch, **shared)
    return RunData(train, evals, identities, contents)
