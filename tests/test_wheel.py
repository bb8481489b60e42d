"""The wheel, as it is installed: what is in it, and that it works where there is no checkout."""

import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from tests.tones import make_tones

ROOT = Path(__file__).resolve().parents[1]
MOST_PACKAGES = 45
SOURCES = ("pyproject.toml", "README.md", "LICENSE")
# A recipe of the package on the corpus of tones, made so small that it compiles in seconds.
TINY = [
    "train",
    "--config=configs/fastconformer_ctc.py:small",
    "--config.data.train=tones/train.jsonl",
    "--config.data.eval.dev=tones/dev.jsonl",
    "--config.data.buckets=1",
    "--config.data.batch_size=4",
    "--config.tokenizer.type=char",
    "--config.model.encoder.num_layers=1",
    "--config.model.encoder.width=16",
    "--config.model.encoder.num_heads=2",
    "--config.model.encoder.subsampling_channels=4",
    "--config.optimizer.schedule.warmup_steps=1",
    "--config.steps=2",
    "--config.eval_every=2",
]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of the sources, without the network."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        shutil.copy(ROOT / name, source)
    shutil.copytree(ROOT / "jaxspeech", source / "jaxspeech", ignore=shutil.ignore_patterns("__pycache__"))
    (source / "tests").mkdir()
    (source / "tests" / "__init__.py").touch()
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", f"--wheel-dir={out}"]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(source)], check=True)
    (built,) = out.glob("jaxspeech-*.whl")
    return built


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds nothing but a corpus."""
    folder = tmp_path_factory.mktemp("empty")
    (folder / "tones").mkdir()
    make_tones(folder / "tones")
    return folder


def run(*command: object, cwd: Path, **environment: str) -> str:
    """What a program prints; it must succeed."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment = inherited | {"JAXSPEECH_CACHE": "off", "JAX_PLATFORMS": "cpu"} | environment
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_it_holds_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (info,) = {name.partition("/")[0] for name in names} - {"jaxspeech"}
        entries = archive.read(f"{info}/entry_points.txt").decode()
        metadata = archive.read(f"{info}/METADATA").decode()
    sources = {str(path.relative_to(ROOT)) for path in (ROOT / "jaxspeech").rglob("*.py")}
    assert {name for name in names if name.endswith(".py")} == sources
    assert {"jaxspeech/py.typed", "jaxspeech/train.py", "jaxspeech/configs/quickstart.py"} <= set(names)
    assert "jaxspeech/targets/h200.textproto" in names
    assert f"{info}/licenses/LICENSE" in names
    assert "[console_scripts]\njaxspeech = jaxspeech.cli.main:script" in entries
    assert "License-Expression: Apache-2.0" in metadata and "Author: The jaxspeech authors" in metadata


@pytest.mark.slow
def test_it_works_outside_the_checkout(wheel: Path, empty: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path)

    def jaxspeech(*arguments: str) -> str:
        return run(sys.executable, "-m", "jaxspeech", *arguments, cwd=empty, PYTHONPATH=str(tmp_path))

    found = run(
        sys.executable, "-c", "import jaxspeech; print(jaxspeech.__file__)", cwd=empty, PYTHONPATH=str(tmp_path)
    )
    assert found.strip() == str(tmp_path / "jaxspeech" / "__init__.py")
    assert "transcribe" in jaxspeech("--help")
    assert "\nquickstart " in jaxspeech("train", "--list")
    assert jaxspeech(*TINY, "--workdir=dry", "--dry_run").splitlines()[-1].endswith("a device: fits")


@pytest.mark.slow
def test_installed_into_an_empty_environment_it_trains_and_transcribes(
    wheel: Path, empty: Path, tmp_path: Path
) -> None:
    """Needs the package index; about a minute."""
    venv.create(tmp_path / "venv", with_pip=True)
    programs = tmp_path / "venv" / "bin"

    def install(requirement: str) -> None:
        run(programs / "python", "-m", "pip", "install", "--quiet", requirement, cwd=empty)

    install(f"jaxspeech @ {wheel.as_uri()}")
    packages = run(programs / "python", "-m", "pip", "list", "--format=freeze", cwd=empty).splitlines()
    assert len([name for name in packages if not name.startswith(("pip==", "setuptools=="))]) <= MOST_PACKAGES, packages
    assert run(programs / "jaxspeech", "--version", cwd=empty).startswith("jaxspeech ")

    install(f"jaxspeech[quickstart] @ {wheel.as_uri()}")
    out = run(programs / "jaxspeech", *TINY, cwd=empty)
    assert out.splitlines()[-1].startswith("Done: WER ")
    model = "--model=runs/fastconformer_ctc/model.jaxspeech"
    assert run(programs / "jaxspeech", "transcribe", model, "tones/dev0.wav", cwd=empty).endswith("\n")
