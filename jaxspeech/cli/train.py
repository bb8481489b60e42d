"""Trains or fine-tunes a model by a recipe.

  jaxspeech train                                                     # the quickstart: from scratch, in minutes
  jaxspeech train --list                                              # lists the recipes
  jaxspeech train --config=fastconformer_ctc:large --workdir=runs/x --config.optimizer.learning_rate=1e-3
  jaxspeech train --config=finetune:model.jaxspeech --config.data.train=mine.jsonl

A recipe is one of this package, by its name, or your own file; --config.FIELD=VALUE changes any of its fields. Started
again with the same workdir, a run resumes after its last checkpoint. It saves its state and exits with status 75 when
preempted (SIGTERM, SIGUSR1), and with 130 after Ctrl-C.
"""

import argparse
import contextlib
import sys
from pathlib import Path
from typing import Any

from jaxspeech.cli.parser import Parser, at_least
from jaxspeech.cli.recipes import DEFAULT, find_recipe, recipes
from jaxspeech.cli.targets import add_target
from jaxspeech.errors import ConfigError
from jaxspeech.runtime import command
from jaxspeech.runtime.environment import explain
from jaxspeech.runtime.streams import Forgiving
from jaxspeech.targets.target import find_target, prepare_environment

EXTRA = "train"


def options(parser: Parser) -> None:
    """Adds the options; options that change fields of the config are collected as `flags.overrides`."""
    parser.add_argument(
        "--config",
        default=DEFAULT,
        metavar="RECIPE[:SIZE]",
        help="a recipe of the package (configs/x.py or x) or a file, and a size; the quickstart by default",
    )
    parser.collect("config", dest="overrides")
    parser.add_argument("--workdir", type=Path, help="folder for all output; runs/ and the recipe's name by default")
    parser.add_switch("list", help="list the recipes")
    parser.add_switch(
        "dry_run", help="compile the step for each batch shape and print the memory it needs; no training"
    )
    add_target(parser)
    parser.add_switch(
        "variants",
        help="--dry_run: also compile the step for the largest batch with other values of sharding, remat and dtype, "
        "which takes as long for each as for the step itself",
    )
    parser.add_argument(
        "--profile",
        type=at_least(0),
        default=0,
        metavar="STEPS",
        help="trace this many steps to the workdir's profile/",
    )
    parser.add_argument(
        "--coordinator",
        default="",
        metavar="HOST:PORT",
        help="address of process 0 (docs/scaling.md)",
    )
    parser.add_argument(
        "--num_processes", type=int, help="number of processes that train together; SLURM and Open MPI set it"
    )
    parser.add_argument("--process_id", type=int, help="number of this process, from 0")


def dry_run(config: Any, workdir: Path, flags: argparse.Namespace) -> int:
    """Reports what a run would need, and with --variants also what changes would give."""
    from jaxspeech.targets.dry_run import DryRun
    from jaxspeech.targets.variants import variants
    from jaxspeech.train import train

    target = find_target(flags.target) if flags.target else None
    status = train(config, workdir, dry_run=DryRun(target))
    if target and flags.variants:
        print("With other values, the largest batch:", flush=True)
        for fields in variants(config.to_dict(), devices=len(target.devices)):
            changed = config.copy_and_resolve_references()
            changed.update_from_flattened_dict(fields)
            options = " ".join(f"--config.{field}={value}" for field, value in fields.items())
            train(changed, workdir, dry_run=DryRun(target, options))
    return status


def run(flags: argparse.Namespace) -> int:
    """Lists the recipes, or trains."""
    if flags.list:
        known = recipes()
        width = max(map(len, known))
        for name, line in known.items():
            print(f"{name:{width}}  {line}", flush=True)
        return 0
    recipe = find_recipe(flags.config)
    if flags.target and not flags.dry_run:
        raise ConfigError("--target only plans a run: add --dry_run")
    if flags.variants and not flags.target:
        raise ConfigError("--variants compares predictions: add --dry_run --target=NAME (this: the devices here)")
    if flags.target:
        prepare_environment(flags.target)

    from jaxspeech.cli.overrides import load_config
    from jaxspeech.runtime.compilation_cache import enable_compilation_cache
    from jaxspeech.train import train
    from jaxspeech.training.interrupt import PREEMPTED, Preempted, preemptible
    from jaxspeech.training.processes import leave
    from jaxspeech.training.watchdog import together
    from jaxspeech.training.workdir_lock import exclusive_workdir

    config = load_config(recipe, flags.overrides)
    workdir = flags.workdir or Path("runs", Path(recipe.partition(":")[0]).stem)
    place = {name: getattr(flags, name) for name in ("coordinator", "num_processes", "process_id")}
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        enable_compilation_cache()
        alone = contextlib.nullcontext() if flags.dry_run else exclusive_workdir(workdir)
        # Standard output is a log: a run does not end because nobody reads it any more.
        with contextlib.redirect_stdout(Forgiving(sys.stdout)), together(**place), preemptible(), alone:
            if flags.dry_run:
                return dry_run(config, workdir, flags)
            return train(config, workdir, profile_steps=flags.profile)
    except Exception as error:
        if (line := explain(error)) is None:
            raise
        return leave(command.fail(line, name=flags.prog))
    except (KeyboardInterrupt, Preempted) as stop:
        command.fail("stopped outside a step; run again to resume after the last checkpoint", name=flags.prog)
        return leave(PREEMPTED if isinstance(stop, Preempted) else command.INTERRUPTED)
