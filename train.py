"""Trains a speech model: mesh -> data -> state -> resume -> steps -> evaluate -> archive.

    python train.py                              # the quickstart: from nothing to a model in minutes
    python train.py --config=configs/fastconformer_ctc.py:large --workdir=runs/x --config.optimizer.learning_rate=1e-3

Started again with the same workdir, it goes on from the last checkpoint. It exits with 0 when it is done, 2 after a
mistake (told in one line), 75 when it was preempted (SIGTERM, SIGUSR1) and 130 after Ctrl-C, saved both times. The
workdir holds

    model.jaxspeech      the best model, by the WER on the first evaluation set
    last.jaxspeech       the last one
    checkpoints/         to go on from; those that cannot be read are set aside as N.damaged
    skipped.jsonl        batches whose gradient was not finite, if there were any
    report.html          curves, errors, the worst utterances to hear: for a browser
    tensorboard/         tensorboard --logdir=runs/x; history.jsonl has the same numbers
    tokenizer/           and config.json: what was trained
"""

from jaxspeech.runtime.huge_pages import restart_with_huge_pages

if __name__ == "__main__":
    restart_with_huge_pages()  # before the imports below, which take their time

import contextlib
import json
import shlex
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import jax
from absl import app, flags, logging
from jax.sharding import Mesh
from ml_collections import ConfigDict, config_flags
from tqdm import tqdm

from jaxspeech import command
from jaxspeech.archive import Archive, save_archive
from jaxspeech.builder import build, with_defaults
from jaxspeech.data.augment import parse_augment
from jaxspeech.data.columns.audio import audio
from jaxspeech.data.columns.column import Column
from jaxspeech.data.columns.transcripts import transcripts
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.prefetch import prefetch
from jaxspeech.data.run_data import RunData, make_run_data, training_manifest, with_corpus
from jaxspeech.errors import ConfigError, SpeechError
from jaxspeech.loading import read_model
from jaxspeech.report.evaluation_log import EvaluationLog
from jaxspeech.report.replay import Replay
from jaxspeech.report.run import REPORT
from jaxspeech.report.summary import conclusion, devices_of, facts
from jaxspeech.runtime.compilation_cache import enable_compilation_cache
from jaxspeech.takeover import take_over
from jaxspeech.tasks.task import Task
from jaxspeech.text.choose import choose_tokenizer, texts_needed
from jaxspeech.text.error_rate import word_errors
from jaxspeech.text.tokenizer import Tokenizer, read_tokenizer, write_tokenizer
from jaxspeech.training.checkpoint import Checkpoints
from jaxspeech.training.evaluate import evaluate
from jaxspeech.training.flops import peak_flops, step_flops
from jaxspeech.training.interrupt import PREEMPTED, Interrupt, Preempted, preemptible
from jaxspeech.training.lora import LORA, Lora, with_lora
from jaxspeech.training.memory import most_batch_seconds, tell_needs
from jaxspeech.training.metrics_log import MetricsLog
from jaxspeech.training.non_finite_log import NonFiniteLog
from jaxspeech.training.optimizer import build_optimizer
from jaxspeech.training.parameters import choose_trainable
from jaxspeech.training.processes import SharedFlag, as_leader, gather, is_leader, leader_first, leave
from jaxspeech.training.profile import Profile
from jaxspeech.training.progress import Progress, in_minutes
from jaxspeech.training.resume_checks import changed_settings, check_same_model, check_same_start
from jaxspeech.training.sharding import make_mesh, make_rules, process_share, put_batch, state_shardings
from jaxspeech.training.state import TrainState, averaged_variables, init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.warm_start import FROM_SCRATCH, fill_from
from jaxspeech.training.watchdog import together
from jaxspeech.training.workdir_lock import exclusive_workdir
from jaxspeech.types import Batch, BatchShape

NAME = "train.py"
FLAGS = flags.FLAGS
RECIPES = Path(__file__).parent / "jaxspeech" / "configs"
config_flags.DEFINE_config_file(
    "config", None, "The recipe: configs/x.py or configs/x.py:size (default: the quickstart)."
)
flags.DEFINE_string("workdir", None, "Where everything goes; by default runs/ and the name of the recipe.")
flags.DEFINE_bool("dry_run", False, "Compile the step for each batch shape and say what memory it takes; no step runs.")
flags.DEFINE_integer("profile", 0, "So many steps are traced, to the workdir's profile/.", lower_bound=0)
flags.DEFINE_string("coordinator", "", "HOST:PORT of process 0, where several processes train (see docs/scaling.md).")
flags.DEFINE_integer("num_processes", None, "How many processes train together; SLURM and Open MPI tell it themselves.")
flags.DEFINE_integer("process_id", None, "Which of them this is, from 0 on.")

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
    data, task, tokenizer = load(config, workdir, mesh, source=source, resuming=resuming)
    taken, start = None, FROM_SCRATCH
    if source is not None:
        choice = {"include": config.init.include, "exclude": config.init.exclude, "seed": config.seed}
        taken = take_over(source, task, tokenizer, model=config.init_from, **choice)
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
            record["batch_seconds"] = most_batch_seconds(
                train_step, abstract, lambda seconds: sizes(data.train.shapes(seconds)), **options
            )
        # What this run found when it began, or was begun with.
        data = data.resized(record.get("batch_seconds") or record["config"]["data"]["batch_seconds"])
    if dry_run:
        shapes = sizes(data.train.batch_shapes)
        return tell_needs(train_step, abstract, shapes, sample_rate=task.sample_rate, mesh=mesh)
    if state is None:
        state = jax.jit(init, out_shardings=shardings)(key, start.arrays)
    record["config"] = settings
    if leading:
        (workdir / "config.json").write_text(json.dumps(settings, indent=2) + "\n")
    started -= record["seconds"]
    step = int(state.step)
    millions = sum(x.size for x in jax.tree.leaves(state.variables["params"])) / 1e6
    print(
        f"{workdir}: {millions:.1f}M parameters, {tokenizer.vocab_size} tokens, {devices_of(mesh)}, "
        f"{config.steps} steps ({data.train.steps_per_epoch} an epoch)"
        + (f", going on after step {step}" if step else ""),
        flush=True,
    )

    def save_model(name: str) -> None:
        variables = averaged_variables(state)
        variables = gather(jax.jit(lora.merge)(variables) if lora else variables)
        metadata = {"step": step, "wer": record["wer"]}
        if record["evaluated"] == step:
            metadata["evaluation"] = statement(data, record["wer"])
        if leading:
            save_archive(
                workdir / name,
                model=settings["model"],
                tokenizer=tokenizer,
                variables=variables,
                metadata=metadata,
            )

    predict = jax.jit(task.predict)
    word_error_rates = partial(
        evaluate,
        predict,
        sets=data.eval,
        decode=tokenizer.decode,
        error_rate=lambda said, heard: word_errors(said, heard).rate,
        put=put,
    )
    if taken is not None and data.eval:
        record["wer"], _ = word_error_rates(averaged_variables(state))
        stated = statement(data, record["wer"])
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
    listen = Replay(task, predict, tokenizer=tokenizer, put=put)
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
        print(f"Stopped after step {step} of {config.steps}. To go on: python {shlex.join(sys.argv)}")
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
) -> tuple[RunData, Task, Tokenizer]:
    """Manifests -> tokenizer -> task -> batches. Fills in config.model.decoder.vocab_size."""
    settings = config.data.to_dict()
    if settings["prepare"]:
        with leader_first("corpus"):
            settings = with_corpus(settings, workdir / "data")
    manifest = training_manifest(settings, need=("text",), report=tqdm.write)
    folder = workdir / "tokenizer"
    with leader_first("tokenizer"):
        if resuming or not is_leader():
            tokenizer = read_tokenizer(folder)
        else:
            chosen = config.tokenizer.to_dict()
            texts = manifest.texts(at_most=texts_needed(chosen))
            tokenizer = choose_tokenizer(chosen, texts, given=source and source.tokenizer)
            write_tokenizer(folder, tokenizer)
    config.model.decoder.vocab_size = tokenizer.vocab_size
    task = build(config.model.to_dict())
    augment = parse_augment(config.augment.to_dict())

    def columns_of(manifest: Manifest, *, train: bool) -> dict[str, Column]:
        options = {"sample_rate": task.sample_rate, "channel": settings["channel"], "seed": settings["seed"]}
        samples = audio(manifest, augment=augment if train else None, **options)
        return {"samples": samples, "labels": transcripts(manifest, tokenizer)}

    data = make_run_data(
        settings,
        manifest,
        columns_of,
        Batch,
        identity_fields=("text",),
        need=("text",),
        augment=augment,
        data_shards=mesh.shape["data"],
        accumulate=config.accumulate,
        share=process_share(mesh),
        report=tqdm.write,
    )
    return data, task, tokenizer


def sizes(shapes: tuple[BatchShape, ...]) -> tuple[tuple[int, int, int], ...]:
    """(rows, samples, labels) of each shape."""
    return tuple((*shape.arrays.samples.shape, shape.arrays.labels.shape[1]) for shape in shapes)


def statement(data: RunData, rates: dict[str, float]) -> dict[str, Any]:
    """What an archive states: a word error rate on each evaluation set, and which set that is."""
    stated = data.statement({name: {"wer": rate} for name, rate in rates.items()})
    return {name: {"set": part["set"], **part["scores"]} for name, part in stated.items()}


def main(argv: list[str]) -> int:
    """A user's mistake is one line and exit code 2."""
    logging.set_verbosity(logging.WARNING)
    if len(argv) > 1:
        return command.fail(f"unexpected argument {argv[1]}: options are written --name=value", name=NAME)
    recipe = config_flags.get_config_filename(FLAGS["config"]).split(":")[0]
    workdir = Path(FLAGS.workdir or Path("runs", Path(recipe).stem))
    place = {name: FLAGS[name].value for name in ("coordinator", "num_processes", "process_id")}
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        enable_compilation_cache()
        alone = contextlib.nullcontext() if FLAGS.dry_run else exclusive_workdir(workdir)
        with together(**place), preemptible(), alone:
            return train(FLAGS.config, workdir, profile_steps=FLAGS.profile, dry_run=FLAGS.dry_run)
    except (SpeechError, OSError) as error:
        return leave(command.fail(command.one_line(error), name=NAME))
    except (KeyboardInterrupt, Preempted) as stop:
        command.fail(
            "stopped outside a step; started again, it goes on from the last checkpoint if there is one", name=NAME
        )
        return leave(PREEMPTED if isinstance(stop, Preempted) else command.INTERRUPTED)


def parse_flags(argv: list[str]) -> list[str]:
    """absl's parsing; most often a mistake is a misspelt field of the config."""
    if not any(flag.startswith(("--config=", "-config=")) or flag in ("--config", "-config") for flag in argv):
        # Not as the flag's default: that is read at once, overrides and all, before a mistake can be told in one line.
        argv = [argv[0], f"--config={RECIPES / 'quickstart.py'}", *argv[1:]]
    # A recipe that is not there raises OSError when it is first used.
    return command.parse_flags(argv, name=NAME, then=lambda: FLAGS.config.steps)


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
