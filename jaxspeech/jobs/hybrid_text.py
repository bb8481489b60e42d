"""The job of recognition trained on text: lines of text, spoken in the training step, mixed with recordings.

The data, the tokenizer and the scores are those of the recogniser's own job. A recipe has, besides,

    text: {train: files of lines, generator: a text-to-mel model or a voice, share: of text among the examples,
           speakers: () or a list, save: "recognizer" or "whole"}
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from jaxspeech.archive import Archive, load_archive, load_assets
from jaxspeech.assets import Assets
from jaxspeech.data.augment import AugmentConfig, parse_augment
from jaxspeech.data.columns.audio import audio
from jaxspeech.data.columns.column import Column
from jaxspeech.data.columns.spoken_lines import SpelledLines, sounds_of, spoken_lines
from jaxspeech.data.mixed_examples import MixedExamples
from jaxspeech.data.problems import Problems
from jaxspeech.data.run_data import RunData, make_run_data, training_manifest
from jaxspeech.data.sources import listed, parse_sources
from jaxspeech.data.text_lines import TextLines
from jaxspeech.errors import ConfigError, ManifestError, did_you_mean
from jaxspeech.evaluation.evaluation import Evaluation
from jaxspeech.jobs import JOBS
from jaxspeech.jobs.job import Job, ModelConfig, Placement, Report, Settings, Taken
from jaxspeech.jobs.recognition import RECOGNITION, TOO_LONG
from jaxspeech.jobs.recordings import Recordings
from jaxspeech.jobs.spoken_seconds import spoken_seconds
from jaxspeech.report.view import View
from jaxspeech.tasks.branches import branch, with_branch
from jaxspeech.tasks.hybrid_text import GENERATOR, RECOGNIZER
from jaxspeech.tasks.recognition import Utterances
from jaxspeech.tasks.task import Task
from jaxspeech.tasks.voice import SPEECH
from jaxspeech.types import Variables

FRONT_END = "front_end"
HYBRID_TEXT_TASK, VOICE = "hybrid_text", "voice"
SAVED = ("recognizer", "whole")


class TextSettings(NamedTuple):
    """The part `text` of a recipe.

    Attributes:
      train: files of lines of text, with weights; see data/sources.py.
      generator: a .jaxspeech archive of a text-to-mel model, or of a voice; of that, what `model.generator` says.
      share: of lines of text among the examples; the rest are recordings.
      speakers: of the generator; (): all.
      save: "recognizer", what is trained alone, or "whole", with the generator.
    """

    train: Any = ()
    generator: str = ""
    share: float = 1.0
    speakers: Any = ()
    save: str = "recognizer"


def text_settings(settings: Settings) -> TextSettings:
    """Reads the part `text` of a recipe.

    Raises:
      ConfigError: it is missing, or one of its fields cannot be used.
    """
    given = dict(settings.get("text") or {})
    for name in given:
        if name not in TextSettings._fields:
            raise ConfigError(f"text.{name} is not a field{did_you_mean(name, TextSettings._fields)}")
    text = TextSettings(**given)
    if not listed(text.train):
        raise ConfigError("text.train names no file: name files with a line of text each, or manifests with a 'text'")
    if not text.generator:
        raise ConfigError("text.generator is missing: name the archive of a text-to-mel model, or of a voice")
    if not str(text.generator).endswith(".jaxspeech"):
        raise ConfigError(
            f"text.generator is {text.generator}; it is a .jaxspeech archive: `jaxspeech convert` makes one of a .nemo"
        )
    if text.save not in SAVED:
        raise ConfigError(f"text.save is {text.save!r}{did_you_mean(str(text.save), SAVED)}")
    return text


def generator_of(archive: Archive, model: ModelConfig) -> Variables:
    """Returns the variables of an archive for the generator of this configuration: of all, or a voice's first model.

    Raises:
      ConfigError: the archive holds another kind of model.
    """
    wanted, found = model["task"], archive.model.get("task")
    if wanted == found:
        return archive.variables
    if found == VOICE and wanted == archive.model[SPEECH].get("task"):
        return branch(archive.variables, SPEECH)
    raise ConfigError(f"text.generator has the task {found!r}, and model.generator {wanted!r}")


def _inner(settings: Settings) -> Job:
    """The job of the recogniser.

    Raises:
      ConfigError: it is no recogniser that learns from manifests.
    """
    name: Any = settings["model"][RECOGNIZER].get("task")
    job = JOBS.get(name)
    if job is None or not isinstance(job.data, Recordings):
        raise ConfigError(f"model.recognizer.task is {name!r}, which cannot be trained on text")
    return job


def _source(settings: Settings, report: Report) -> MixedExamples:
    text, data = text_settings(settings), settings["data"]
    lines = TextLines(parse_sources(text.train), problems=Problems(name="text.train", report=report))
    mixes = text.share < 1 and listed(data["train"])
    if text.share < 1 and not mixes:
        raise ConfigError(f"text.share is {text.share:g}, but data.train names no recordings; without any it is 1")
    recordings = training_manifest(data, need=("text",), report=report) if mixes else None
    problems = Problems(name="data.train", report=report) if recordings is None else recordings.problems
    return MixedExamples(recordings, lines, share=text.share, problems=problems)


def _assets(settings: Settings, examples: MixedExamples, given: Assets) -> Assets:
    """The recogniser's assets, and the generator's text front end."""
    own = {name: asset for name, asset in given.items() if name != FRONT_END}
    theirs = load_assets(text_settings(settings).generator)
    if FRONT_END not in theirs:
        raise ConfigError(f"text.generator: {text_settings(settings).generator} has no text front end")
    return {**_inner(settings).assets(settings, examples, own), FRONT_END: theirs[FRONT_END]}


def _sized(settings_model: ModelConfig, assets: Assets) -> ModelConfig:
    job = _inner({"model": settings_model})
    return settings_model | {RECOGNIZER: job.sized(dict(settings_model[RECOGNIZER]), assets)}


def _data(
    settings: Settings, examples: MixedExamples, assets: Assets, task: Task, placement: Placement, report: Report
) -> RunData:
    text, of_data, job = text_settings(settings), settings["data"], _inner(settings)
    augment, recognizer = parse_augment(settings["augment"]), task.model.recognizer
    _check_augment(augment)
    if settings.get("mixing"):
        raise ConfigError("mixing: lines of text are spoken in the training step, and cannot be mixed; leave it out")
    of_recordings: Any = job.data
    rate, generator = task.inference.sample_rate, task.model.generator.inference
    synthesis = getattr(generator, "synthesis", generator)  # of a voice
    spell, lines = assets[FRONT_END].spell, examples.texts_to_speak
    numbers = tqdm(range(len(lines)), "spelling the texts", leave=False, unit=" lines", delay=2, disable=None)
    spelled = SpelledLines(lambda line: spell(line).ids, [lines.spoken(number) for number in numbers])
    speakers = text.speakers or range(max(synthesis.num_speakers, 1))
    variables = generator_of(load_archive(text.generator), settings["model"][GENERATOR])
    seconds = spoken_seconds(synthesis, variables, spelled, speakers=speakers, seed=of_data["seed"])
    silent, total = spelled.lengths == 0, len(lines) + len(lines.problems)
    for line in np.flatnonzero(silent).tolist():
        lines.problems.add(lines.name(line), "the generator has no symbol for any of it")
    lines.problems.check(total)
    longest = of_data["max_seconds"] * min(augment.speed)
    if count := int(((seconds > longest) & ~silent).sum()):
        report(f"left out: {count} of {len(lines)} texts, longer than data.max_seconds={of_data['max_seconds']:g}")
    if not (seconds[~silent] <= longest).any():
        raise ManifestError(f"text.train: no text takes at most data.max_seconds={of_data['max_seconds']:g} to speak")
    mixed = examples.timed(np.where(silent, np.inf, seconds), most=longest)
    options = {"channel": of_data["channel"], "seed": of_data["seed"], "sample_rate": rate}

    def columns_of(manifest: Any, *, train: bool) -> dict[str, Column]:
        if not train:
            samples = audio(manifest, **options)
            return of_recordings.with_samples(samples, manifest, assets, recognizer, train=False, report=report)
        recorded = None if mixed.recordings is None else audio(mixed.recordings, augment=augment, **options)
        samples = sounds_of(recorded, mixed, sample_rate=rate)
        made = of_recordings.with_samples(samples, mixed, assets, recognizer, train=True, report=report)
        chosen = {"speakers": text.speakers, "num_speakers": synthesis.num_speakers, "seed": of_data["seed"]}
        return made | spoken_lines(mixed, spelled, **chosen)

    return make_run_data(
        of_data,
        mixed,
        columns_of,
        task.batch,
        **of_recordings.of_evaluation,
        augment=augment,
        report=report,
        **placement._asdict(),
    )


def _check_augment(augment: AugmentConfig) -> None:
    """Raises ConfigError if recordings would be cut, which lines of text cannot be."""
    if augment.crop_seconds or augment.crop_to:
        raise ConfigError("augment.crop_seconds and augment.crop_to cut recordings: lines of text cannot be cut")


def _evaluation(settings: Settings, assets: Assets, task: Task) -> Evaluation:
    return _inner(settings).evaluation(settings, assets, task.model.recognizer)


def _adapted(archive: Archive, assets: Assets, seed: int) -> Archive:
    """Puts a recogniser in its place in the new model; one that was saved whole keeps its."""
    whole = archive.model.get("task") == HYBRID_TEXT_TASK
    model = archive.model[RECOGNIZER] if whole else archive.model
    own = {name: asset for name, asset in assets.items() if name != FRONT_END}
    variables = branch(archive.variables, RECOGNIZER) if whole else archive.variables
    job = _inner({"model": {RECOGNIZER: model}})
    fitting = job.adapted(archive._replace(model=dict(model), variables=variables), own, seed)
    return fitting._replace(variables=with_branch({}, RECOGNIZER, fitting.variables))


def _taken(model: ModelConfig, source: Archive) -> Taken:
    """What the recogniser's job takes of a model of another task."""
    if source.model.get("task") == HYBRID_TEXT_TASK:
        return Taken()
    job = _inner({"model": model})
    return Taken() if job.taken is None else job.taken(dict(model[RECOGNIZER]), source)


def _given(settings: Settings) -> Variables:
    """The generator's variables."""
    archive = load_archive(text_settings(settings).generator)
    return with_branch({}, GENERATOR, generator_of(archive, settings["model"][GENERATOR]))


def _saved(
    settings: Settings, model: ModelConfig, assets: Assets, variables: Variables
) -> tuple[ModelConfig, Assets, Variables]:
    if text_settings(settings).save == "whole":
        return model, assets, variables
    own = {name: asset for name, asset in assets.items() if name != FRONT_END}
    return dict(model[RECOGNIZER]), own, branch(variables, RECOGNIZER)


def _view(task: Task, predict: Callable[..., Any], assets: Assets, put: Callable[[Any], Any]) -> View | None:
    """The view of recognisers, if it knows what this one returns."""
    shows = RECOGNITION.view if task.model.recognizer.batch is Utterances else None
    return None if shows is None else shows(task, predict, assets, put)


HYBRID_TEXT = Job(
    source=_source,
    assets=_assets,
    sized=_sized,
    data=_data,
    evaluation=_evaluation,
    adapted=_adapted,
    describe=lambda assets: f"{assets['tokenizer'].vocab_size} tokens",
    view=_view,
    fixed=("tokenizer", "prompt", "text"),
    taken=_taken,
    infeasible=TOO_LONG,
    given=_given,
    saved=_saved,
)
