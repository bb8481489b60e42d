"""Averages models; the mean is often better than the best of them (Izmailov et al., 2018).

  jaxspeech average --output=mean.jaxspeech runs/x                  # the checkpoints that the run has kept
  jaxspeech average --output=mean.jaxspeech a.jaxspeech b.nemo      # models of the same shapes

A run keeps its last checkpoints and its best; --config.keep.last=5 keeps more. Parameters and running statistics are
averaged in float64.
"""

import argparse
from pathlib import Path

from jaxspeech.cli.parser import Parser


def options(parser: Parser) -> None:
    """Adds the options."""
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="models, or the workdirs of runs")
    parser.add_argument("--output", required=True, type=Path, help="the .jaxspeech file to write")


def run(flags: argparse.Namespace) -> None:
    """Writes the mean and reports it."""
    from jaxspeech.surgery.average import write_mean

    write_mean(flags.inputs, flags.output)
