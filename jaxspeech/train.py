"""The training loop: mesh -> data -> state -> resume -> steps -> evaluate -> archive.

`jaxspeech train` is the command, and python train.py in a checkout. Started again with the same workdir, a run resumes
after its last checkpoint. The workdir holds

    model.jaxspeech      the best model, by the WER on the first evaluation set
    last.jaxspeech       the last one
    checkpoints/         to resume from; those that cannot be read are set aside as N.damaged
    skipped.jsonl        batches whose gradient was not finite, if there were any
    report.html          curves, errors, the worst utterances to hear: for a browser
    tensorboard/         tensorboard --logdir=runs/x; history.jsonl has the same numbers
    tokenizer/           and config.json: what was trained
"""

import contextlib
import json
import signal
import time
from functools import partial
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh
from ml_collections import ConfigDict
from tqdm import tqdm

from jaxspeech.archive import Archive, save_archive
from jaxspeech.builder import build, with_defaults
from jaxspeech.data.augment import parse_augment
from jaxspeech.data.prefetch import prefetch
from jaxspeech.data.run_data import RunData, choose_tokenizer, make_run_data, training_manifest, with_corpus
from jaxspeech.errors import ConfigError
from jaxspeech.loading import read_model
from jaxspeech.report.evaluation_log import EvaluationLog
from jaxspeech.report.replay import Replay
from jaxspeech.report.run import REPORT
from jaxspeech.report.summary import conclusion, devices_of, facts
from jaxspeech.runtime.command_line import command_line
from jaxspeech.takeover import take_over
from jaxspeech.tasks.task import Task
from jaxspeech.text.error_rate import word_errors
from jaxspeech.text.tokenizer import read_tokenizer, write_tokenizer
from jaxspeech.training.checkpoint import Checkpoints
from jaxspeech.training.evaluate import evaluate
from jaxspeech.training.flops import peak_flops, step_flops
from jaxspeech.training.interrupt import Interrupt
from jaxspeech.training.lora import LORA, Lora, with_lora
from jaxspeech.training.memory import most_batch_seconds, tell_needs
from jaxspeech.training.metrics_log import MetricsLog
from jaxspeech.training.non_finite_log import NonFiniteLog
from jaxspeech.training.optimizer import build_optimizer
from jaxspeech.training.parameters import choose_trainable
from jaxspeech.training.processes import SharedFlag, as_leader, gather, is_leader, leader_first
from jaxspeech.training.profile import Profile
from jaxspeech.training.progress import Progress, in_minutes
from jaxspeech.training.resume_checks import changed_settings, check_same_model, check_same_start
from jaxspeech.training.sharding import make_mesh, make_rules, process_share, put_batch, state_shardings
from jaxspeech.training.state import TrainState, averaged_variables, init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.warm_start import FROM_SCRATCH, fill_from

# Which of the evaluated models becomes model.jaxspeech.
CHOICES = ("best", "last")
# What a checkpoint says beside the state: the last word error rates and their step, the best, time and sums so far.
NEW_RECORD: dict[str, Any] = dict(wer={}, evaluated=None, best=None, best_step=0, seconds=0.0, totals={})


def train(config: ConfigDict, workdir: Path, *, profile_steps: int = 0, dry_run: bool = False) -> int:
    """The whole job; returns the exit code of the process."""
    started = time.perf_counter()
    if (choose := config.get("choose", "best")) not in CHOICES:
        raise ConfigError(f"choose is {choose!r}; it is {' or '.join(CHOICES)}")
    for name in ("eval_every", "checkpoint_every", "log_every"):
        if config[name] < 1:
            raise ConfigError(f"{name} is {config[name]}; it is a number of steps, 1 or more")
    for name, seed in {"seed": config.seed, "data.seed": config.data.seed}.items():
        if seed < 0:
            raise ConfigError(f"{name} is {seed}; it is 0 or more")
    mesh, leading = make_mesh(**config.mesh), is_leader()
    put = partial(put_batch, mesh=mesh)

    # Data and task.
    checkpoints = Checkpoints(
        workdir / "checkpoints", keep_last=config.keep.last, keep_best=config.keep.best, report=tqdm.write
    )
    resuming = checkpoints.latest is not None
    source = read_model(config.init_from) if config.init_from and not resuming else None
    data, task = load(config, workdir, mesh, source=source, resuming=resuming)
    taken, start = None, FROM_SCRATCH
    if source is not None:
        choice = {"include": config.init.include, "exclude": config.init.exclude, "seed": config.seed}
        taken = take_over(source, task, data.tokenizer, model=config.init_from, **choice)
        source, start = None, taken.start
    lora = Lora(**config.lora) if config.lora.rank else None
    task = with_lora(task, lora) if lora else task

    # The step.
    settings = json.loads(config.to_json())  # as a checkpoint gives them back: tuples are lists
    train_only = config.train_only or ((f"^{LORA}/",) if lora else ())
    trainable = choose_trainable(freeze=config.freeze, train_only=train_only)
    optimizer, schedule = build_optimizer(config.optimizer.to_dict(), steps=config.steps, trainable=trainable)
    average_decay = config.get("average_decay", 0.0)

    def init(key: Any, arrays: dict[str, Any]) -> TrainState:
        variables = fill_from(task.init(key), arrays, start.masks)
        return init_state(variables, optimizer, average=average_decay > 0)

    key = jax.random.key(config.seed)
    shapes = jax.eval_shape(init, key, start.arrays)
    shardings = state_shardings(shapes, mesh, make_rules(settings["sharding"]))
    abstract = jax.tree.map(lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), shapes, shardings)
    train_step = make_train_step(
        task,
        optimizer,
        schedule=schedule,
        loss_reduction=config.loss_reduction,
        average_decay=average_decay,
        trainable=trainable,
        accumulate=config.accumulate,
        shardings=shardings,
    )

    # State: new, or a trained model's, or the last checkpoint's. `record` is what a checkpoint says besides.
    state, record = None, dict(NEW_RECORD)
    if resuming and not dry_run:

        def check(saved: dict[str, Any]) -> None:
            check_same_start(saved["config"], settings, folder=workdir)
            check_same_model(in_full(saved["config"]), in_full(settings), folder=workdir)

        state, saved = checkpoints.restore(abstract, check=check)
        record |= saved
        if (changes := changed_settings(saved["config"], settings)) and leading:
            print(f"{workdir}: the run goes on with other settings: {changes}")
    if not config.data.batch_seconds:
        if state is None:
            options = {"sample_rate": task.sample_rate, "mesh": mesh}
            record["batch_seconds"] = most_batch_seconds(train_step, abstract, data.train.shapes, **options)
        # What this run found when it began, or was begun with.
        data = data.resized(record.get("batch_seconds") or record["config"]["data"]["batch_seconds"])
    if dry_run:
        return tell_needs(train_step, abstract, data.train.batch_shapes, sample_rate=task.sample_rate, mesh=mesh)
    if state is None:
        state = jax.jit(init, out_shardings=shardings)(key, start.arrays)
    record["config"] = settings
    if leading:
        (workdir / "config.json").write_text(json.dumps(settings, indent=2) + "\n")
    started -= record["seconds"]
    step = int(state.step)
    millions = sum(x.size for x in jax.tree.leaves(state.variables["params"])) / 1e6
    print(
        f"{workdir}: {millions:.1f}M parameters, {data.tokenizer.vocab_size} tokens, {devices_of(mesh)}, "
        f"{config.steps} steps ({data.train.steps_per_epoch} an epoch)"
        + (f", going on after step {step}" if step else ""),
        flush=True,
    )

    def save_model(name: str) -> None:
        variables = averaged_variables(state)
        variables = gather(jax.jit(lora.merge)(variables) if lora else variables)
        metadata = {"step": step, "wer": record["wer"]}
        if record["evaluated"] == step:
            metadata["evaluation"] = data.statement(record["wer"])
        if leading:
            save_archive(
                workdir / name,
                model=settings["model"],
                tokenizer=data.tokenizer,
                variables=variables,
                metadata=metadata,
            )

    predict = jax.jit(task.predict)
    word_error_rates = partial(
        evaluate,
        predict,
        sets=data.eval,
        decode=data.tokenizer.decode,
        error_rate=lambda said, heard: word_errors(said, heard).rate,
        put=put,
    )
    if taken is not None and data.eval:
        record["wer"], _ = word_error_rates(averaged_variables(state))
        stated = data.statement(record["wer"])
        print(taken.check(stated, tolerance=config.init.wer_tolerance), flush=True)
        record |= {"best": next(iter(record["wer"].values())), "evaluated": 0}
        save_model("model.jaxspeech")
    taken, start = None, start._replace(arrays={})  # their memory

    # Steps, with an evaluation and a checkpoint now and then.
    progress = Progress(step=step, steps=config.steps, totals=record["totals"], peak_flops=peak_flops(jax.devices()))
    batches = progress.timed(prefetch(data.train.batches(step), put))
    skips = NonFiniteLog(workdir / "skipped.jsonl", limit=config.max_skipped, name=data.train.name)
    profile = Profile(workdir / "profile", steps=profile_steps, report=tqdm.write)
    board = MetricsLog(workdir, step=step)
    if step == 0 and record["evaluated"] == 0:
        board.scalars("wer", record["wer"], 0)  # where the curve of a trained model begins
    listen = Replay(task, predict, tokenizer=data.tokenizer, put=put)
    watch = EvaluationLog(board, data.eval, listen, histograms=config.histograms)
    agreed, stopping = SharedFlag(mesh), 0
    heard: dict[str, dict[int, str]] | None = None
    with Interrupt() as interrupted, contextlib.ExitStack() as opened:
        for resource in (checkpoints, progress, profile, board):
            opened.callback(resource.close)
        while step < config.steps and not stopping:
            batch = next(batches)
            flops = partial(step_flops, train_step, state, batch, config.seed)
            progress.starting(batch, sample_rate=task.sample_rate, flops=flops)
            profile.next_step()
            state, metrics = train_step(state, batch, config.seed)
            progress.finished(metrics)
            step += 1
            skips.watch(step, batch.index, metrics)
            stopping = agreed(interrupted.signal or 0)

            score = None
            evaluates = step % config.eval_every == 0 or step == config.steps
            if evaluates or step % config.log_every == 0:
                summary = progress.summary()
                board.scalars("train", summary, step)
            if evaluates:
                progress.show(wer="...")
                record["wer"], heard = word_error_rates(averaged_variables(state))
                record["evaluated"] = step
                board.scalars("wer", record["wer"], step)
                watch.evaluated(averaged_variables(state), heard, step)
                score = next(iter(record["wer"].values()), None)
                if choose == "last" or score is None or record["best"] is None or score < record["best"]:
                    record |= {"best": score, "best_step": step}
                    save_model("model.jaxspeech")
                wer = "".join(f", WER {rate:.2%} on {name}" for name, rate in record["wer"].items())
                samples, elapsed = watch.samples(heard), in_minutes(time.perf_counter() - started)
                progress.line(f"step {step}: loss {summary['loss']:.3f}{wer}, {progress.speed}, {elapsed}{samples}")
                progress.show(wer="-" if score is None else f"{score:.2%}")
            if evaluates or stopping or step % config.checkpoint_every == 0:
                skips.look()
                record |= {"seconds": time.perf_counter() - started, "totals": progress.totals}
                checkpoints.save(step, state, record=record, score=score)
            if evaluates:
                progress.restart_clock()
        progress.summary()
        save_model("last.jaxspeech")

    if stopping:
        interrupted.signal = signal.Signals(stopping)  # perhaps another process's
        print(f"Stopped after step {step} of {config.steps}. To resume: {command_line()}")
        return interrupted.exit_code
    if heard is None and data.eval and not as_leader((workdir / REPORT).exists()):  # killed before it was written
        record["wer"], heard = word_error_rates(averaged_variables(state))
    if heard is not None and leading:
        told = facts(record, step=step, millions=millions, mesh=mesh)
        watch.report(workdir, averaged_variables(state), heard, facts=told, settings=settings)
    print(conclusion(workdir / "model.jaxspeech", data, record, progress.totals))
    return 0


def in_full(settings: dict[str, Any]) -> dict[str, Any]:
    """A field that a recipe has learnt to name since, with its default, makes no other model."""
    return settings | {"model": with_defaults(settings["model"])}


def load(
    config: ConfigDict, workdir: Path, mesh: Mesh, *, source: Archive | None, resuming: bool
) -> tuple[RunData, Task]:
    """Manifests -> tokenizer -> task -> batches. Fills in config.model.decoder.vocab_size."""
    settings = config.data.to_dict()
    if settings["prepare"]:
        with leader_first("corpus"):
            settings = with_corpus(settings, workdir / "data")
    manifest = training_manifest(settings, report=tqdm.write)
    folder = workdir / "tokenizer"
    with leader_first("tokenizer"):
        if resuming or not is_leader():
            tokenizer = read_tokenizer(folder)
        else:
            tokenizer = choose_tokenizer(config.tokenizer.to_dict(), manifest, given=source and source.tokenizer)
            write_tokenizer(folder, tokenizer)
    config.model.decoder.vocab_size = tokenizer.vocab_size
    task = build(config.model.to_dict())
    data = make_run_data(
        settings,
        manifest,
        tokenizer,
        sample_rate=task.sample_rate,
        augment=parse_augment(config.augment.to_dict()),
        data_shards=mesh.shape["data"],
        accumulate=config.accumulate,
        share=process_share(mesh),
        report=tqdm.write,
    )
    return data, task
