"""The commands that the documentation shows: every one of them parses, and names recipes that exist."""

import importlib
import itertools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from jaxspeech.cli.main import VERBS
from jaxspeech.cli.parser import Parser
from jaxspeech.cli.recipes import FOLDER, find_recipe

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(FOLDER.glob("*.py")),
    *sorted((ROOT / "jaxspeech" / "cli").rglob("*.py")),
    *sorted((ROOT / "examples").glob("*.py")),
]
# A command line, perhaps with a launcher, a variable, or another command before it.
COMMAND = re.compile(r" *(?:srun (?:-\S+ )*|\w+=\S+ |\S.* (?:\||&&) )?(?:python (train|transcribe)\.py|jaxspeech)( .*)")
# What stands for a recipe of the reader's.
PLACEHOLDERS = {"...", "mine.py"}


def commands(page: Path) -> Iterator[list[str]]:
    """The arguments of each command of a page's code blocks, its verb first."""
    text = re.sub(r"\\+\n\s*", " ", page.read_text(encoding="utf-8"))
    if page.suffix == ".md":
        text = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE))
    for found in filter(None, map(COMMAND.fullmatch, text.splitlines())):
        words = shlex.split(found[2].partition(" (see")[0], comments=True)
        arguments = list(itertools.takewhile(lambda word: word not in ("|", "||", "&&"), words))
        arguments = [found[1], *arguments] if found[1] else arguments
        if arguments and arguments[0] in VERBS and not {"--help", "..."} & set(arguments):
            yield arguments


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_parse(page: Path) -> None:
    for verb, *arguments in commands(page):
        module = importlib.import_module(VERBS[verb][0])
        if hasattr(module, "VERBS"):
            name, *arguments = arguments
            module = importlib.import_module(module.VERBS[name][0])
        parser = Parser(prog=verb)
        module.options(parser)
        flags = parser.parse(arguments)
        if verb == "train" and flags.config not in PLACEHOLDERS:
            find_recipe(flags.config)


def test_every_verb_is_shown_in_the_documentation() -> None:
    assert {verb for page in PAGES for verb, *_ in commands(page)} == set(VERBS)
