"""Trains a speech model: the door to jaxspeech/train.py in a checkout.

    python train.py                              # the quickstart: from nothing to a model in minutes
    python train.py --config=configs/fastconformer_ctc.py:large --workdir=runs/x --config.optimizer.learning_rate=1e-3

Started again with the same workdir, it resumes from the last checkpoint. It exits with 0 when it is done, 2 after a
mistake (reported in one line), 75 when it was preempted (SIGTERM, SIGUSR1) and 130 after Ctrl-C, saved both times.
"""

from jaxspeech.runtime.huge_pages import restart_with_huge_pages

if __name__ == "__main__":
    restart_with_huge_pages()  # before the imports below, which take their time

import contextlib
from pathlib import Path

from absl import app, flags, logging
from ml_collections import config_flags

from jaxspeech import command
from jaxspeech.errors import SpeechError
from jaxspeech.runtime.compilation_cache import enable_compilation_cache
from jaxspeech.train import train
from jaxspeech.training.interrupt import PREEMPTED, Preempted, preemptible
from jaxspeech.training.processes import leave
from jaxspeech.training.watchdog import together
from jaxspeech.training.workdir_lock import exclusive_workdir

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
