"""The job of text-to-mel models and of voices: recordings with their texts, the pitch of each frame, speakers, scores.

A recipe has the parts

    front_end: {type: "espeak", language: "en-us", ...}; see text/choose_front_end.py
    speakers: {names: (), field: "speaker"}; of a model with several, in order; (): those in the data, sorted
    pitch: {low: 65.0, high: 600.0}; where it is looked for, in Hz
    scores: {measures: ("mel_distance", "duration"), recognizer: ""}; the first score chooses the best model
    data.speakers: (); the names of those whose recordings are used, () for all

The pitch of the recordings is extracted once and kept in the workdir's pitch/; its mean and deviation, with which it is
normalised, are those of the training data.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxspeech.assets import Assets
from jaxspeech.audio.pitch import PitchRange, praat
from jaxspeech.audio.pitch_cache import PitchCache
from jaxspeech.audio.pitch_statistics import PitchStatistics
from jaxspeech.builder import build
from jaxspeech.data.augment import AugmentConfig, parse_augment
from jaxspeech.data.capacity import check_capacity
from jaxspeech.data.columns.audio import audio
from jaxspeech.data.columns.column import Column
from jaxspeech.data.columns.label import label_names
from jaxspeech.data.columns.pitch import pitch, pitch_statistics
from jaxspeech.data.columns.speaker import SPEAKER, of_speakers, speakers
from jaxspeech.data.columns.symbols import symbols
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.run_data import RunData, make_run_data, training_manifest
from jaxspeech.errors import ConfigError, ManifestError, did_you_mean
from jaxspeech.evaluation.evaluation import Evaluation
from jaxspeech.evaluation.synthesis import OF_SAMPLES, synthesis_scores
from jaxspeech.jobs.job import Job, ModelConfig, Placement, Report, Settings, as_it_is
from jaxspeech.jobs.listening import listener
from jaxspeech.report.spoken_view import SpokenView
from jaxspeech.tasks.task import Task
from jaxspeech.text.choose_front_end import choose_front_end
from jaxspeech.text.classes import Classes
from jaxspeech.text.front_end import FrontEnd

INFEASIBLE = "a text with more symbols than its recording has frames"
NEED = ("text",)
VOICE = "voice"


def of_speech(model: Mapping[str, Any]) -> Mapping[str, Any]:
    """The configuration of the text-to-mel model: the whole one, or that part of a voice."""
    return model["speech"] if model.get("task") == VOICE else model


def part(settings: Settings, name: str, **defaults: Any) -> dict[str, Any]:
    """Reads a part of a recipe, which may be missing.

    Raises:
      ConfigError: it has an unknown field.
    """
    given = dict(settings.get(name) or {})
    for field in given:
        if field not in defaults:
            raise ConfigError(f"{name}.{field} is not a field{did_you_mean(field, defaults)}")
    return defaults | given


def _source(settings: Settings, report: Report) -> Manifest:
    manifest = training_manifest(settings["data"], need=NEED, report=report)
    return of_speakers(manifest, _wanted(settings), field=_field(settings))


def _wanted(settings: Settings) -> tuple[str, ...]:
    wanted = settings["data"].get("speakers") or ()
    return (wanted,) if isinstance(wanted, str) else tuple(wanted)


def _field(settings: Settings) -> str:
    return part(settings, "speakers", names=(), field=SPEAKER)["field"]


def _pitch_cache(settings: Settings, hop: int) -> PitchCache:
    within = PitchRange(**part(settings, "pitch", **PitchRange()._asdict()))
    workdir = settings.get("workdir")
    return PitchCache(None if workdir is None else Path(workdir) / "pitch", hop, within)


def _front_end(settings: Settings, given: Assets) -> FrontEnd:
    return choose_front_end(settings.get("front_end") or {}, given.get("front_end"))


def _check(settings: Settings, given: Assets) -> None:
    """Checks that what the front end and the pitch are made with is there: packages and dictionaries."""
    _front_end(settings, given)
    praat()


def _assets(settings: Settings, manifest: Manifest, given: Assets) -> Assets:
    """The front end, the names of several speakers, and the statistics of pitch."""
    assets: dict[str, Any] = {"front_end": _front_end(settings, given)}
    if of_speech(settings["model"]).get("speakers"):
        assets["speakers"] = _speakers(settings, manifest, given)
    synthesis = synthesis_of(build(_sized(settings["model"], assets | {"pitch": PitchStatistics(0.0, 1.0)})))
    rate = synthesis.sample_rate
    samples = audio(manifest, sample_rate=rate, channel=settings["data"]["channel"], cache_bytes=0)
    cache = _pitch_cache(settings, synthesis.hop)
    return assets | {"pitch": pitch_statistics(manifest, samples, cache, sample_rate=rate)}


def _speakers(settings: Settings, manifest: Manifest, given: Assets) -> Classes:
    asked = part(settings, "speakers", names=(), field=SPEAKER)
    if asked["names"] == "model":
        if "speakers" not in given:
            raise ConfigError('speakers.names is "model", but init_from names no model with several speakers')
        return given["speakers"]
    names = asked["names"] or sorted({name for name in label_names(manifest, field=asked["field"]) if name})
    if not names:
        raise ManifestError(
            f"{manifest.problems.name or 'the training data'}: no line has the field {asked['field']!r} "
            "(speakers.field), and the model has several speakers (model.speakers)"
        )
    return Classes(names)


def synthesis_of(task: Task) -> Any:
    """The `Synthesis` of a text-to-mel model, or of a voice."""
    return getattr(task.inference, "synthesis", task.inference)


def _sized(model: ModelConfig, assets: Assets) -> ModelConfig:
    own, statistics = dict(of_speech(model)), assets["pitch"]
    own |= {"vocab_size": assets["front_end"].tokenizer.vocab_size}
    own |= {"pitch_mean": statistics.mean, "pitch_std": statistics.std}
    if "speakers" in assets:
        own["speakers"] = dict(own.get("speakers") or {}) | {"number": len(assets["speakers"])}
    return model | {"speech": own} if model.get("task") == VOICE else own


def _check_augment(settings: Settings) -> None:
    augment, plain = parse_augment(settings["augment"]), AugmentConfig()
    for name in vars(plain):
        if getattr(augment, name) != getattr(plain, name):
            raise ConfigError(f"augment.{name}: a voice learns from recordings as they are; leave it out")
    if settings.get("mixing"):
        raise ConfigError("mixing: a voice learns from recordings as they are; leave it out")


def _data(
    settings: Settings, manifest: Manifest, assets: Assets, task: Task, placement: Placement, report: Report
) -> RunData:
    of_data, synthesis = settings["data"], synthesis_of(task)
    _check_augment(settings)
    cache, rate = _pitch_cache(settings, synthesis.hop), synthesis.sample_rate

    def columns_of(manifest: Manifest, *, train: bool) -> dict[str, Column]:
        samples = audio(manifest, sample_rate=rate, channel=of_data["channel"])
        made = {
            "samples": samples,
            **symbols(manifest, assets["front_end"]),
            "pitch": pitch(samples, cache, assets["pitch"], sample_rate=rate),
            "speaker": speakers(manifest, assets.get("speakers"), field=_field(settings)),
        }
        if train and task.capacity is not None:
            check_capacity(task.capacity, manifest, made, what=INFEASIBLE, report=report)
        return made

    return make_run_data(
        of_data,
        manifest,
        columns_of,
        task.batch,
        identity_fields=NEED,
        need=NEED,
        parts=lambda part: of_speakers(part, _wanted(settings), field=_field(settings)),
        augment=AugmentConfig(),
        report=report,
        **placement._asdict(),
    )


def _evaluation(settings: Settings, assets: Assets, task: Task) -> Evaluation:
    del assets
    asked, synthesis = (
        part(settings, "scores", measures=("mel_distance", "duration"), recognizer=""),
        synthesis_of(task),
    )
    measures = (asked["measures"],) if isinstance(asked["measures"], str) else tuple(asked["measures"])
    speaks = settings["model"].get("task") == VOICE
    if not speaks and (unheard := [name for name in measures if name in OF_SAMPLES]):
        raise ConfigError(f"scores.measures: {unheard[0]!r} is of samples, and a text-to-mel model makes none")
    if not speaks and asked["recognizer"]:
        raise ConfigError("scores.recognizer cannot hear a text-to-mel model, which makes no samples")
    listen = listener(asked["recognizer"]) if asked["recognizer"] else None
    return synthesis_scores(sample_rate=synthesis.sample_rate, hop=synthesis.hop, measures=measures, listen=listen)


def _view(task: Task, predict: Any, assets: Assets, put: Any) -> SpokenView:
    synthesis = synthesis_of(task)
    return SpokenView(predict, assets["front_end"], sample_rate=synthesis.sample_rate, hop=synthesis.hop, put=put)


def _describe(assets: Assets) -> str:
    several = f", {len(assets['speakers'])} speakers" if "speakers" in assets else ""
    mean, std = assets["pitch"]
    return f"{assets['front_end'].tokenizer.vocab_size} symbols{several}, pitch {mean:.0f} ± {std:.0f} Hz"


SPEECH = Job(
    source=_source,
    assets=_assets,
    sized=_sized,
    data=_data,
    evaluation=_evaluation,
    adapted=as_it_is,
    describe=_describe,
    view=_view,
    fixed=("front_end", "speakers"),
    infeasible=INFEASIBLE,
    check=_check,
)
