"""What differs between systems is in one file, whose portable branch does the same as the one of this system."""

import ntpath
import os
import posixpath
import re
import signal
import tarfile
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from jaxspeech.data.manifest import Manifest
from jaxspeech.data.tars import Tar
from jaxspeech.files import replace_atomically
from jaxspeech.runtime import platform
from tests.test_imports import FILES, OF_SOME_SYSTEMS, PACKAGE

# Functions and constants that Python does not have on every system.
NAMES = (
    r"chown|chroot|confstr|fchmod|fchown|fork|forkpty|getegid|geteuid|getgid|getgroups"
    r"|getloadavg|getpgid|getpgrp|getpriority|getuid|killpg|lockf|mkfifo|mknod|nice|"
    r"posix_fadvise|posix_fallocate|pread|preadv|pwrite|pwritev|readv|register_at_fork|"
    r"sched_getaffinity|sched_setaffinity|sendfile|setgid|setpgid|setsid|setuid|statvfs|"
    r"sync|sysconf|ttyname|uname|wait|waitpid|O_DIRECTORY|O_CLOEXEC|O_DIRECT|SIGALRM|"
    r"SIGCHLD|SIGHUP|SIGKILL|SIGPIPE|SIGQUIT|SIGUSR1|SIGUSR2|alarm|pthread_sigmask|"
    r"setitimer|sigwait|SIGBREAK|startfile"
)


def test_no_other_file_calls_what_only_some_systems_have():
    # os.replace and Path.replace: a rename over an existing file fails on Windows.
    calls = re.compile(rf"\b(os|signal)\.({NAMES})\b|\.rename\(|[\"'](/proc|/tmp|/etc)\b")
    imports = re.compile(rf"^\s*(import|from) ({'|'.join(OF_SOME_SYSTEMS)})\b", re.MULTILINE)
    # What runs by itself in the environment of a different program cannot import platform.py, and asks for itself.
    alone = PACKAGE / "engines" / "workers"
    for file in FILES:
        if alone in file.parents:
            continue
        text = file.read_text(encoding="utf-8")
        found = imports.search(text) or calls.search(text)
        assert not found or file == PACKAGE / "runtime" / "platform.py", f"{file}: {found[0]}"


@pytest.fixture(params=["this system", "every system"])
def branch(request, monkeypatch):
    """Each test runs with the functions of this system, and without them."""
    if request.param == "every system":
        monkeypatch.setattr(platform, "PREAD", None)
        monkeypatch.setattr(platform, "SYSCONF", None)
        monkeypatch.setattr(platform, "fcntl", None)
    return request.param


def test_any_thread_reads_at_any_place(branch, tmp_path):
    content = bytes(range(256)) * 64
    (tmp_path / "x").write_bytes(content)
    with open(tmp_path / "x", "rb") as file, ThreadPoolExecutor(8) as threads:
        places = [(size, start) for start in range(0, 16384, 97) for size in (1, 300)]
        found = list(threads.map(lambda place: platform.read_at(file, *place), places))
        assert found == [content[start : start + size] for size, start in places]
        assert platform.read_at(file, 10, len(content) - 3) == content[-3:]
        assert platform.read_at(file, 10, len(content) + 3) == b""


def test_a_read_that_the_system_cuts_short_is_continued(monkeypatch, tmp_path):
    (tmp_path / "x").write_bytes(b"0123456789")
    monkeypatch.setattr(platform, "PREAD", lambda number, size, start: os.pread(number, min(size, 3), start))
    with open(tmp_path / "x", "rb") as file:
        assert platform.read_at(file, 8, 1) == b"12345678"


def test_manifests_and_tars_are_read_the_same(branch, tmp_path):
    lines = [f'{{"audio_filepath": "{i}.wav", "duration": 1.0, "text": "line {i}"}}' for i in range(5)]
    (tmp_path / "m.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    manifest = Manifest(tmp_path / "m.jsonl")
    assert [manifest[i].fields["text"] for i in (4, 0, 2)] == ["line 4", "line 0", "line 2"]
    assert list(manifest.texts()) == [f"line {i}" for i in range(5)]
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.add(tmp_path / "m.jsonl", "m.jsonl")
    assert Tar(tmp_path / "a.tar").read("m.jsonl") == (tmp_path / "m.jsonl").read_bytes()


def test_a_file_replaces_another(branch, tmp_path):
    for content in ("old", "new"):
        with replace_atomically(tmp_path / "x") as temporary:
            temporary.write_text(content)
    assert (tmp_path / "x").read_text() == "new" and len(list(tmp_path.iterdir())) == 1


def test_a_folder_is_not_replaced_and_the_error_names_it(tmp_path):
    with pytest.raises(IsADirectoryError) as caught, replace_atomically(tmp_path) as temporary:
        pytest.fail(f"{temporary} would be written")
    assert caught.value.filename == str(tmp_path) and not list(tmp_path.parent.glob(f".{tmp_path.name}*"))


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_a_written_file_has_the_mode_of_the_umask(tmp_path, mask):
    before = os.umask(mask)
    try:
        with replace_atomically(tmp_path / "x") as temporary:
            temporary.write_text("x")
    finally:
        os.umask(before)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_lock_is_held_until_its_file_is_closed(tmp_path):
    with open(tmp_path / "x", "w") as one, open(tmp_path / "x", "w") as other:
        assert platform.lock(one) and not platform.lock(other)
        one.close()
        assert platform.lock(other)


def test_windows_locks_and_systems_without_locks(monkeypatch, tmp_path):
    monkeypatch.setattr(platform, "fcntl", None)
    held: list[int] = []

    def locking(number: int, how: int, size: int) -> None:
        if held:
            raise PermissionError(13, "Permission denied")
        held.append(size)

    with open(tmp_path / "x", "w") as file:
        assert platform.lock(file)
        monkeypatch.setattr(platform, "msvcrt", SimpleNamespace(locking=locking, LK_NBLCK=2))
        assert platform.lock(file) and held == [1]
        assert not platform.lock(file)


def test_memory(branch, monkeypatch, tmp_path):
    assert 1 << 20 < (platform.free_memory() or 0) < 1 << 50
    (tmp_path / "meminfo").write_text("MemTotal: 99 kB\nMemAvailable:   12 kB\n")
    monkeypatch.setattr(platform, "MEMORY", tmp_path / "meminfo")
    assert platform.free_memory() == 12 * 1024
    monkeypatch.setattr(platform, "MEMORY", tmp_path / "missing")
    assert platform.free_memory() == platform.total_memory()
    assert (platform.total_memory() is None) == (branch == "every system")


def test_paths_below_a_common_folder():
    assert platform.below_common_folder(["/x/a.wav", "/x/y/b.wav"]) == ["a.wav", "y/b.wav"]
    windows = platform.below_common_folder([r"C:\x\a.wav", r"c:\x\y\b.wav"], rules=ntpath)
    assert windows == ["a.wav", r"y\b.wav"]
    drives = platform.below_common_folder([r"C:\x\a.wav", r"D:\x\a.wav", r"\\host\share\a.wav"], rules=ntpath)
    assert drives == [r"C\x\a.wav", r"D\x\a.wav", r"host\share\a.wav"]


@pytest.mark.parametrize(
    ("name", "stays"), [("SIGINT", True), ("SIGHUP", True), ("SIGTERM", False), ("SIGUSR1", False)]
)
def test_what_a_terminal_sends_stays_ignored(name, stays):
    number, seen = getattr(signal, name), []
    before = signal.signal(number, signal.SIG_IGN)
    try:
        handlers = platform.catch_signals([number], lambda *_: seen.append(name))
        os.kill(os.getpid(), number)
        assert seen == ([] if stays else [name])
        platform.restore_signals(handlers)
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_signals_are_left_alone_outside_of_the_main_thread():
    before, found = signal.getsignal(signal.SIGINT), []
    thread = threading.Thread(target=lambda: found.append(platform.catch_signals([signal.SIGINT], print)))
    thread.start()
    thread.join()
    assert found == [{}] and signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize(
    ("given", "rules", "parts"),
    [
        ("configs/x.py:large", posixpath, ("configs/x.py", ":large")),
        ("x", posixpath, ("x", "")),
        (r"C:\r\x.py:large", ntpath, (r"C:\r\x.py", ":large")),
        (r"C:\r\x.py", ntpath, (r"C:\r\x.py", "")),
        ("x.py:a:b", ntpath, ("x.py", ":a:b")),
    ],
)
def test_the_colon_of_a_drive_belongs_to_the_path(given, rules, parts):
    assert platform.split_argument(given, rules=rules) == parts
    assert ":" not in platform.without_drive("configs/x.py", rules=rules)


def test_a_system_without_a_signal():
    assert platform.signals("SIGTERM", "SIGNONE") == [signal.SIGTERM]
