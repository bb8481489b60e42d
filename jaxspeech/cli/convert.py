"""Converts a model file: .nemo to .jaxspeech, or back.

  jaxspeech convert model.nemo model.jaxspeech
  jaxspeech convert model.jaxspeech model.nemo

A speech language model is a folder, as NeMo saves it; an untrained one is made of two models:

  jaxspeech convert canary-qwen-2.5b canary-qwen.jaxspeech
  jaxspeech convert canary-qwen.jaxspeech folder
  jaxspeech convert --llm=Qwen3-0.6B recogniser.nemo salm.jaxspeech

A voice is made of two models, and can be divided into them:

  jaxspeech convert --vocoder=hifigan.nemo fastpitch.nemo voice.jaxspeech
  jaxspeech convert --part=vocoder voice.jaxspeech hifigan.nemo

Converting .nemo to .nemo, or .jaxspeech to .jaxspeech, updates a file of an older format to the current one.
"""

import argparse
from pathlib import Path

from jaxspeech.cli.parser import Parser
from jaxspeech.errors import ConfigError


def options(parser: Parser) -> None:
    """Adds the options."""
    parser.add_argument("input", type=Path, metavar="INPUT", help="a .nemo or .jaxspeech file, or a folder")
    parser.add_argument(
        "output", type=Path, metavar="OUTPUT", help="the file to write, .jaxspeech or .nemo, or a folder"
    )
    parser.add_argument("--vocoder", help="the file of a vocoder, which makes a voice of a text-to-mel model")
    parser.add_argument("--llm", help="a language model, which with the encoder of the input becomes one that hears")
    parser.add_argument("--chat", default="qwen", help="with --llm: the form of its conversations (%(default)s)")
    parser.add_argument("--part", choices=("speech", "vocoder"), help="take one of the two models of a voice")


def run(flags: argparse.Namespace) -> None:
    """Writes the converted file and prints a description of the model."""
    from jaxspeech.interop.nemo.convert import convert, write_converted

    if not flags.vocoder and not flags.part and not flags.llm:
        convert(flags.input, flags.output)
        return
    if flags.llm:
        from jaxspeech.surgery.speech_lm import join_speech_lm_files
        from jaxspeech.text.chat import Chat

        joined = join_speech_lm_files(flags.input, flags.llm, chat=Chat(flags.chat))
        write_converted(joined, flags.input, flags.output)
        return
    from jaxspeech.loading import read_archive
    from jaxspeech.surgery.voice import join_files, split_voice

    if flags.output.suffix != ".jaxspeech" and not flags.part:
        raise ConfigError(f"{flags.output}: a voice is one .jaxspeech file; NeMo has its parts (--part)")
    if flags.output.suffix not in (".jaxspeech", ".nemo"):
        raise ConfigError(f"{flags.output}: expected a name that ends in .jaxspeech or .nemo")
    archive = read_archive(flags.input)
    if flags.vocoder:
        archive = join_files(archive, flags.vocoder)
    if flags.part:
        archive = split_voice(archive)[flags.part == "vocoder"]
    write_converted(archive, flags.input, flags.output)
