"""Text is read and written in UTF-8, whatever the locale of the process."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from jaxspeech.text.tokenizer import read_tokenizer, write_tokenizer
from jaxspeech.text.train import train_tokenizer

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [
    path
    for pattern in ("*.py", "jaxspeech/**/*.py", "benchmarks/**/*.py", "examples/**/*.py")
    for path in ROOT.glob(pattern)
]
# Methods called `open` that open no file.
NO_FILES = {"shared.open()"}


def undecided(tree: ast.AST) -> Iterator[ast.Call]:
    """Yields the calls that read or write text in the encoding of the locale."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or ast.unparse(call) in NO_FILES:
            continue
        named = {keyword.arg: keyword.value for keyword in call.keywords}
        if "encoding" in named:
            continue
        constants = [arg.value if isinstance(arg, ast.Constant) else None for arg in call.args]
        mode = named["mode"].value if isinstance(named.get("mode"), ast.Constant) else None
        match call.func:
            case ast.Name("open") | ast.Attribute(ast.Name("os"), "fdopen") | ast.Attribute(ast.Name("io"), "open"):
                mode = mode or (constants[1] if len(constants) > 1 else "r")
                if isinstance(mode, str) and "b" not in mode:
                    yield call
            case ast.Attribute(_, "open"):
                mode = mode or (constants[0] if constants else "r")
                if isinstance(mode, str) and set(mode) <= set("rwaxt+"):
                    yield call
            case ast.Attribute(_, "read_text" | "write_text") | ast.Attribute(_, "TextIOWrapper"):
                yield call
            case ast.Attribute(_, "NamedTemporaryFile" | "TemporaryFile" | "SpooledTemporaryFile"):
                if isinstance(mode, str) and "b" not in mode:
                    yield call
            case ast.Attribute(_, "run" | "Popen" | "check_output" | "FileHandler"):
                if "text" in named or "universal_newlines" in named or call.func.attr == "FileHandler":
                    yield call


def test_every_text_file_has_an_encoding() -> None:
    assert len(SOURCES) > 200
    found = [
        f"{path.relative_to(ROOT)}:{call.lineno}: {ast.unparse(call)}"
        for path in SOURCES
        for call in undecided(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not found, 'name encoding="utf-8", or read bytes:\n' + "\n".join(found)


@pytest.mark.parametrize(
    ("source", "number"),
    [
        ("open(a)", 1),
        ("open(a, 'w')", 1),
        ("open(a, mode='a')", 1),
        ("open(a, 'rb')", 0),
        ("open(a, encoding='utf-8')", 0),
        ("path.open()", 1),
        ("path.open('w')", 1),
        ("path.open('wb')", 0),
        ("zip.open(name)", 0),
        ("path.read_text()", 1),
        ("path.write_text(x, encoding='utf-8')", 0),
        ("subprocess.run(a, text=True)", 1),
    ],
)
def test_the_rule_itself(source: str, number: int) -> None:
    assert len(list(undecided(ast.parse(source)))) == number


LOCALES = [
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"LC_ALL": "de_DE.ISO-8859-1", "PYTHONUTF8": "0"},  # ASCII where this locale is not installed
]


@pytest.mark.parametrize("locale", LOCALES, ids=["ascii", "latin-1"])
def test_a_tokenizer_is_the_same_in_every_locale(tmp_path: Path, locale: dict[str, str]) -> None:
    write_tokenizer(tmp_path, train_tokenizer(["äö 你好 é ß"], type="char"))
    program = (
        "import sys; from jaxspeech.text.tokenizer import read_tokenizer, write_tokenizer; "
        "read = read_tokenizer(sys.argv[1]); print(ascii(read.pieces)); write_tokenizer(sys.argv[2], read)"
    )
    copy = tmp_path / "copy"
    output = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path), str(copy)],
        env={**os.environ, "JAX_PLATFORMS": "cpu", **locale},
        capture_output=True,
        check=True,
    )
    pieces = read_tokenizer(tmp_path).pieces
    assert set("äö你好éß") < set(pieces)
    assert output.stdout.decode().strip() == ascii(pieces)
    assert (copy / "tokenizer.json").read_bytes() == (tmp_path / "tokenizer.json").read_bytes()
