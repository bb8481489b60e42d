"""How a run begins: what it reads, and the trained weights that it starts from."""

from functools import reduce
from pathlib import Path
from typing import Any

import jax
from tqdm import tqdm

from jaxspeech.archive import Archive
from jaxspeech.assets import Assets, read_assets, same_assets, write_assets
from jaxspeech.builder import build
from jaxspeech.data.run_data import RunData, with_corpus
from jaxspeech.encoders.layer_stack import layers_as
from jaxspeech.evaluation.old_records import stated_scores
from jaxspeech.jobs.job import Job, Placement, Taken
from jaxspeech.jobs.pretrained import encoder_of_pretrained
from jaxspeech.loading import read_model
from jaxspeech.surgery.encoder_features import check_encoder_given, encoder_variables
from jaxspeech.tasks.task import Task
from jaxspeech.training.processes import is_leader, leader_first
from jaxspeech.training.warm_start import (
    FROM_SCRATCH,
    Start,
    WarmStart,
    choose_start,
    describe_start,
    paths_beside,
    start_given,
)

Settings = dict[str, Any]


def load(
    job: Job, settings: Settings, workdir: Path, place: Placement, *, source: Archive | None, resuming: bool
) -> tuple[dict[str, Any], Assets, Task, RunData]:
    """Loads the source -> assets -> the model's configuration with their sizes -> its task -> batches."""
    given = source.assets if source else {}
    if job.check is not None and not resuming:
        job.check(settings, given)
    if settings["data"]["prepare"]:
        with leader_first("corpus"):
            settings = settings | {"data": with_corpus(settings["data"], workdir / "data")}
    settings = settings | {"workdir": str(workdir)}
    read = job.source(settings, tqdm.write)
    with leader_first("assets"):
        if resuming or not is_leader():
            assets: Assets = read_assets(workdir)
        else:
            assets = job.assets(settings, read, given)
            write_assets(workdir, assets)
    model = job.sized(settings["model"], assets)
    task = build(model)
    return model, assets, task, job.data(settings, read, assets, task, place, tqdm.write)


def warm_start(job: Job, source: Archive | None, assets: Assets, task: Task, settings: Settings) -> WarmStart:
    """Chooses the arrays that the new model takes from trained ones, and prints a summary."""
    given = [] if job.given is None else [job.given(settings)]
    if features := settings["init"].get("features"):
        given.append(encoder_variables(read_model(features), settings["model"], name=features))
    elif source is None:
        check_encoder_given(settings["model"])
    if source is None and not given:
        return WarmStart()
    shapes = jax.eval_shape(task.init, jax.random.key(settings["seed"]))
    starts = [start_given(shapes, layers_as(shapes, variables)) for variables in given]
    if features:
        print(describe_start(starts[-1], model=features, note="the encoder of the features"), flush=True)
    of_others = reduce(Start.beside, starts, FROM_SCRATCH)
    if source is None:
        return WarmStart(of_others)
    name, options = settings["init_from"], settings["init"]
    pretrained = encoder_of_pretrained(settings["model"], source)
    fitting = source if pretrained else job.adapted(source, assets, settings["seed"])
    taken = Taken(options["include"])
    if not taken.include and pretrained:
        taken = pretrained
    elif not taken.include and job.taken is not None:
        taken = job.taken(settings["model"], source)
    start = choose_start(
        shapes,
        layers_as(shapes, fitting.variables),
        include=taken.include,
        exclude=options["exclude"],
        beside=of_others.arrays,
        optional=paths_beside(shapes, task.used(shapes)),
        model=name,
    )
    print(describe_start(start, model=name, note=taken.note), flush=True)
    own = {name: asset for name, asset in assets.items() if name in source.assets}
    exact = not start.unused and not same_assets(source.assets, own)
    return WarmStart(start.beside(of_others), name, stated_scores(source.metadata), exact)
