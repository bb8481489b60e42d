"""The import rules: data flows downward, and so do imports."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "jaxspeech"

BASE = {"types", "masks", "errors", "files", "manifest_lines", "runtime", "randomness", "history", "gathering"}
BASE |= {"loops", "overlap", "punctuation", "row_groups", "row_parallel", "spacing", "speaker_masks", "table"}
LAYERS = {"features", "nn", "losses", "processes", "quantizers", "search", "signal", "text", "audio", "diarization"}
# What each part of the package may import from it, itself apart.
ALLOWED = {
    "types": set(),
    "errors": set(),
    "files": {"runtime"},
    "gathering": set(),
    "row_groups": set(),
    "row_parallel": {"types"},
    "manifest_lines": {"errors", "runtime"},
    "runtime": {"errors"},
    "masks": {"types", "errors"},
    "randomness": {"types", "errors"},
    "history": {"types", "errors"},
    "loops": set(),
    "overlap": set(),
    "punctuation": set(),
    "spacing": set(),
    "speaker_masks": {"types"},
    "table": set(),
    **dict.fromkeys(LAYERS, BASE),
    "diarization": BASE | {"audio"},
    "encoders": BASE | {"nn", "signal"},
    "decoders": BASE | {"nn", "signal"},
    "assets": BASE | {"audio", "text"},
    "archive": BASE | {"assets"},
    "data": BASE | {"assets", "audio", "diarization", "text"},
    "evaluation": BASE | {"audio", "diarization", "search", "text"},
    "training": BASE,
    "tasks": BASE | LAYERS | {"encoders", "decoders"},
    "builder": BASE | LAYERS | {"encoders", "decoders", "tasks"},
    "forms": BASE | LAYERS | {"builder", "encoders", "decoders", "tasks"},
    "surgery": BASE | {"archive", "assets", "builder", "forms", "loading", "tasks", "text", "training"},
    "interop": BASE | {"archive", "assets", "builder", "forms", "tasks", "text", "audio"},
    "inference": BASE | {"audio", "diarization", "forms", "search", "tasks", "text"},
    "engines": BASE | {"audio", "inference"},
    "hub": BASE,
    "exports": BASE | {"archive", "builder", "forms", "interop"},
    "ngrams": BASE | {"interop", "search", "text"},
    "pipelines": BASE
    | {
        "ngrams",
        "archive",
        "builder",
        "diarization",
        "exports",
        "forms",
        "inference",
        "search",
        "surgery",
        "tasks",
        "text",
        "audio",
    },
    "loading": BASE | {"ngrams", "archive", "builder", "forms", "hub", "interop", "pipelines", "tasks"},
    "targets": BASE | LAYERS | {"builder", "forms", "inference", "tasks", "training"},
    "report": BASE | {"data", "evaluation", "tasks", "text", "training"},
    "jobs": BASE
    | {"archive", "assets", "audio", "builder", "data", "diarization", "evaluation", "loading", "pipelines", "report"}
    | {"search", "surgery", "tasks", "text"},
    "run_start": BASE
    | {"archive", "assets", "builder", "data", "encoders", "evaluation", "jobs", "loading", "surgery", "tasks"}
    | {"training"},
    "train": BASE
    | {"archive", "assets", "builder", "data", "evaluation", "jobs", "loading", "report", "run_start", "targets"}
    | {"tasks", "training"},
    "configs": BASE | {"builder", "data", "loading", "surgery"},
}
# The command and the training loop stand above everything.
ALLOWED |= {part: {*ALLOWED, "cli", "train"} for part in ("cli", "__main__", "train")}
# Libraries that only some parts may use; the rest of the package does without.
ONLY_IN = {
    "flax": {"history", "features", "nn", "quantizers", "encoders", "decoders", "tasks"},
    "ml_collections": {"configs", "cli/overrides", "train"},
    "onnx": {"interop/onnx"},
    "orbax": {"archive", "training/checkpoint"},
    "grain": {"data"},
    "optax": {"training"},
    "tensorboardX": {"training"},
    "huggingface_hub": {"hub"},
    "torch": set(),
    "tensorflow": set(),
}


# An entry of a table.Table, which imports it when it is asked for.
ENTRY = re.compile(r"(jaxspeech(?:\.\w+)+):\w+(?:\.\w+)*")


def imports_of(file: Path, *, at_once: bool = False) -> set[str]:
    """Every module that a file imports, wherever in it, or names in a table; or only those that it imports at once."""
    names: set[str] = set()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in tree.body if at_once else ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and (entry := ENTRY.fullmatch(node.value)):
            names.add(entry[1])
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            names.add(node.module or "")
            if node.module == "jaxspeech":
                names |= {f"jaxspeech.{alias.name}" for alias in node.names}
    return names


def part_of(file: Path) -> str:
    """The part of the package that a file belongs to: its folder, or its own name."""
    return file.relative_to(PACKAGE).with_suffix("").parts[0]


FILES = sorted(f for f in PACKAGE.rglob("*.py") if f != PACKAGE / "__init__.py")


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_imports_point_downward(file: Path) -> None:
    part = part_of(file)
    assert part in ALLOWED, f"{part} has no place in the import rules"
    for name in imports_of(file):
        top, *rest = name.split(".")
        if top == "jaxspeech" and rest:
            assert rest[0] == part or rest[0] in ALLOWED[part], f"{part} must not import {name}"
        if top in ONLY_IN:
            where = str(file.relative_to(PACKAGE).with_suffix(""))
            allowed = any(f"{where}/".startswith(f"{place}/") for place in ONLY_IN[top])
            assert allowed, f"{where} must not import {name}"


def test_inference_needs_the_base_install_only() -> None:
    """Nothing that `jaxspeech.load` reaches imports a library of the extras at its top."""
    extras = {
        "grain",
        "optax",
        "tensorboardX",
        "ml_collections",
        "espeakng_loader",
        "tensorflow_datasets",
        "tokenizers",
    }
    training = ("cli/overrides.py", "configs/", "data/", "text/espeak.py", "train.py", "training/")
    for file in FILES:
        if not str(file.relative_to(PACKAGE)).startswith(training):
            assert not {name.split(".")[0] for name in imports_of(file)} & extras, file


@pytest.mark.parametrize("verb", ["evaluate", "transcribe", "chat"])
def test_verbs_for_trained_models_need_the_base_install_only(verb: str) -> None:
    """Nothing that they import, at once or where they run, imports at once what only training needs."""
    training = {"array_record", "grain", "ml_collections", "msgspec", "optax"}
    waiting, reached = sorted(imports_of(PACKAGE / "cli" / f"{verb}.py")), set[str]()
    while waiting:
        name = waiting.pop()
        file = PACKAGE.parent / f"{name.replace('.', '/')}.py"
        if name not in reached and file.is_file():
            reached.add(name)
            found = imports_of(file, at_once=True)
            assert not {name.split(".")[0] for name in found} & training, file
            waiting += found
    assert "jaxspeech.errors" in reached


def test_no_assert_checks_what_a_user_gives() -> None:
    """`python -O` runs none of them: they are for type checkers, without a message."""
    for file in FILES:
        assert not re.search(r"^\s*assert\b.*,\s*f?[\"']", file.read_text(encoding="utf-8"), re.MULTILINE), file


# Modules that Python does not have on every system.
OF_SOME_SYSTEMS = {"fcntl", "grp", "msvcrt", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty", "winreg"}


def test_every_module_imports_on_every_system_and_public_names_survive() -> None:
    """Without the modules of some systems; a submodule named like a public name would take its place in the package."""
    parts = [file.relative_to(ROOT).with_suffix("").parts for file in FILES]
    program = f"""
import builtins, importlib
real, blocked = builtins.__import__, {OF_SOME_SYSTEMS!r}
def portable(name, globals=None, *rest):
    if name in blocked and (globals or {{}}).get("__name__", "").startswith("jaxspeech"):
        raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
    return real(name, globals, *rest)
builtins.__import__ = portable
for name in {[".".join(x).removesuffix(".__init__") for x in parts if x[-1] != "__main__"]!r}:
    importlib.import_module(name)
import jaxspeech
from jaxspeech.runtime import platform
print([callable(getattr(jaxspeech, name)) for name in ("load", "build")], platform.fcntl)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[True, True] None", done.stderr


def test_no_module_hides_a_function_of_its_package():
    """Importing a module sets the package's attribute of its name."""
    for package in (file for file in FILES if file.name == "__init__.py"):
        for node in ast.walk(ast.parse(package.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                hidden = [alias.name for alias in node.names if (package.parent / f"{alias.name}.py").exists()]
                assert not hidden, f"{package}: {hidden}"
