"""Corpora are downloaded and prepared, from a local server with small made-up archives."""

import hashlib
import io
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath

import numpy as np
import pytest
import soundfile

from jaxspeech.data import prepare
from jaxspeech.data.download import download, extract
from jaxspeech.data.manifest import Manifest
from jaxspeech.errors import SpeechError
from jaxspeech.runtime import platform


class Handler(BaseHTTPRequestHandler):
    """Serves `server.files`, including ranges; breaks off once, after `server.break_after` bytes."""

    def do_GET(self):
        content = self.server.files.get(self.path)
        if content is None:
            return self.send_error(404)
        start = int(self.headers["Range"][6:-1]) if "Range" in self.headers else 0
        self.server.starts.append(start)
        if start >= len(content):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        end, self.server.break_after = self.server.break_after, None
        self.wfile.write(content[start:end])
        return None

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.files, server.starts, server.break_after = {}, [], None
        server.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def tar(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def audio(seconds=0.5, kind="WAV"):
    buffer = io.BytesIO()
    soundfile.write(buffer, np.full(int(8000 * seconds), 0.1, np.float32), 8000, format=kind)
    return buffer.getvalue()


def test_a_download_resumes_where_it_broke_off(server, tmp_path):
    content = np.random.default_rng(0).bytes(3_000_000)
    server.files["/a.tar"], server.break_after = content, 1_200_000
    md5 = hashlib.md5(content).hexdigest()
    with pytest.raises(SpeechError, match=r"a\.tar: cannot be downloaded: .*run the command again"):
        download(f"{server.url}/a.tar", tmp_path / "a.tar", size=len(content), md5=md5)
    assert not (tmp_path / "a.tar").exists()
    download(f"{server.url}/a.tar", tmp_path / "a.tar", size=len(content), md5=md5)
    assert (tmp_path / "a.tar").read_bytes() == content
    assert server.starts == [0, 1_200_000] and not (tmp_path / "a.tar.part").exists()
    download("http://nowhere.invalid/", tmp_path / "a.tar")  # exists already


def test_a_finished_part_is_only_checked(server, tmp_path):
    server.files["/a.tar"] = b"x" * 100
    (tmp_path / "a.tar.part").write_bytes(b"x" * 100)
    assert download(f"{server.url}/a.tar", tmp_path / "a.tar", size=100).read_bytes() == b"x" * 100


@pytest.mark.parametrize(
    ("options", "message"),
    [({"size": 99}, "has 100 bytes instead of 99"), ({"md5": "0" * 32}, "has the MD5 .* instead of 0000")],
)
def test_other_bytes_than_published_are_refused(server, tmp_path, options, message):
    server.files["/a.tar"] = b"x" * 100
    with pytest.raises(SpeechError, match=message):
        download(f"{server.url}/a.tar", tmp_path / "a.tar", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["{}/missing.tar", "http://127.0.0.1:1/a.tar", "file:///nowhere/a.tar"])
def test_an_unreachable_url_is_one_line(server, tmp_path, url):
    with pytest.raises(SpeechError, match="cannot be downloaded: ") as caught:
        download(url.format(server.url), tmp_path / "a.tar")
    assert "\n" not in str(caught.value)


def test_extract_stays_in_its_folder(tmp_path):
    (tmp_path / "a.tar").write_bytes(tar({"../evil": b"x"}))
    with pytest.raises(SpeechError, match="damaged"):
        extract(tmp_path / "a.tar", tmp_path / "in", str)
    assert not (tmp_path / "evil").exists()
    (tmp_path / "b.tar").write_bytes(tar({"/abs/x": b"1", "y": b"2"}))
    assert extract(tmp_path / "b.tar", tmp_path / "in", lambda name: name.name) == 2
    assert sorted(p.name for p in (tmp_path / "in").iterdir()) == ["x", "y"]


def test_a_truncated_archive(tmp_path):
    (tmp_path / "a.tar").write_bytes(tar({"x": np.random.default_rng(0).bytes(50_000)})[:20_000])
    with pytest.raises(SpeechError, match=r"a\.tar: damaged .*delete it"):
        extract(tmp_path / "a.tar", tmp_path, lambda name: PurePosixPath(name).name)


def test_fsdd(server, tmp_path, monkeypatch, capsys):
    names = [f"{digit}_{speaker}_{i}" for digit in (0, 7) for speaker in ("theo", "nicolas") for i in (4, 5)]
    files = {f"fsdd-1.0.10/recordings/{name}.wav": audio() for name in names} | {"fsdd-1.0.10/README.md": b"x"}
    server.files["/v1.0.10.tar.gz"] = tar(files)
    monkeypatch.setattr(prepare, "FSDD", prepare.Source(f"{server.url}/v1.0.10.tar.gz"))
    with pytest.raises(SpeechError, match="holds 8 of the 3000 files expected"):
        prepare.prepare_fsdd(tmp_path)
    monkeypatch.setattr(prepare, "FSDD_RECORDINGS", 8)
    prepare.prepare_fsdd(tmp_path)
    found = {split: list(Manifest(tmp_path / f"{split}.jsonl")) for split in ("train", "dev", "unheard")}
    assert [e.fields["id"] for e in found["train"]] == ["0_theo_5", "7_theo_5"]
    assert [e.fields["id"] for e in found["dev"]] == ["0_theo_4", "7_theo_4"]
    assert [e.fields["text"] for e in found["unheard"]] == ["zero", "zero", "seven", "seven"]
    assert all(e.path.exists() and e.duration == 0.5 for split in found.values() for e in split)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["audio", "dev.jsonl", "train.jsonl", "unheard.jsonl"]
    assert "train.jsonl: 2 utterances" in capsys.readouterr().out


def librispeech(part, chapters):
    files = {"LibriSpeech/README.TXT": b"x"}
    for chapter, count in chapters.items():
        folder = f"LibriSpeech/{part}/{chapter.replace('-', '/')}"
        ids = [f"{chapter}-{i:04d}" for i in range(count)]
        files |= {f"{folder}/{name}.flac": audio(kind="FLAC") for name in ids}
        files[f"{folder}/{chapter}.trans.txt"] = "".join(f"{name} HELLO IT'S {name[-1]}\n" for name in ids).encode()
    return tar(files)


def test_librispeech_mini_takes_its_chapters_only(server, tmp_path, monkeypatch):
    content = librispeech("train-clean-100", {"19-198": 5, "19-199": 2, "27-1": 3})
    server.files["/train-clean-100.tar.gz"] = content
    source = prepare.Source(f"{server.url}/train-clean-100.tar.gz", len(content), hashlib.md5(content).hexdigest())
    monkeypatch.setitem(prepare.LIBRISPEECH, "train-clean-100", source)
    monkeypatch.setattr(prepare, "MINI_TRAIN", "19-198:4")
    monkeypatch.setattr(prepare, "MINI_DEV", "27-1:3")
    prepare.prepare_librispeech_mini(tmp_path)
    train, dev = (list(Manifest(tmp_path / f"{split}.jsonl")) for split in ("train", "dev"))
    assert [e.fields["id"] for e in train] == [f"19-198-000{i}" for i in range(4)] and len(dev) == 3
    assert (
        train[3].fields["text"] == "hello it's 3" and train[3].fields["audio_filepath"] == "audio/19/19-198-0003.flac"
    )
    assert not list(tmp_path.rglob("19-199*")) and not list(tmp_path.rglob("19-198-0004*"))


def test_librispeech_parts(server, tmp_path, monkeypatch):
    for part in ("dev-clean", "test-clean"):
        server.files[f"/{part}.tar.gz"] = librispeech(part, {"1-2": 2, "3-4": 1})
        monkeypatch.setitem(prepare.LIBRISPEECH, part, prepare.Source(f"{server.url}/{part}.tar.gz"))
    prepare.prepare_librispeech(tmp_path, ["dev-clean"])
    prepare.prepare_librispeech(tmp_path, ["dev-clean", "test-clean"])
    assert len(server.starts) == 2  # a prepared part is not downloaded again
    entries = list(Manifest(tmp_path / "test-clean.jsonl"))
    assert entries[0].fields["audio_filepath"] == "test-clean/1/2/1-2-0000.flac" and len(entries) == 3
    with pytest.raises(SpeechError, match="no 'dev-clen'; did you mean \"dev-clean\""):
        prepare.prepare_librispeech(tmp_path, ["dev-clen"])


def test_the_mini_selection_is_that_of_the_shared_set(speech):
    for split, text in (("train", prepare.MINI_TRAIN), ("dev", prepare.MINI_DEV)):
        ids = {entry.fields["id"] for entry in Manifest(speech / "librispeech_mini" / f"{split}.jsonl")}
        assert ids == {f"{c}-{i:04d}" for c, n in prepare._parse_chapters(text).items() for i in range(n)}


def test_two_processes_do_not_download_the_same_file_at_once(server, tmp_path):
    server.files["/a.tar"] = b"content"
    with (tmp_path / "a.tar.part").open("ab") as other:
        assert platform.lock(other)
        with pytest.raises(SpeechError, match=r"a\.tar: another process is downloading it"):
            download(f"{server.url}/a.tar", tmp_path / "a.tar")
    assert download(f"{server.url}/a.tar", tmp_path / "a.tar").read_bytes() == b"content"
