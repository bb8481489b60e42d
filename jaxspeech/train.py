"""Trains a model: mesh -> job -> data -> state -> resume -> steps -> evaluate -> archive.

One loop for every task. What differs between tasks is in their Task (pure functions over a model), their Job (data,
assets and scores) and the recipe; copy this file if you need a different loop. The workdir holds

    model.jaxspeech      the best model, by the first score on the first evaluation set
    last.jaxspeech       the last model
    checkpoints/         to resume from; unreadable ones are renamed to N.damaged
    skipped.jsonl        batches whose gradient was not finite, if any
    report.html          curves, scores and examples, for a browser
    tensorboard/         tensorboard --logdir=runs/x; history.jsonl has the same numbers
    assets/              and config.json: what was trained
"""

import contextlib
import itertools
import json
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import jax
from ml_collections import ConfigDict
from tqdm import tqdm

from jaxspeech.archive import save_archive
from jaxspeech.builder import with_defaults
from jaxspeech.configs.base import base_config
from jaxspeech.data.prefetch import begun, prefetch
from jaxspeech.evaluation.evaluation import is_better
from jaxspeech.evaluation.old_records import with_scores
from jaxspeech.files import replace_atomically
from jaxspeech.jobs import find_job
from jaxspeech.jobs.job import Placement
from jaxspeech.loading import read_model
from jaxspeech.report.evaluation_log import REPORT, EvaluationLog
from jaxspeech.report.summary import devices_of, facts, last_line
from jaxspeech.report.view import PlainView
from jaxspeech.row_parallel import traced_over
from jaxspeech.run_start import load, warm_start
from jaxspeech.runtime.command_line import command_line
from jaxspeech.targets.dry_run import DryRun, report_dry_run
from jaxspeech.training.checkpoint import Checkpoints
from jaxspeech.training.coverage import with_coverage
from jaxspeech.training.empty_steps import check_learned
from jaxspeech.training.evaluate import evaluate
from jaxspeech.training.flops import peak_flops
from jaxspeech.training.interrupt import Interrupt
from jaxspeech.training.lora import LORA, Lora, with_lora
from jaxspeech.training.memory import device_memory, most_batch_seconds
from jaxspeech.training.metrics_log import MetricsLog
from jaxspeech.training.non_finite_log import NonFiniteLog
from jaxspeech.training.processes import SharedFlag, as_leader, gather, is_leader
from jaxspeech.training.profile import Profile
from jaxspeech.training.progress import Progress, in_minutes
from jaxspeech.training.record import Record
from jaxspeech.training.resume_checks import changed_settings, check_same_model, check_same_start, edited_manifests
from jaxspeech.training.settings import check_settings
from jaxspeech.training.sharding import make_mesh, make_rules, process_share, put_batch, state_shardings
from jaxspeech.training.state import TrainState, averaged_variables, init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.step_programs import StepPrograms
from jaxspeech.training.updates import build_updates
from jaxspeech.training.warm_start import WarmStart, fill_from

Settings = dict[str, Any]


def train(config: ConfigDict, workdir: Path, *, profile_steps: int = 0, dry_run: bool | DryRun = False) -> int:
    """Trains the model that a recipe describes, from the start or from the workdir's last checkpoint.

    Args:
      config: the recipe; it is not changed.
      workdir: the folder for everything that the run writes.
      profile_steps: number of steps to trace, to the workdir's profile/.
      dry_run: compile the step for each batch shape and print the memory that it needs; no step runs. A DryRun also
        names other devices to compile for.

    Returns:
      The exit status of the process.
    """
    started = time.perf_counter()
    settings: Settings = json.loads(config.to_json())  # as read from a checkpoint: tuples become lists
    check_settings(settings)
    dry_run = DryRun() if dry_run is True else dry_run
    target = dry_run.target if dry_run else None
    mesh, leading = make_mesh(**settings["mesh"], devices=target and target.devices), is_leader()
    put = partial(put_batch, mesh=mesh)

    # Job, assets, task, data; and a trained model to start from, if the recipe names one.
    keep = settings["keep"]
    checkpoints = Checkpoints(
        workdir / "checkpoints", keep_last=keep["last"], keep_best=keep["best"], report=tqdm.write
    )
    resuming = checkpoints.latest is not None
    source = read_model(settings["init_from"]) if settings["init_from"] and not resuming else None
    place = Placement(mesh.shape["data"], settings["accumulate"], process_share(mesh))
    job = find_job(settings["model"])
    model, assets, task, data = load(job, settings, workdir, place, source=source, resuming=resuming)
    settings = settings | {"model": model}
    warm = WarmStart() if resuming else warm_start(job, source, assets, task, settings)
    source = None  # frees its memory
    lora = Lora(**settings["lora"]) if settings["lora"]["rank"] else None
    task = with_lora(task, lora) if lora else task
    evaluation = with_coverage(job.evaluation(settings, assets, task))

    # The step.
    train_only = settings["train_only"] or ([f"^{LORA}/"] if lora else [])
    chosen = {"freeze": settings["freeze"], "train_only": train_only}
    updates, schedule = build_updates(settings["optimizer"], task.phases, steps=settings["steps"], **chosen)
    average_decay = settings.get("average_decay", 0.0)

    def init(key: Any, arrays: dict[str, Any]) -> TrainState:
        variables = fill_from(task.init(key), arrays, warm.start.masks)
        return init_state(variables, [update.optimizer for update in updates], average=average_decay > 0)

    key = jax.random.key(settings["seed"])
    shapes = jax.eval_shape(init, key, warm.start.arrays)
    shardings = state_shardings(shapes, mesh, make_rules(settings["sharding"]))
    abstract = jax.tree.map(lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), shapes, shardings)
    train_step = make_train_step(
        task,
        updates,
        schedule=schedule,
        loss_reduction=settings["loss_reduction"],
        average_decay=average_decay,
        accumulate=settings["accumulate"],
        shardings=shardings,
    )

    # The state is new, or from a trained model, or from the last checkpoint; `record` is the rest of a checkpoint.
    state, record = None, Record()
    if resuming and not dry_run:
        fixed = ("model", *job.fixed)
        check = partial(check_resumed, settings=settings, fixed=fixed, workdir=workdir)
        state, saved = checkpoints.restore(abstract, check=check)
        record = Record.from_json(with_scores(saved))
        defaults = base_config().to_dict()
        if (changes := changed_settings(dict(record.config), settings, fixed=fixed, defaults=defaults)) and leading:
            print(f"{workdir}: the run resumes with changed settings: {changes}")
        if (edited := edited_manifests(record.contents, data.contents)) and leading:
            print(f"{workdir}: manifests were edited since the run was stopped: {edited}")
    if not settings["data"]["batch_seconds"]:
        if state is None:
            limit = target.hardware.memory if target else device_memory()
            found = most_batch_seconds(train_step, abstract, data.train.shapes, mesh=mesh, limit=limit)
            record = record._replace(batch_seconds=found)
        # The value found when this run was started, or set in its recipe.
        data = data.resized(record.batch_seconds or record.config["data"]["batch_seconds"])
    if dry_run:
        return report_dry_run(train_step, abstract, data.train, num_steps=settings["steps"], mesh=mesh, what=dry_run)
    # The first batches are read before the initial values are computed, so that XLA compiles for both at a time.
    step = 0 if state is None else int(state.step)
    ahead = mesh.devices.flat[0].platform != "gpu"
    programs = StepPrograms(train_step, abstract, seed=settings["seed"], ahead=ahead)
    to_come = itertools.islice(data.train.batches(step), settings["steps"] - step)
    batches = begun(prefetch(to_come, lambda batch: programs.begin(put(batch))))
    if state is None:
        state = jax.jit(init, out_shardings=shardings)(key, warm.start.arrays)
    warm = warm._replace(start=warm.start._replace(arrays={}))  # frees their memory
    record = record._replace(config=settings, contents=data.contents)
    if leading:
        with replace_atomically(workdir / "config.json") as temporary:
            temporary.write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    started -= record.seconds
    millions = sum(x.size for x in jax.tree.leaves(state.variables["params"])) / 1e6
    print(
        f"{workdir}: {millions:.1f}M parameters, {job.describe(assets)}, {devices_of(mesh)}, {settings['steps']} steps "
        f"({data.train.steps_per_epoch} an epoch)" + (f", resuming after step {step}" if step else ""),
        flush=True,
    )

    def save_model(name: str, state: TrainState, record: Record, *, whole: bool = False) -> None:
        variables = averaged_variables(state)
        variables = jax.jit(lora.merge)(variables) if lora else variables
        variables = gather(variables if whole else task.used(variables))
        metadata: dict[str, Any] = {"step": int(state.step), "scores": dict(record.scores)}
        if record.evaluated == metadata["step"]:
            metadata["evaluation"] = data.statement(record.scores)
        kept = (model, assets, variables) if job.saved is None else job.saved(settings, model, assets, variables)
        if leading:
            save_archive(workdir / name, model=kept[0], assets=kept[1], variables=kept[2], metadata=metadata)

    predict = jax.jit(traced_over(task.predict, mesh))
    scoring = {"collect": evaluation.collect, "score": evaluation.score}
    evaluated = partial(evaluate, predict, sets=data.eval, put=put, **scoring)
    metrics_log = MetricsLog(workdir, step=step)
    view = (job.view and job.view(task, predict, assets, put)) or PlainView(evaluation)
    log = EvaluationLog(metrics_log, data.eval, evaluation, view, histograms=settings["histograms"])
    if warm.model and data.eval:
        scores, _ = evaluated(averaged_variables(state))
        lines = warm.check(data.statement(scores), tolerance=settings["init"]["tolerance"], show=evaluation.show)
        print("\n".join(lines), flush=True)
        record = record._replace(scores=scores, best=next(iter(scores.values())), evaluated=0)
        save_model("model.jaxspeech", state, record)
        log.scores(scores, 0)  # the first point of the curve

    # Steps, with regular evaluations and checkpoints.
    peak = peak_flops(jax.devices())
    progress = Progress(
        step=step, steps=settings["steps"], batch_shapes=data.train.batch_shapes, totals=record.totals, peak_flops=peak
    )
    batches = progress.timed(batches)
    limits = {"limit": settings["max_skipped"], "epoch": data.train.steps_per_epoch}
    non_finite = NonFiniteLog(workdir / "skipped.jsonl", name=data.train.name, **limits)
    profile = Profile(workdir / "profile", steps=profile_steps, report=tqdm.write)
    agreed, stopping = SharedFlag(mesh), 0
    results: dict[str, dict[int, Any]] | None = None
    with Interrupt() as interrupted, contextlib.ExitStack() as opened:
        for resource in (checkpoints, progress, profile, metrics_log, programs):
            opened.callback(resource.close)
        while step < settings["steps"] and not stopping:
            batch = next(batches)
            progress.starting(batch, flops=partial(programs.flops, batch))
            profile.next_step()
            state, metrics = programs(state, batch)
            progress.finished(metrics)
            step += 1
            non_finite.watch(step, batch.index, metrics)
            stopping = agreed(interrupted.signal or 0)

            score = None
            evaluates = step % settings["eval_every"] == 0 or step == settings["steps"]
            if evaluates or step % settings["log_every"] == 0:
                summary = progress.summary()
                metrics_log.scalars("train", summary, step)
            if evaluates:
                progress.show(score="...")
                variables = averaged_variables(state)
                scores, results = evaluated(variables)
                record = record._replace(scores=scores, evaluated=step)
                log.evaluated(variables, scores, results, step)
                first = next(iter(scores.values()), {})
                score = evaluation.comparable(first)
                best = None if record.best is None else evaluation.comparable(record.best)
                if settings.get("choose", "best") == "last" or is_better(score, best):
                    record = record._replace(best=first or None, best_step=step)
                    save_model("model.jaxspeech", state, record)
                words, elapsed = log.words(scores), in_minutes(time.perf_counter() - started)
                line = ", ".join(filter(None, [f"loss {progress.loss}", words, progress.speed, elapsed]))
                progress.line(f"step {step}: {line}{log.samples(results)}")
                progress.show(score=evaluation.show(first) if first else "-")
            if evaluates or stopping or step % settings["checkpoint_every"] == 0:
                non_finite.look()
                record = record._replace(seconds=time.perf_counter() - started, totals=progress.totals)
                checkpoints.save(step, state, record=record.to_json(), score=score)
            if evaluates:
                progress.restart_clock()
        progress.summary()
        # Also what only training needs, such as discriminators, for a run that starts from it.
        save_model("last.jaxspeech", state, record, whole=True)

    if stopping:
        interrupted.signal = signal.Signals(stopping)  # possibly received by another process
        print(f"Stopped after step {step} of {settings['steps']}. To resume: {command_line()}")
        return interrupted.exit_code
    if results is None and data.eval and not as_leader((workdir / REPORT).exists()):  # killed before writing it
        scores, results = evaluated(averaged_variables(state))
        record = record._replace(scores=scores)
    if results is not None and leading:
        known = facts(record, evaluation, step=step, millions=millions, mesh=mesh)
        log.report(workdir, averaged_variables(state), record.scores, results, facts=known, settings=settings)
    check_learned(record.totals, step)
    model_file = workdir / "model.jaxspeech"
    print(last_line(model_file, data, evaluation, record, progress.totals, infeasible=job.infeasible))
    return 0


def check_resumed(saved: dict[str, Any], *, settings: Settings, fixed: tuple[str, ...], workdir: Path) -> None:
    """Raises CheckpointError if a checkpoint's run had a different start or trains a different model."""

    def in_full(settings: Settings) -> Settings:
        # A field that was added to a recipe later, with its default value, does not change the model.
        return settings | {"model": with_defaults(settings["model"])}

    check_same_start(saved["config"], settings, folder=workdir)
    check_same_model(in_full(saved["config"]), in_full(settings), fixed=fixed, folder=workdir)
