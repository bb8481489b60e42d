"""The job of enhancement models: mixtures made from speech and noise as they are needed, or files with their targets.

A recipe may have the parts

    mixtures: {noise: manifest, snr_db: (-5, 15), rooms: manifest or {...}, ...}; see data/mixture_options.py
    pairs: {input: "audio_filepath", target: "target_filepath", ...}; see data/paired_audio.py
    scores: {measures: ("si_sdr", "pesq")}; the first one chooses the best model

With `mixtures`, the training data are talkers, of whom every epoch makes new mixtures; without, each line has its
target. An evaluation set whose lines have a target is of pairs, any other of mixtures, the same ones every time.
"""

import hashlib
from collections.abc import Mapping

from jaxspeech.assets import Assets
from jaxspeech.data.augment import AugmentConfig, parse_augment
from jaxspeech.data.columns.column import Column
from jaxspeech.data.columns.mixture import mixture_columns
from jaxspeech.data.columns.paired import paired_columns
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.mixture_options import MixtureOptions, parse_mixtures
from jaxspeech.data.paired_audio import parse_pairs
from jaxspeech.data.run_data import RunData, make_run_data, training_manifest
from jaxspeech.errors import ConfigError, did_you_mean
from jaxspeech.evaluation.enhancement import IN_DECIBELS, enhancement_scores
from jaxspeech.evaluation.evaluation import Evaluation
from jaxspeech.jobs.job import Job, Placement, Report, Settings, as_it_is
from jaxspeech.manifest_lines import AUDIO
from jaxspeech.report.enhanced_view import EnhancedView
from jaxspeech.tasks.task import Task

INFEASIBLE = "a silent target"
# Of the names of the manifests of evaluation sets.
EVAL = "data.eval."


def mixture_settings(settings: Settings) -> MixtureOptions | None:
    """Reads the part `mixtures` of a recipe; None without it.

    Raises:
      ConfigError: a field is unknown or invalid, or a set is none of `data.eval`.
    """
    if not settings.get("mixtures"):
        return None
    options = parse_mixtures(settings["mixtures"])
    for name in options.sets:
        if name not in settings["data"]["eval"]:
            raise ConfigError(
                f"mixtures.sets.{name}: data.eval has no set of this name{did_you_mean(name, settings['data']['eval'])}"
            )
    return options


def check_augment(settings: Settings) -> None:
    """Checks that the part `augment` changes nothing but lengths, as it is applied to the targets too.

    Raises:
      ConfigError: names the field, and what to use instead.
    """
    augment = parse_augment(settings["augment"])
    if settings.get("mixing"):
        raise ConfigError("mixing is for models that do not know the clean speech; use mixtures")
    use = {"rir": "rooms", "room": "rooms", "noise": "noise", "white_noise": "generated", "equalize": ""}
    for name, instead in use.items():
        if getattr(augment, name) is not None:
            raise ConfigError(
                f"augment.{name} would change the target too" + f"; use mixtures.{instead}" * bool(instead)
            )
    for name in ("clip", "band", "codec"):
        if getattr(augment, name) is not None:
            raise ConfigError(f"augment.{name} is not for mixtures and pairs, whose targets stay clean; leave it out")
    if augment.gain_db != AugmentConfig().gain_db:
        raise ConfigError("augment.gain_db would change the ratio to the noise; use mixtures.level_db")


def _source(settings: Settings, report: Report) -> Manifest:
    pairs = parse_pairs(settings.get("pairs") or {})
    if settings.get("mixtures"):
        return training_manifest(settings["data"], report=report)
    return training_manifest(settings["data"], audio=pairs.input, several=True, report=report)


def _data(
    settings: Settings, manifest: Manifest, assets: Assets, task: Task, placement: Placement, report: Report
) -> RunData:
    del assets
    of_data, options, contents = settings["data"], mixture_settings(settings), {}
    pairs = parse_pairs(settings.get("pairs") or {})
    check_augment(settings)
    rate = task.inference.sample_rate
    shared = {"sample_rate": rate, "channel": of_data["channel"], "seed": of_data["seed"]}

    def columns_of(manifest: Manifest, *, train: bool) -> Mapping[str, Column]:
        name = manifest.problems.name
        if options is None or (not train and pairs.target in manifest[0].fields):
            columns = paired_columns(manifest, pairs, sample_rate=rate)
        else:
            chosen = options if train else options.for_set(name.removeprefix(EVAL))
            columns, content = mixture_columns(manifest, chosen, train=train, **shared)
            contents[name] = f"{content}, {chosen}"
        channels, given = task.inference.channels, columns["samples"].before[0]
        if channels not in (None, given):
            raise ConfigError(f"{name}: has {given} channels, the model takes {channels} (model.channels)")
        return columns

    found = make_run_data(
        of_data,
        manifest,
        columns_of,
        task.batch,
        identity_fields=("speaker", pairs.target),
        augment=parse_augment(settings["augment"]),
        report=report,
        audio=pairs.input if options is None else AUDIO,
        several=True,
        **placement._asdict(),
    )
    # A score belongs to the mixtures of a set: to the noise and how it is mixed too.
    identities = {
        name: hashlib.sha256(f"{given} {contents[EVAL + name]}".encode()).hexdigest()[:16]
        if EVAL + name in contents
        else given
        for name, given in found.identities.items()
    }
    return found._replace(identities=identities)


def _evaluation(settings: Settings, assets: Assets, task: Task) -> Evaluation:
    del assets
    given = dict(settings.get("scores") or {})
    for name in given:
        if name != "measures":
            raise ConfigError(f"scores.{name} is not a field{did_you_mean(name, ['measures'])}")
    measures = given.get("measures") or IN_DECIBELS[:1]
    measures = (measures,) if isinstance(measures, str) else measures
    any_order = bool(settings["model"].get("permutation_invariant"))
    return enhancement_scores(task.inference.sample_rate, measures=measures, any_order=any_order, identity=("speaker",))


ENHANCEMENT = Job(
    source=_source,
    assets=lambda settings, manifest, given: {},
    sized=lambda model, assets: model,
    data=_data,
    evaluation=_evaluation,
    adapted=as_it_is,
    describe=lambda assets: "enhancement",
    view=lambda task, predict, assets, put: EnhancedView(predict, sample_rate=task.inference.sample_rate, put=put),
    infeasible=INFEASIBLE,
)
