"""docs/adding-a-task.md, done as it says in a copy of the package, with nothing else."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r'^```(python|diff) title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def inserted(source: str, diff: str) -> str:
    """The source with each added line after the line that the block has before it."""
    lines, place = source.splitlines(), 0
    for line in diff.splitlines():
        if line.startswith("+"):
            place += 1
            lines.insert(place, line[1:])
        else:
            place = lines.index(line[1:])
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """The package with the task of the page."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "jaxspeech", folder / "jaxspeech", ignore=shutil.ignore_patterns("__pycache__"))
    for kind, name, content in BLOCK.findall((ROOT / "docs" / "adding-a-task.md").read_text()):
        path = folder / name
        if kind == "diff":
            path.write_text(inserted(path.read_text(), content))
        else:
            assert not path.exists(), name
            path.write_text(content)
    return folder


def run(folder: Path, *arguments: str) -> str:
    environment = os.environ | {"PYTHONPATH": str(folder), "JAXSPEECH_CACHE": "off", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_is_new_files_and_one_line_in_each_of_two_tables(copy):
    def tree(folder: Path) -> dict[str, list[str]]:
        files = (folder / "jaxspeech").rglob("*.py")
        return {str(file.relative_to(folder)): file.read_text().splitlines() for file in files}

    before, after = tree(ROOT), tree(copy)
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"jaxspeech/builder.py", "jaxspeech/jobs/__init__.py"}
    assert len(after) - len(before) == 4
    for name in changed:
        added = [line for line in after[name] if line not in before[name]]
        assert len(after[name]) - len(before[name]) == len(added) == 1


def test_it_trains_and_its_door_opens(copy, tones, tmp_path):
    for part in ("train", "dev"):
        lines = [json.loads(line) for line in (tones / f"{part}.jsonl").read_text().splitlines()]
        entries = [
            {
                "audio_filepath": str(tones / line["audio_filepath"]),
                "duration": line["duration"],
                "label": line["text"].split()[0],
            }
            for line in lines
            if len(line["text"].split()) == 1
        ]
        (tmp_path / f"{part}.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    data = [f"--config.data.train={tmp_path}/train.jsonl", f"--config.data.eval.dev={tmp_path}/dev.jsonl"]
    steps = ["--config.steps=40", "--config.eval_every=40", "--config.data.batch_size=4", "--config.data.buckets=1"]
    out = run(copy, "-m", "jaxspeech", "train", "--config=clips", f"--workdir={tmp_path}/run", *data, *steps)
    assert "3 classes" in out.splitlines()[0]
    assert out.splitlines()[-1].startswith("Done: 100.0% among two on dev"), out

    script = f"""
import json, jaxspeech
classifier = jaxspeech.load("{tmp_path}/run/model.jaxspeech", jaxspeech.Classifier)
lines = [json.loads(line) for line in open("{tmp_path}/dev.jsonl")]
found = classifier.classify([line["audio_filepath"] for line in lines])
print([result.top[0][0] for result in found] == [line["label"] for line in lines])
"""
    assert run(copy, "-c", script).splitlines()[-1] == "True"
