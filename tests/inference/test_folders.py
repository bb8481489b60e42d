"""Which files of a folder are recordings, in which order, and what cannot be searched."""

import inspect
import os
import sys
from pathlib import Path

import pytest

from jaxspeech.inference.folders import search
from jaxspeech.inference.inputs import find_recordings


def make(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def found(folder: Path) -> list[str]:
    return [str(x.path.relative_to(folder)) + (" !" if x.problem else "") for x in search(folder)]


def test_every_suffix_that_can_be_read_and_no_other(tmp_path: Path) -> None:
    audio = ["a.ogg", "b.wave", "c.SPH", "d.aifc", "e.rf64", "f.mp2", "g.snd", "h.m4a", "i.webm", "j.WMA", "k.aac"]
    make(tmp_path, *audio, "._a.wav", "notes.txt", "x.json", "wav", "l.wav.part", "._folder/m.wav")
    assert found(tmp_path) == audio
    assert [recording.source for recording in find_recordings(tmp_path / "._a.wav")] == [str(tmp_path / "._a.wav")]


def test_alphabetical_order_of_folders_and_files(tmp_path: Path) -> None:
    names = ["a/z.wav", "a.wav", "b/a/x.wav", "b/b.wav", "c.wav"]
    make(tmp_path, *names)
    assert found(tmp_path) == sorted(names, key=lambda name: name.split("/"))


def test_links_are_followed_and_circles_end(tmp_path: Path) -> None:
    make(tmp_path, "in/a.wav", "in/deep/b.wav", "out/c.wav")
    (tmp_path / "in" / "deep" / "up").symlink_to("..", target_is_directory=True)
    (tmp_path / "in" / "itself").symlink_to("itself")
    (tmp_path / "in" / "other").symlink_to(tmp_path / "out", target_is_directory=True)
    (tmp_path / "in" / "twice").symlink_to(tmp_path / "out", target_is_directory=True)
    (tmp_path / "in" / "gone.wav").symlink_to("nowhere")
    (tmp_path / "in" / "gone.txt").symlink_to("nowhere")
    (tmp_path / "in" / "link.wav").symlink_to("a.wav")
    assert found(tmp_path / "in") == ["a.wav", "deep/b.wav", "gone.wav !", "link.wav", "other/c.wav"]
    [gone] = [x.problem for x in search(tmp_path / "in") if x.problem]
    assert gone == f"{tmp_path / 'in' / 'gone.wav'}: a link to a missing file"


def test_a_pipe_in_a_folder_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    make(tmp_path, "a.wav")
    assert found(tmp_path) == ["a.wav", "pipe.wav !"]


def test_a_folder_that_cannot_be_opened_is_one_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "a.wav", "closed/b.wav", "d.wav")
    listdir = os.listdir

    def refuse(path: Path) -> list[str]:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return listdir(path)

    monkeypatch.setattr(os, "listdir", refuse)
    assert found(tmp_path) == ["a.wav", "closed !", "d.wav"]


def test_deeper_than_pythons_stack(tmp_path: Path) -> None:
    make(tmp_path, "/".join("d" * 100) + "/a.wav")
    deepest = len(inspect.stack()) + 50
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(deepest)
    try:
        assert sum(1 for _ in search(tmp_path)) == 1
    finally:
        sys.setrecursionlimit(before)
