"""The data of a run, as a recipe's `data` and `tokenizer` describe it: batches to train on, and evaluation sets."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaxspeech.data.augment import AugmentConfig
from jaxspeech.data.identity import identity
from jaxspeech.data.loader import EvaluationData, TrainingData
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.problems import Problems
from jaxspeech.data.quickstart import QUICKSTART
from jaxspeech.data.sources import listed
from jaxspeech.data.spoken_digits import SPOKEN_DIGITS
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.text.char import CharTokenizer
from jaxspeech.text.tokenizer import Tokenizer, read_tokenizer
from jaxspeech.text.train import train_tokenizer

# Corpora that data.prepare can name, made where missing.
PREPARE = {corpus.name: corpus for corpus in (QUICKSTART, SPOKEN_DIGITS)}
MOST_TEXTS = 1_000_000  # that a tokenizer is trained on, evenly spaced


class RunData(NamedTuple):
    """What a run reads.

    Attributes:
      tokenizer: of the labels.
      train: batches to train on.
      eval: the evaluation sets, by name.
      identities: what each of these is, wherever its files lie.
    """

    tokenizer: Tokenizer
    train: TrainingData
    eval: dict[str, EvaluationData]
    identities: dict[str, str]

    def resized(self, batch_seconds: float) -> "RunData":
        """The same in batches of so many seconds."""
        evals = {name: part.resized(batch_seconds) for name, part in self.eval.items()}
        return self._replace(train=self.train.resized(batch_seconds), eval=evals)

    def statement(self, rates: Mapping[str, float]) -> dict[str, Any]:
        """What an archive states of its model: a word error rate on each evaluation set, and which set that is."""
        return {name: {"set": self.identities[name], "wer": rate} for name, rate in rates.items()}

    @property
    def num_problems(self) -> int:
        """Utterances that could not be used so far."""
        return len(self.train.problems) + sum(len(part.problems) for part in self.eval.values())


def with_corpus(settings: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The fields of `data`, with the corpus that its `prepare` names, made in `folder` where it is missing.

    It joins what the recipe trains on, and "dev" is its evaluation part, unless it has none or the recipe has one.

    Raises:
      ConfigError: there is no such corpus.
      SpeechError: it cannot be made.
    """
    name = settings["prepare"]
    if not name:
        return dict(settings)
    if name not in PREPARE:
        raise ConfigError(f"data.prepare: {name}{did_you_mean(name, PREPARE)}")
    made = {part: str(manifest) for part, manifest in PREPARE[name].make(folder).items()}
    training = [*listed(settings["train"]), made.pop("train")]
    return {**settings, "train": training, "eval": {**made, **settings["eval"]}}


def training_manifest(settings: Mapping[str, Any], *, report: Callable[[str], None]) -> Manifest:
    """The examples that a recipe's `data` trains on.

    Args:
      settings: the fields of `data`.
      report: told of what cannot be used.

    Raises:
      ManifestError: there is none, or too much of it cannot be used.
    """
    manifest = Manifest(
        settings["train"],
        min_seconds=settings["min_seconds"],
        max_seconds=settings["max_seconds"],
        temperature=settings["temperature"],
        problems=Problems(report=report),
    )
    total = len(manifest) + manifest.too_short + manifest.too_long
    for count, how, limit in ((manifest.too_short, "shorter", "min"), (manifest.too_long, "longer", "max")):
        if count:
            bound = f"data.{limit}_seconds={settings[f'{limit}_seconds']:g}"
            report(f"left out: {count} of {total} training examples, {how} than {bound}")
    return manifest


def choose_tokenizer(settings: Mapping[str, Any], manifest: Manifest, *, given: Tokenizer | None) -> Tokenizer:
    """The tokenizer that a recipe's `tokenizer` describes, often a new one.

    Args:
      settings: the fields of `tokenizer`.
      manifest: whose transcripts a new one is trained on.
      given: that of the model to start from, if there is one.

    Raises:
      ConfigError: the type is "model", and there is none to start from.
      TokenizerError: it cannot be read or trained.
    """
    if settings["type"] == "model":
        if given is None:
            raise ConfigError('tokenizer.type is "model": init_from must name the model that has it')
        return given
    if settings["path"]:
        return read_tokenizer(settings["path"])
    if settings["characters"]:
        return CharTokenizer(settings["characters"])
    texts = manifest.texts(at_most=None if settings["type"] == "char" else MOST_TEXTS)
    return train_tokenizer(texts, type=settings["type"], vocab_size=settings["vocab_size"])


def make_run_data(
    settings: Mapping[str, Any],
    manifest: Manifest,
    tokenizer: Tokenizer,
    *,
    sample_rate: int,
    augment: AugmentConfig,
    data_shards: int,
    accumulate: int,
    share: tuple[int, int],
    report: Callable[[str], None],
) -> RunData:
    """Plans the batches.

    Args:
      settings: the fields of `data`.
      manifest: the examples to train on.
      tokenizer: of the labels.
      sample_rate: of the batches, in Hz.
      augment: what changes the examples.
      data_shards: devices that split a batch between them.
      accumulate: parts in which a batch to train on goes through a step.
      share: (i, n): this process gets part i of the n equal parts of each batch's rows.
      report: told of what cannot be used.

    Raises:
      ConfigError: an example is longer than the last bucket, or the batches cannot be split.
      ManifestError: a manifest is missing, or too much of it cannot be used.
    """
    if accumulate < 1:
        raise ConfigError(f"accumulate is {accumulate}; it is in how many parts a batch goes through a step, 1 or more")
    buckets = settings["buckets"]
    if not isinstance(buckets, int) and not (
        isinstance(buckets, list | tuple) and all(isinstance(seconds, int | float) for seconds in buckets)
    ):
        raise ConfigError(f"data.buckets is {buckets!r}; it is how many lengths a batch can have, or a list of seconds")
    channel = settings["channel"]
    if channel != "mean" and not (isinstance(channel, int) and channel >= 0):
        raise ConfigError(f'data.channel is {channel!r}; it is "mean", or which one, from 0 on')
    shared = {name: settings[name] for name in ("buckets", "batch_seconds", "channel", "num_threads")}
    shared |= {"sample_rate": sample_rate, "process_index": share[0], "process_count": share[1]}
    train = TrainingData(
        manifest,
        tokenizer,
        batch_size=settings["batch_size"],
        seed=settings["seed"],
        augment=augment,
        data_shards=data_shards * accumulate,
        **shared,
    )
    evals, identities = {}, {}
    eval_batch_size = max(settings["eval_batch_size"], data_shards)
    for name, path in settings["eval"].items():
        spoken = Manifest(path, problems=Problems(report=report))
        identities[name] = identity(spoken)
        evals[name] = EvaluationData(spoken, batch_size=eval_batch_size, data_shards=data_shards, **shared)
    return RunData(tokenizer, train, evals, identities)
