"""The job of language models: lines of text, the tokenizer of a recogniser, the perplexity."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaxspeech.archive import load_assets
from jaxspeech.assets import Assets
from jaxspeech.data.batching import plain_batching
from jaxspeech.data.problems import Problems
from jaxspeech.data.run_data import RunData
from jaxspeech.data.sources import ParsedSource, parse_sources
from jaxspeech.data.text_rows import EvaluationTexts, TrainingTexts
from jaxspeech.data.text_stream import texts_of
from jaxspeech.errors import ConfigError, ManifestError
from jaxspeech.evaluation.perplexity import perplexity
from jaxspeech.jobs.job import Job, ModelConfig, Placement, Report, Settings, as_it_is
from jaxspeech.tasks.task import Task
from jaxspeech.text.choose import choose_tokenizer
from jaxspeech.text.tokenizer import Tokenizer


class TextFiles(NamedTuple):
    """The files to train on, which are read when they are needed.

    Attributes:
      sources: the files, with weights.
      problems: collects the lines that cannot be used.
    """

    sources: list[ParsedSource]
    problems: Problems

    def texts(self) -> Iterator[str]:
        """Yields all texts."""
        for path in paths_of(self.sources):
            yield from (text for _, text in texts_of(path, self.problems) if text)


def paths_of(sources: list[ParsedSource]) -> list[Path | str]:
    """Returns the paths of files of text.

    Raises:
      ManifestError: a source has its texts in tars.
    """
    if any(source.path is None or source.tars for source in sources):
        raise ManifestError("data: a language model reads texts, not tars: name files of text, or manifests")
    return [source.path for source in sources if source.path is not None]


def _source(settings: Settings, report: Report) -> TextFiles:
    sources = parse_sources(settings["data"]["train"])
    if not paths_of(sources):
        raise ConfigError("data.train names no file: name files with a text on each line, or manifests with a 'text'")
    return TextFiles(sources, Problems(name="data.train", report=report))


def _assets(settings: Settings, files: TextFiles, given: Assets) -> Assets:
    """Makes the tokenizer that the recipe describes: usually that of a recogniser, or one trained on the texts."""
    chosen = settings["tokenizer"]
    if str(chosen["path"]).endswith(".jaxspeech"):
        return {"tokenizer": _tokenizer_of(chosen["path"])}
    return {"tokenizer": choose_tokenizer(chosen, files.texts(), given=given.get("tokenizer"))}


def _tokenizer_of(path: str) -> Tokenizer:
    assets = load_assets(path)
    if "tokenizer" not in assets:
        raise ConfigError(f"tokenizer.path: the model {path} has no tokenizer")
    return assets["tokenizer"]


def _sized(model: ModelConfig, assets: Assets) -> ModelConfig:
    return model | {"decoder": model["decoder"] | {"vocab_size": assets["tokenizer"].vocab_size}}


def _is_set(value: Any) -> bool:
    """Whether a field of `data`, or one of its fields, is not 0, and not empty."""
    return any(value.values()) if isinstance(value, Mapping) else bool(value)


def _data(
    settings: Settings, files: TextFiles, assets: Assets, task: Task, placement: Placement, report: Report
) -> RunData:
    options, tokenizer = settings["data"], assets["tokenizer"]
    if placement.accumulate < 1:
        raise ConfigError(f"accumulate is {placement.accumulate}; it is the number of parts of a batch, 1 or more")
    plain_batching(options, why="rows of text are planned by their tokens; leave it out")
    for name in ("keep", "windows", "min_tokens", "min_tokens_per_second", "max_tokens_per_second"):
        if _is_set(options.get(name)):
            raise ConfigError(f"data.{name} is for recordings, not for texts; leave it out")
    part, parts = placement.share
    shared = {"buckets": options["buckets"], "batch_tokens": options["batch_seconds"]}
    shared |= {"process_index": part, "process_count": parts}
    train = TrainingTexts(
        paths_of(files.sources),
        tokenizer,
        task.batch,
        batch_size=options["batch_size"],
        max_tokens=options["max_tokens"],
        weights=[source.weight for source in files.sources],
        seed=options["seed"],
        data_shards=placement.data_shards * placement.accumulate,
        problems=files.problems,
        **shared,
    )
    if train.too_long:
        report(f"left out: {train.too_long} training texts, longer than data.max_tokens={options['max_tokens']}")
    shared |= {"data_shards": placement.data_shards}
    shared |= {"batch_size": max(options["eval_batch_size"], placement.data_shards)}
    sets = {
        name: EvaluationTexts(
            paths_of(parse_sources(path)),
            tokenizer,
            task.batch,
            problems=Problems(name=f"data.eval.{name}", report=report),
            **shared,
        )
        for name, path in options["eval"].items()
    }
    identities = {name: part.digest for name, part in sets.items()}
    contents = {"data.train": train.digest} | {f"data.eval.{name}": found for name, found in identities.items()}
    return RunData(train, dict(sets), identities, contents)


LANGUAGE_MODEL = Job(
    source=_source,
    assets=_assets,
    sized=_sized,
    data=_data,
    evaluation=lambda settings, assets, task: perplexity(),
    adapted=as_it_is,
    describe=lambda assets: f"{assets['tokenizer'].vocab_size} tokens",
    fixed=("tokenizer",),
)
