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

import contextlib
import json
import re
import shlex
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
from absl import app, flags, logging
from jax.sharding import Mesh
from ml_collections import ConfigDict, config_flags
from tqdm import tqdm

from jaxspeech.archive import Archive, save_archive
from jaxspeech.cache import enable_compilation_cache
from jaxspeech.changes import change_vocabulary
from jaxspeech.configuration import build
from jaxspeech.data.augment import parse_augment
from jaxspeech.data.identity import identity
from jaxspeech.data.loader import EvaluationData, TrainingData
from jaxspeech.data.manifest import Manifest
from jaxspeech.data.prefetch import prefetch
from jaxspeech.data.problems import Problems
from jaxspeech.data.quickstart import make_corpus
from jaxspeech.errors import ConfigError, SpeechError, did_you_mean
from jaxspeech.loading import read_model
from jaxspeech.report.listen import Listener
from jaxspeech.report.watch import Watch
from jaxspeech.tasks.task import Task
from jaxspeech.text.char import CharTokenizer
from jaxspeech.text.error_rate import word_errors
from jaxspeech.text.tokenizer import Tokenizer, read_tokenizer, write_tokenizer
from jaxspeech.text.train import train_tokenizer
from jaxspeech.training.board import Board
from jaxspeech.training.checkpoint import Checkpoints
from jaxspeech.training.evaluate import predict_all
from jaxspeech.training.flops import peak_flops, step_flops
from jaxspeech.training.initialization import (
    NOTHING,
    Start,
    check_word_error_rate,
    choose_start,
    describe_start,
    filled,
)
from jaxspeech.training.interrupt import Interrupt
from jaxspeech.training.lora import LORA, Lora, with_lora
from jaxspeech.training.memory import FILLED, device_memory, find_batch_seconds, step_need, tell
from jaxspeech.training.optimizer import build_optimizer
from jaxspeech.training.parameters import choose_trainable
from jaxspeech.training.processes import (
    Agreement,
    find_place,
    gather,
    is_leader,
    join,
    leader_first,
    leave,
    only_leader_prints,
)
from jaxspeech.training.profile import Profile
from jaxspeech.training.progress import Progress, in_minutes
from jaxspeech.training.same_run import check_same_model
from jaxspeech.training.sharding import make_mesh, make_rules, process_share, put_batch, state_shardings
from jaxspeech.training.skips import Skips
from jaxspeech.training.state import TrainState, averaged_variables, init_state
from jaxspeech.training.step import make_train_step
from jaxspeech.training.watchdog import watched
from jaxspeech.types import Batch, Variables

FLAGS = flags.FLAGS
RECIPES = Path(__file__).parent / "configs"
config_flags.DEFINE_config_file(
    "config", None, "The recipe: configs/x.py or configs/x.py:size (default: the quickstart)."
)
flags.DEFINE_string("workdir", None, "Where everything goes; by default runs/ and the name of the recipe.")
flags.DEFINE_bool("dry_run", False, "Compile the step for each batch shape and say what memory it takes; no step runs.")
flags.DEFINE_integer("profile", 0, "So many steps are traced, to the workdir's profile/.", lower_bound=0)
flags.DEFINE_string("coordinator", "", "HOST:PORT of process 0, where several processes train (see docs/scaling.md).")
flags.DEFINE_integer("num_processes", None, "How many processes train together; SLURM and Open MPI tell it themselves.")
flags.DEFINE_integer("process_id", None, "Which of them this is, from 0 on.")

# Corpora that config.data.prepare can name: folder -> {"train": manifest, "dev": manifest}, made where missing.
PREPARE = {"quickstart": make_corpus}
MOST_TEXTS = 1_000_000  # that a tokenizer is trained on, evenly spaced
# What a checkpoint says beside the state: the last word error rates and their step, the best, the time so far.
NEW_RECORD: dict[str, Any] = {"wer": {}, "evaluated": None, "best": None, "best_step": 0, "seconds": 0.0}


class Data(NamedTuple):
    """What config.data describes."""

    tokenizer: Tokenizer
    train: TrainingData
    eval: dict[str, EvaluationData]
    sets: dict[str, str]  # the identity of each


def train(config: ConfigDict, workdir: Path, *, profile_steps: int = 0, dry_run: bool = False) -> int:
    """The whole job; returns the exit code of the process."""
    started = time.perf_counter()
    mesh, leading = make_mesh(**config.mesh), is_leader()

    def put(batch: Batch) -> Batch:
        return put_batch(batch, mesh)

    # Data and task.
    checkpoints = Checkpoints(
        workdir / "checkpoints", keep_last=config.keep.last, keep_best=config.keep.best, report=tqdm.write
    )
    resuming = checkpoints.latest is not None
    source = read_model(config.init_from) if config.init_from and not resuming else None
    data, task = load(config, workdir, mesh, source=source, resuming=resuming)
    start = NOTHING if source is None else take_over(source, config, task, data.tokenizer)
    lora = Lora(**config.lora) if config.lora.rank else None
    if lora:
        task = with_lora(task, lora)

    # State: new, or a trained model's, or the last checkpoint's. `record` is what a checkpoint says besides.
    settings = json.loads(config.to_json())  # as a checkpoint gives them back: tuples are lists
    train_only = config.train_only or ((f"^{LORA}/",) if lora else ())
    trainable = choose_trainable(freeze=config.freeze, train_only=train_only)
    optimizer, schedule = build_optimizer(config.optimizer.to_dict(), steps=config.steps, trainable=trainable)
    average_decay = config.get("average_decay", 0.0)

    def init(key: Any, arrays: dict[str, Any]) -> TrainState:
        variables = filled(task.init(key), arrays, start.masks)
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
    if dry_run:
        if not config.data.batch_seconds:
            data = resized(data, most_seconds(train_step, abstract, data, task, mesh))
        return fits(train_step, abstract, data, task, mesh)
    if resuming:
        state, saved = checkpoints.restore(
            abstract, check=lambda saved: check_same_model(saved["config"], settings, folder=workdir)
        )
        record = NEW_RECORD | saved
    else:
        record = dict(NEW_RECORD)
        if not config.data.batch_seconds:
            record["batch_seconds"] = most_seconds(train_step, abstract, data, task, mesh)
        state = jax.jit(init, out_shardings=shardings)(key, start.arrays)
    if not config.data.batch_seconds:
        # What this run found when it began, or was begun with.
        data = resized(data, record.get("batch_seconds") or record["config"]["data"]["batch_seconds"])
    record["config"] = settings
    if leading:
        (workdir / "config.json").write_text(json.dumps(settings, indent=2) + "\n")
    started -= record["seconds"]
    step = int(state.step)
    millions = sum(x.size for x in jax.tree.leaves(state.variables["params"])) / 1e6
    print(
        f"{workdir}: {millions:.1f}M parameters, {data.tokenizer.vocab_size} tokens, "
        f"{mesh.size} x {jax.devices()[0].device_kind}, {config.steps} steps ({data.train.steps_per_epoch} an epoch)"
        + (f", going on after step {step}" if step else ""),
        flush=True,
    )

    def save_model(name: str) -> None:
        variables = averaged_variables(state)
        variables = gather(jax.jit(lora.merge)(variables) if lora else variables)
        metadata = {"step": step, "wer": record["wer"]}
        if record["evaluated"] == step:
            metadata["evaluation"] = statement(record["wer"], data)
        if leading:
            save_archive(
                workdir / name,
                model=settings["model"],
                tokenizer=data.tokenizer,
                variables=variables,
                metadata=metadata,
            )

    # Steps, with an evaluation and a checkpoint now and then.
    predict = jax.jit(task.predict)
    if source is not None and data.eval:
        record["wer"], _ = evaluate(predict, averaged_variables(state), data, put)
        print(compare(record["wer"], data, source, start, config), flush=True)
        record |= {"best": next(iter(record["wer"].values())), "evaluated": 0}
        save_model("model.jaxspeech")
    source, start = None, start._replace(arrays={})  # their memory
    progress = Progress(step=step, steps=config.steps, peak_flops=peak_flops(jax.devices()))
    batches = progress.timed(prefetch(data.train.batches(step), put))
    skips = Skips(workdir / "skipped.jsonl", limit=config.max_skipped, name=data.train.name)
    profile = Profile(workdir / "profile", steps=profile_steps)
    board = Board(workdir, step=step)
    listen = Listener(task, predict, tokenizer=data.tokenizer, put=put)
    watch = Watch(board, data.eval, listen, histograms=config.histograms)
    agreed, stopping = Agreement(mesh), 0
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
                record["wer"], heard = evaluate(predict, averaged_variables(state), data, put)
                record["evaluated"] = step
                board.scalars("wer", record["wer"], step)
                watch.evaluated(averaged_variables(state), heard, step)
                score = next(iter(record["wer"].values()), None)
                if score is None or record["best"] is None or score < record["best"]:
                    record |= {"best": score, "best_step": step}
                    save_model("model.jaxspeech")
                wer = "".join(f", WER {rate:.2%} on {name}" for name, rate in record["wer"].items())
                samples, elapsed = watch.samples(heard), in_minutes(time.perf_counter() - started)
                progress.line(f"step {step}: loss {summary['loss']:.3f}{wer}, {progress.speed}, {elapsed}{samples}")
                progress.show(wer="-" if score is None else f"{score:.2%}")
            if evaluates or stopping or step % config.checkpoint_every == 0:
                skips.look()
                record["seconds"] = time.perf_counter() - started
                checkpoints.save(step, state, record=record, score=score)
            if evaluates:
                progress.restart_clock()
        progress.summary()
        save_model("last.jaxspeech")

    if stopping:
        interrupted.signal = signal.Signals(stopping)  # perhaps another process's
        print(f"Stopped after step {step} of {config.steps}. To go on: python {shlex.join(sys.argv)}")
        return interrupted.exit_code
    if heard is not None and leading:
        facts = {
            **{f"WER on {name}": f"{rate:.2%}" for name, rate in record["wer"].items()},
            "best step": f"{record['best_step']} of {step}",
            "time": in_minutes(record["seconds"]),
            "parameters": f"{millions:.1f} M",
            "devices": f"{mesh.size} x {jax.devices()[0].device_kind}",
        }
        watch.report(workdir, averaged_variables(state), heard, facts=facts, settings=settings)
    print(conclude(workdir, data, record, progress.totals))
    return 0


def load(config: ConfigDict, workdir: Path, mesh: Mesh, *, source: Archive | None, resuming: bool) -> tuple[Data, Task]:
    """Manifests -> tokenizer -> task -> batches. Fills in config.model.decoder.vocab_size."""
    if config.data.prepare:
        if config.data.prepare not in PREPARE:
            raise ConfigError(f"data.prepare: {config.data.prepare}{did_you_mean(config.data.prepare, PREPARE)}")
        with leader_first("corpus"):
            made = PREPARE[config.data.prepare](workdir / "data")
        config.data.train, config.data.eval = (str(made["train"]),), {"dev": str(made["dev"])}
    fields = config.data.to_dict()
    limits = {"min_seconds": fields["min_seconds"], "max_seconds": fields["max_seconds"]}
    manifest = Manifest(
        fields["train"], **limits, temperature=fields["temperature"], problems=Problems(report=tqdm.write)
    )

    with leader_first("tokenizer"):
        made = resuming or not is_leader()
        tokenizer = get_tokenizer(config.tokenizer, manifest, workdir / "tokenizer", source=source, made=made)
    config.model.decoder.vocab_size = tokenizer.vocab_size
    task = build(config.model.to_dict())

    part, parts = process_share(mesh)
    shards = mesh.shape["data"]
    shared = {
        "sample_rate": task.sample_rate,
        "buckets": fields["buckets"],
        "batch_seconds": fields["batch_seconds"],
        "channel": fields["channel"],
        "num_threads": fields["num_threads"],
        "process_index": part,
        "process_count": parts,
    }
    augment = parse_augment(config.augment.to_dict())
    train = TrainingData(
        manifest,
        tokenizer,
        batch_size=fields["batch_size"],
        seed=fields["seed"],
        augment=augment,
        data_shards=shards * config.accumulate,
        **shared,
    )
    evals, sets = {}, {}
    for name, path in fields["eval"].items():
        spoken = Manifest(path, problems=Problems(report=tqdm.write))
        sets[name] = identity(spoken)
        evals[name] = EvaluationData(spoken, batch_size=fields["eval_batch_size"], data_shards=shards, **shared)
    return Data(tokenizer, train, evals, sets), task


def resized(data: Data, batch_seconds: float) -> Data:
    """The same data in batches of so many seconds."""
    evals = {name: part.resized(batch_seconds) for name, part in data.eval.items()}
    return data._replace(train=data.train.resized(batch_seconds), eval=evals)


def most_seconds(train_step: Any, state: Any, data: Data, task: Task, mesh: Mesh) -> float:
    """The most audio in a batch that fits into the devices' memory, by compiling the step."""
    found = find_batch_seconds(
        lambda shape: step_need(train_step, state, shape, mesh=mesh).bytes,
        data.train.shapes,
        sample_rate=task.sample_rate,
        limit=FILLED * device_memory(),
    )
    print(f"data.batch_seconds = {found:g}: the most that fits, with the batch_size of the recipe", flush=True)
    return found


def fits(train_step: Any, state: Any, data: Data, task: Task, mesh: Mesh) -> int:
    """What a dry run says: the memory that a step takes for each shape of a batch; 0 if all fit."""
    needs = [step_need(train_step, state, shape, mesh=mesh) for shape in data.train.batch_shapes]
    limit = device_memory()
    print(tell(needs, limit=limit, sample_rate=task.sample_rate))
    return 0 if max(need.bytes for need in needs) <= FILLED * limit else 1


def get_tokenizer(
    config: ConfigDict, manifest: Manifest, folder: Path, *, source: Archive | None, made: bool
) -> Tokenizer:
    """The run's own in `folder`, once it is made; before, what config.tokenizer says, often a new one."""
    if made:
        return read_tokenizer(folder)
    if config.type == "model":
        if source is None:
            raise ConfigError('tokenizer.type is "model": init_from must name the model that has it')
        tokenizer = source.tokenizer
    elif config.path:
        tokenizer = read_tokenizer(config.path)
    elif config.characters:
        tokenizer = CharTokenizer(config.characters)
    else:
        texts = manifest.texts(at_most=None if config.type == "char" else MOST_TEXTS)
        tokenizer = train_tokenizer(texts, type=config.type, vocab_size=config.vocab_size)
    write_tokenizer(folder, tokenizer)
    return tokenizer


def take_over(source: Archive, config: ConfigDict, task: Task, tokenizer: Tokenizer) -> Start:
    """What the new model takes over from a trained one; pieces that both tokenizers have keep their weights."""
    if tokenizer.pieces != source.tokenizer.pieces:
        source = change_vocabulary(source, tokenizer, seed=config.seed)
    shapes = jax.eval_shape(task.init, jax.random.key(config.seed))
    choice = {"include": config.init.include, "exclude": config.init.exclude}
    start = choose_start(shapes, source.variables, model=config.init_from, **choice)
    print(describe_start(start, model=config.init_from), flush=True)
    return start


def compare(rates: dict[str, float], data: Data, source: Archive, start: Start, config: ConfigDict) -> str:
    """The word error rates before step 0, once it is clear that they are not other than the model's archive states."""
    lines = check_word_error_rate(
        source.metadata.get("evaluation", {}),
        statement(rates, data),
        model=config.init_from,
        tolerance=config.init.wer_tolerance,
        exact=not start.unused and data.tokenizer.pieces == source.tokenizer.pieces,
    )
    return "\n".join(lines)


def statement(rates: dict[str, float], data: Data) -> dict[str, Any]:
    """What an archive states of its model: a word error rate on each set, and which set that is."""
    return {name: {"set": data.sets[name], "wer": rate} for name, rate in rates.items()}


def evaluate(
    predict: Callable[[Variables, Batch], Any], variables: Variables, data: Data, put: Callable[[Batch], Batch]
) -> tuple[dict[str, float], dict[str, dict[int, str]]]:
    """The word error rate on each evaluation set, and what was heard in each utterance."""
    rates, heard = {}, {}
    for name, part in data.eval.items():
        found = predict_all(predict, variables, part.batches(), put=put)
        heard[name] = {index: data.tokenizer.decode(found[index]) for index in sorted(found)}
        rates[name] = word_errors([part.text(index) for index in heard[name]], list(heard[name].values())).rate
    return rates, heard


def conclude(workdir: Path, data: Data, record: dict[str, Any], totals: dict[str, float]) -> str:
    """The last line: the result, where it is, the time, and what went wrong on the way."""
    problems = len(data.train.problems) + sum(len(part.problems) for part in data.eval.values())
    counts = {
        "unusable utterances": problems,
        "times a transcript too long for its audio": totals["infeasible"],
        "updates skipped (gradient not finite)": totals["skipped"],
    }
    best = "" if record["best"] is None else f"WER {record['best']:.2%} on {next(iter(data.eval))}, "
    troubles = "".join(f", {count:.0f} {what}" for what, count in counts.items() if count)
    return (
        f"Done: {best}{workdir / 'model.jaxspeech'} (step {record['best_step']}), "
        f"{in_minutes(record['seconds'])}{troubles}"
    )


def main(argv: list[str]) -> int:
    """A user's mistake is one line and exit code 2."""
    logging.set_verbosity(logging.WARNING)
    if len(argv) > 1:
        return fail(f"unexpected argument {argv[1]}: options are written --name=value")
    recipe = config_flags.get_config_filename(FLAGS["config"]).split(":")[0]
    workdir = Path(FLAGS.workdir or Path("runs", Path(recipe).stem))
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        enable_compilation_cache()
        place = find_place(
            coordinator=FLAGS.coordinator, num_processes=FLAGS.num_processes, process_id=FLAGS.process_id
        )
        with watched(join(place) if place else ""), only_leader_prints():
            return train(FLAGS.config, workdir, profile_steps=FLAGS.profile, dry_run=FLAGS.dry_run)
    except SpeechError as error:
        return leave(fail(str(error)))
    except OSError as error:
        if error.filename is None:
            raise
        return leave(fail(f"{error.filename}: {error.strerror}"))
    except KeyboardInterrupt:
        fail("stopped outside a step; started again, it goes on from the last checkpoint, if there is one")
        return leave(128 + signal.SIGINT)


def parse_flags(argv: list[str]) -> list[str]:
    """absl's parsing, with a mistake told in one line; most often it is a misspelt field of the config."""
    if not any(flag.startswith(("--config=", "-config=")) or flag in ("--config", "-config") for flag in argv):
        # Not as the flag's default: that is read at once, overrides and all, before a mistake can be told in one line.
        argv = [argv[0], f"--config={RECIPES / 'quickstart.py'}", *argv[1:]]
    try:
        rest = FLAGS(argv)
        FLAGS.config.steps  # noqa: B018  a recipe that is not there raises OSError when it is first used
        return rest
    except AttributeError as error:
        if not isinstance(error.args[0], KeyError):
            raise
        # ml_collections says: 'learnin_rate'\nDid you mean "learning_rate" instead of "learnin_rate"?
        message = "the config has no field " + str(error.args[0].args[0]).split(" instead of")[0]
        message = message.replace("\nDid", "; did") + "?"
    except (flags.Error, OSError) as error:
        # A recipe's own error comes as the end of a traceback, with its class.
        message = re.sub(r"^[\w.]+Error: ", "", str(error).strip().split("\n")[-1].strip())
    sys.exit(fail(message))


def fail(message: str) -> int:
    print(f"train.py: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    app.run(main, flags_parser=parse_flags)
