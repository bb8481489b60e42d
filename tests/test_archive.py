"""Tests archives: lossless round trips, atomic writes, and rejection of damaged or malicious files."""

import hashlib
import json
import os
import random
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import ml_dtypes
import numpy as np
import pytest

from jaxspeech.archive import load_archive, save_archive, tree
from jaxspeech.errors import ArchiveError, SpeechError
from jaxspeech.text.tokenizer import build_tokenizer

MODEL = {"task": "ctc", "encoder": {"name": "fastconformer", "attention_context": [-1, -1], "output_width": None}}
TOKENIZER = build_tokenizer({"type": "char", "characters": ["a", "b", "ß"]}, {})
ASSETS = {"tokenizer": TOKENIZER}
METADATA = {"steps": 7, "wer": 0.25, "nested": {"text": "Größe"}}


@pytest.fixture
def variables():
    rng = np.random.default_rng(0)
    return {
        "params": {
            "encoder": {"layers": {"up": {"kernel": rng.standard_normal((3, 40, 50)).astype(np.float32)}}},
            "scalar": np.array(2.5, np.float32),
            "half": rng.standard_normal(5).astype(ml_dtypes.bfloat16),
            "ids": np.arange(4),
            "empty": {},
        },
        "batch_stats": {"zeros": np.zeros((300, 2), np.float32)},
    }


@pytest.fixture
def saved(tmp_path, variables) -> Path:
    path = tmp_path / "model.jaxspeech"
    save_archive(path, model=MODEL, assets=ASSETS, variables=variables, metadata=METADATA)
    return path


def assert_same_tree(ours, theirs):
    assert type(ours) is type(theirs)
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert_same_tree(ours[key], theirs[key])
    else:
        assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
        assert ours.tobytes() == theirs.tobytes()


def rewritten(path: Path, change) -> Path:
    """Copies the archive with its members {name: content} passed through `change`; returns the copy's path."""
    with zipfile.ZipFile(path) as source:
        members = {name: source.read(name) for name in source.namelist()}
    members = change(members) or members
    target = path.with_suffix(".changed")
    with zipfile.ZipFile(target, "w") as out:
        for name, content in members.items():
            out.writestr(zipfile.ZipInfo(name), content)
    return target


def test_round_trip(saved, variables):
    loaded = load_archive(saved)
    assert loaded.model == MODEL
    assert loaded.metadata == METADATA
    assert loaded.assets["tokenizer"].config() == TOKENIZER.config()
    assert_same_tree(loaded.variables, variables)


def test_orbax_reads_the_tree(saved, variables, tmp_path):
    from orbax.checkpoint import v1 as ocp

    with zipfile.ZipFile(saved) as archive:
        archive.extractall(tmp_path / "unpacked")
    assert_same_tree(ocp.load(tmp_path / "unpacked" / "checkpoint"), variables)


def test_any_spelling_of_the_path(saved, variables, monkeypatch):
    folder = saved.parent / "beside"
    folder.mkdir()
    monkeypatch.chdir(folder)
    for path in (
        "../model.jaxspeech",
        Path("..") / "beside" / ".." / "model.jaxspeech",
        f"{folder}/../model.jaxspeech",
    ):
        assert_same_tree(load_archive(path).variables, variables)
    save_archive("../again.jaxspeech", model=MODEL, assets=ASSETS, variables=variables, metadata=METADATA)
    assert_same_tree(load_archive(saved.parent / "again.jaxspeech").variables, variables)


def test_dtype_casts_the_parameters_only(saved):
    loaded = load_archive(saved, dtype=ml_dtypes.bfloat16).variables
    assert loaded["params"]["scalar"].dtype == ml_dtypes.bfloat16
    assert loaded["params"]["ids"].dtype == np.int64
    assert loaded["batch_stats"]["zeros"].dtype == np.float32


def test_saving_replaces_the_old_file_and_leaves_nothing_else(saved, variables):
    save_archive(saved, model={"task": "new"}, assets=ASSETS, variables=variables)
    assert load_archive(saved).model == {"task": "new"}
    assert load_archive(saved).metadata == {}
    assert os.listdir(saved.parent) == [saved.name]


@pytest.mark.parametrize("limit", [1 << 20, 1 << 10], ids=["while the tree is written", "from the start"])
def test_no_space_keeps_the_old_file(saved, limit):
    """Simulates a full disk by a limit on file sizes, which fails at the same places in Orbax, TensorStore, zipfile."""
    before = saved.read_bytes()
    script = f"""
        import resource, sys
        import numpy as np
        from jaxspeech.archive import save_archive
        from jaxspeech.errors import ArchiveError
        from jaxspeech.text.tokenizer import build_tokenizer
        tokenizer = build_tokenizer({TOKENIZER.config()!r}, {{}})
        variables = {{"params": {{"w": np.random.default_rng(0).standard_normal((1000, 1000)).astype(np.float32)}}}}
        resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
        try:
            save_archive({str(saved)!r}, model={{}}, assets={{"tokenizer": tokenizer}}, variables=variables)
        except ArchiveError as error:
            print(error)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert done.stdout.count("\n") == 1 and "cannot be written (File too large)" in done.stdout, done
    assert "Traceback" not in done.stderr
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]


def test_a_failing_rename_keeps_the_old_file(saved, variables, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    before = saved.read_bytes()
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ArchiveError, match=r"model.jaxspeech: cannot be written \(No space left on device\)"):
        save_archive(saved, model={}, assets=ASSETS, variables=variables)
    assert saved.read_bytes() == before
    assert os.listdir(saved.parent) == [saved.name]


def test_a_path_that_cannot_be_written(tmp_path, variables):
    (tmp_path / "file").write_text("")
    with pytest.raises(ArchiveError, match="cannot be written"):
        save_archive(tmp_path / "file" / "model", model={}, assets=ASSETS, variables=variables)


def test_the_error_for_a_nemo_file_says_how_to_write_one(tmp_path, variables):
    with pytest.raises(ArchiveError, match=r"x\.nemo: this writes jaxspeech archives .*export_nemo"):
        save_archive(
            tmp_path / "x.nemo",
            model={},
            assets=ASSETS,
            variables=variables,
        )
    assert not list(tmp_path.iterdir())


def test_missing_and_foreign_files(tmp_path):
    with pytest.raises(ArchiveError, match="no such file"):
        load_archive(tmp_path / "none.jaxspeech")
    (tmp_path / "text").write_text("hello")
    with pytest.raises(ArchiveError, match="not a jaxspeech archive"):
        load_archive(tmp_path / "text")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        other.writestr("config.json", "{}")
    with pytest.raises(ArchiveError, match=r"no metadata\.json"):
        load_archive(tmp_path / "other.zip")


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "/etc/evil",
        "tokenizer/../../evil",
        "assets/a/../evil",
        "assets/..",
        "assets/a",
        "assets/a/b/c",
        "assets//x",
        "assets/a/.x",
        "checkpoint/..",
        "x.py",
        "a\\b",
    ],
)
def test_unexpected_members_are_refused(saved, name):
    path = rewritten(saved, lambda members: members | {name: b"x"})
    with pytest.raises(ArchiveError, match="unexpected member"):
        load_archive(path)


def with_config(saved: Path, change, more: dict[str, bytes] | None = None) -> Path:
    """Copies the archive with a changed config.json and further members, with correct sizes and hashes."""

    def rewrite(members):
        members["config.json"] = json.dumps(change(json.loads(members["config.json"]))).encode()
        members |= more or {}
        content = json.loads(members["metadata.json"])
        content["files"] = {
            name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in members.items()
            if name != "metadata.json"
        }
        members["metadata.json"] = json.dumps(content).encode()

    return rewritten(saved, rewrite)


def test_mismatched_assets_and_files_raise_one_line(saved):
    unknown = with_config(saved, lambda c: c | {"assets": c["assets"] | {"tokeniser": {}}})
    with pytest.raises(ArchiveError, match=r"asset 'tokeniser' is unknown to this jaxspeech; did you mean"):
        load_archive(unknown)
    with pytest.raises(ArchiveError, match="assets/voice/x belongs to no asset in its config"):
        load_archive(with_config(saved, lambda c: c, {"assets/voice/x": b"?"}))
    without_files = {"type": "sentencepiece"}
    with pytest.raises(ArchiveError, match="changed: "):
        load_archive(with_config(saved, lambda c: c | {"assets": {"tokenizer": without_files}}))
    with pytest.raises(ArchiveError, match="not a jaxspeech archive, or damaged"):
        load_archive(with_config(saved, lambda c: c | {"assets": ["tokenizer"]}))


def test_a_second_model_is_kept(tmp_path, saved):
    first = load_archive(saved)
    second = first._replace(model={"task": "ctc"}, variables={"params": {"x": np.ones((2, 3), np.float32)}})
    save_archive(tmp_path / "both.jaxspeech", **first._replace(aligner=second)._asdict())
    found = load_archive(tmp_path / "both.jaxspeech", dtype=ml_dtypes.bfloat16)
    assert found.aligner is not None and "aligner" not in found.variables
    assert found.aligner.model == {"task": "ctc"} and found.aligner.metadata == first.metadata
    assert found.aligner.assets["tokenizer"].files() == first.assets["tokenizer"].files()
    assert found.aligner.variables["params"]["x"].dtype == ml_dtypes.bfloat16
    assert load_archive(saved).aligner is None
    for change, message in (
        ({"aligner": {}}, "belongs to no asset"),
        ({"aligner": 1}, "damaged"),
        ({}, "belongs to no model"),
    ):
        broken = with_config(saved, lambda c, change=change: c | change, {"aligner/assets/tokenizer/x": b"?"})
        with pytest.raises(ArchiveError, match=message):
            load_archive(broken)


def test_a_model_without_assets(tmp_path, variables):
    path = tmp_path / "pretrained.jaxspeech"
    save_archive(path, model=MODEL, assets={}, variables=variables)
    assert load_archive(path).assets == {}


def test_format_1_is_read(saved, variables):
    """In format 1 the tokenizer is not in the assets."""

    def older(members):
        config = json.loads(members["config.json"])
        config = {"model": config["model"], "tokenizer": config["assets"]["tokenizer"]}
        members["config.json"] = json.dumps(config).encode()
        content = json.loads(members["metadata.json"]) | {"format": 1}
        digest = hashlib.sha256(members["config.json"]).hexdigest()
        content["files"]["config.json"] = {"size": len(members["config.json"]), "sha256": digest}
        members["metadata.json"] = json.dumps(content).encode()

    loaded = load_archive(rewritten(saved, older))
    assert loaded.assets["tokenizer"].config() == TOKENIZER.config() and loaded.metadata == METADATA
    assert_same_tree(loaded.variables, variables)


def test_compressed_members_are_refused(saved):
    path = saved.with_suffix(".bomb")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("config.json", b"0" * 10_000_000)
    with pytest.raises(ArchiveError, match="is compressed"):
        load_archive(path)


def test_a_changed_byte_is_detected_by_the_hash(saved):
    def change(members):
        name = max(members, key=lambda name: len(members[name]))
        content = bytearray(members[name])
        content[len(content) // 2] ^= 1
        members[name] = bytes(content)

    with pytest.raises(ArchiveError, match=r"damaged \(SHA-256 differs\)"):
        load_archive(rewritten(saved, change))


def test_wrong_sizes_and_lists_raise(saved):
    def shorter(members):
        members["config.json"] = members["config.json"][:-1]

    def gone(members):
        del members["config.json"]

    def newer(members):
        members["metadata.json"] = json.dumps(json.loads(members["metadata.json"]) | {"format": 3}).encode()

    expected = {shorter: "bytes, expected", gone: "differ: 'config.json'", newer: "format 3 is newer"}
    for change, message in expected.items():
        with pytest.raises(ArchiveError, match=message):
            load_archive(rewritten(saved, change))


def test_an_array_larger_than_what_is_stored_is_refused(saved, monkeypatch):
    """A small file may claim an array of any size: it is rejected before any allocation."""
    monkeypatch.setattr(tree, "INLINE_BYTES", -(1 << 20))
    with pytest.raises(ArchiveError, match="its arrays would take"):
        load_archive(saved)


def test_truncated_and_mutated_files_raise_one_line_or_load_correctly(saved, variables):
    content = saved.read_bytes()
    rng = random.Random(0)
    path = saved.parent / "mutated"
    for i in range(200):
        mutated = bytearray(content)
        if i % 4 == 0:
            del mutated[rng.randrange(len(content)) :]
        else:
            for _ in range(rng.randint(1, 8)):
                # Half of the changes are near the end, where the zip's directory and the metadata are.
                start = rng.choice([0, max(len(content) - 6000, 0)])
                mutated[rng.randrange(start, len(content))] = rng.randrange(256)
        path.write_bytes(mutated)
        try:
            assert_same_tree(load_archive(path).variables, variables)
        except SpeechError as error:
            assert len(str(error).splitlines()) == 1
    assert sorted(os.listdir(saved.parent)) == [saved.name, "mutated"]
