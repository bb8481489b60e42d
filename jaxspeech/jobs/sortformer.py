"""The job of diarization models: recordings with the turns of their speakers, and the diarization error rate.

A recipe has

    sessions: {seconds: of the longest part of a recording, soft_targets: whether shares are learned, collar: seconds}
    conversations: {sessions: 1000, speakers: [2, 3], ...}; see data/conversation_manifest.py

With `conversations`, the training data are utterances of one speaker each, of which every epoch makes new ones.
"""

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import numpy as np

from jaxspeech.archive import Archive
from jaxspeech.assets import Assets
from jaxspeech.data.augment import parse_augment
from jaxspeech.data.columns.activity import Activities, activity
from jaxspeech.data.columns.column import Column
from jaxspeech.data.columns.conversation import conversation_columns
from jaxspeech.data.conversation_manifest import ConversationManifest, conversation_manifest
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.run_data import RunData, training_manifest
from jaxspeech.errors import ConfigError, ManifestError, SpeechError, did_you_mean
from jaxspeech.evaluation.activity import activity_scores, plain_turns
from jaxspeech.evaluation.evaluation import Evaluation
from jaxspeech.jobs.job import Job, ModelConfig, Placement, Report, Settings, Taken, as_it_is
from jaxspeech.jobs.recordings import recordings
from jaxspeech.surgery.encoder import ENCODER, encoder_note
from jaxspeech.tasks.task import Task

INFEASIBLE = "a recording without a frame"
# Examples whose turns are read before the first step, evenly spaced.
MOST_READ = 200
# Of models whose recipe does not name it, in Hz.
SAMPLE_RATE = 16000


class SessionSettings(NamedTuple):
    """The part `sessions` of a recipe.

    Attributes:
      seconds: longer recordings are cut into equal parts, none longer than this, for training and for evaluation.
      soft_targets: learn how much of a frame each speaker speaks, not whether it is half of it or more.
      collar: of the error rate, in seconds on each side of a reference boundary.
    """

    seconds: int | float = 90.0
    soft_targets: bool = False
    collar: int | float = 0.25


def session_settings(settings: Settings) -> SessionSettings:
    """Reads the part `sessions` of a recipe; without one, all defaults hold.

    Raises:
      ConfigError: it has a field that is not one of `SessionSettings`, or a value that cannot be.
    """
    given = dict(settings.get("sessions") or {})
    for name in given:
        if name not in SessionSettings._fields:
            raise ConfigError(f"sessions.{name} is not a field{did_you_mean(name, SessionSettings._fields)}")
    found = SessionSettings(**given)
    if not found.seconds > 0 or found.collar < 0:
        raise ConfigError(
            f"sessions.seconds is {found.seconds}, sessions.collar {found.collar}: seconds above 0, and of 0 or more"
        )
    return found


def _source(settings: Settings, report: Report) -> Manifest:
    manifest = training_manifest(settings["data"], report=report)
    if simulated := settings.get("conversations"):
        rate = settings["model"]["features"].get("sample_rate", SAMPLE_RATE)
        return conversation_manifest(simulated, manifest, sample_rate=rate, seed=settings["data"]["seed"])
    return manifest.in_parts(session_settings(settings).seconds)


def _data(
    settings: Settings, manifest: Manifest, assets: Assets, task: Task, placement: Placement, report: Report
) -> RunData:
    options = session_settings(settings)
    of_model = {"most_speakers": task.inference.most_speakers, "frame_seconds": task.inference.frame_seconds}

    def columns(manifest: Manifest, assets: Assets, task: Task) -> Mapping[str, Column]:
        if isinstance(manifest, ConversationManifest):  # its samples replace those of files
            augment, seed = parse_augment(settings["augment"]), settings["data"]["seed"]
            return conversation_columns(manifest, augment=augment, seed=seed, soft=options.soft_targets, **of_model)
        return {"activity": activity(manifest, soft=options.soft_targets, **of_model)}

    def look(manifest: Manifest, assets: Assets, train: bool, report: Report) -> None:
        if not isinstance(manifest, ConversationManifest):
            look_at_turns(manifest, train=train, report=report, **of_model)

    make = recordings(
        columns,
        identity=("num_speakers", "turns"),
        look=look,
        infeasible=INFEASIBLE,
        parts=lambda manifest: manifest.in_parts(options.seconds),
    )
    return make(settings, manifest, assets, task, placement, report)


def look_at_turns(manifest: Manifest, *, most_speakers: int, frame_seconds: float, train: bool, report: Report) -> None:
    """Reports how many examples have more speakers than the model, of at most MOST_READ examples, evenly spaced.

    Raises:
      ManifestError: nobody speaks in any of these examples, which are to be trained on.
    """
    activities = Activities(manifest, most_speakers=most_speakers, frame_seconds=frame_seconds)
    chosen = np.arange(min(len(manifest), MOST_READ)) * len(manifest) // min(len(manifest), MOST_READ)
    counts, dropped = [], 0
    for example in chosen.tolist():
        try:
            found = activities(example)
        except SpeechError:  # reported when the columns are made, or the row
            continue
        counts.append(len(found.speakers) + len(found.dropped))
        dropped += len(found.dropped)
    name = manifest.problems.name or "the manifest"
    if train and counts and not any(counts):
        raise ManifestError(
            f"{name}: nobody speaks in any of {len(counts)} examples, so that there is nothing to learn"
        )
    if over := sum(count > most_speakers for count in counts):
        report(
            f"{name}: {over} of {len(counts)} examples have more than {most_speakers} speakers; the {dropped} who "
            "speak last there are left out"
        )


def _evaluation(settings: Settings, assets: Assets, task: Task) -> Evaluation:
    chosen = task.inference
    find_turns = partial(plain_turns, frame_seconds=chosen.frame_seconds)
    return activity_scores(find_turns, sample_rate=chosen.sample_rate, collar=session_settings(settings).collar)


def _taken(model: ModelConfig, archive: Archive) -> Taken:
    """Of a model of another task, a recogniser for example, the encoder alone."""
    if archive.model["task"] == model["task"]:
        return Taken()
    return Taken((ENCODER,), encoder_note(model, archive))


def _no_assets(settings: Settings, manifest: Manifest, given: Assets) -> Assets:
    return {}


SORTFORMER = Job(
    source=_source,
    assets=_no_assets,
    sized=lambda model, assets: model,
    data=_data,
    evaluation=_evaluation,
    adapted=as_it_is,
    describe=lambda assets: "speaker activity",
    taken=_taken,
    infeasible=INFEASIBLE,
)
