"""The folder of compiled programs: which one is used, and what happens where there is none."""

import errno
import os
from pathlib import Path

import jax
import pytest
from jax._src.lru_cache import LRUCache

from jaxspeech.runtime import cache_folder
from jaxspeech.runtime.compilation_cache import VARIABLE, _write_whole_entries, enable_compilation_cache


@pytest.fixture(autouse=True)
def _without_that_of_the_tests(monkeypatch):
    update, folder = jax.config.update, jax.config.values["jax_compilation_cache_dir"]
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    update("jax_compilation_cache_dir", None)
    yield
    update("jax_compilation_cache_dir", folder)


@pytest.fixture
def chosen(monkeypatch, tmp_path):
    """Returns the folder that is used for a value of JAXSPEECH_CACHE, in a current folder of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    updated: dict[str, object] = {}
    monkeypatch.setattr(jax.config, "update", updated.__setitem__)
    monkeypatch.setattr("jaxspeech.runtime.compilation_cache._write_whole_entries", lambda: None)

    def choose(value: str) -> str | None:
        monkeypatch.setenv(VARIABLE, value)
        updated.clear()
        enable_compilation_cache()
        return updated.get("jax_compilation_cache_dir")  # pyright: ignore[reportReturnType]

    return choose


def test_the_folder_that_is_used(chosen, tmp_path, caplog):
    assert chosen("") == chosen("  ") == str(tmp_path / "user/jaxspeech/xla")
    assert chosen("~/x") == str(tmp_path / "home/x")
    assert chosen("relative/x") == str(tmp_path / "relative/x")
    assert chosen("gs://bucket/x") == "gs://bucket/x"
    assert chosen("off") is None and chosen("OFF") is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home", "relative", "user"]
    assert not list((tmp_path / "relative/x").iterdir()) and not caplog.records


@pytest.mark.parametrize("value", ["file", "file/x", "/proc/x", "~nobody-of-that-name/x", "n" * 300])
def test_without_a_folder_one_warning_says_what_to_do(chosen, tmp_path, caplog, value):
    (tmp_path / "file").touch()
    assert chosen(value) is None
    [record] = caplog.records
    assert value in record.getMessage() and "JAXSPEECH_CACHE=off none" in record.getMessage()


def test_every_program_is_kept_and_the_users_own_folder_stays(tmp_path, monkeypatch):
    names = [f"jax_persistent_cache_min_{name}" for name in ("compile_time_secs", "entry_size_bytes")]
    before = {name: jax.config.values[name] for name in names}
    monkeypatch.setattr("jaxspeech.runtime.compilation_cache._write_whole_entries", lambda: None)
    try:
        for name in ("first", "second"):
            monkeypatch.setenv(VARIABLE, str(tmp_path / name))
            enable_compilation_cache()
            assert jax.config.values["jax_compilation_cache_dir"] == str(tmp_path / "first")
        assert jax.config.values[names[0]] == 0 and not (tmp_path / "second").exists()
    finally:
        for name, value in before.items():
            jax.config.update(name, value)


def test_without_a_home_one_warning_says_so(chosen, monkeypatch, caplog):
    monkeypatch.setattr(cache_folder.platformdirs, "user_cache_path", _no_home)
    assert chosen("") is None
    assert caplog.records[0].getMessage().startswith("no compilation cache: (there is no home folder: set HOME); ")


def _no_home(name: str):
    raise RuntimeError("could not determine the home directory")


def test_an_entry_is_whole_or_not_there(tmp_path, monkeypatch):
    """Another process never reads half of one, and a full disk leaves none."""
    monkeypatch.setattr(LRUCache, "put", LRUCache.put)  # restores it after the test
    _write_whole_entries()
    cache, replace, seen = LRUCache(str(tmp_path), max_size=-1), os.replace, []

    def noted(part, entry):
        seen.append((sorted(path.name for path in tmp_path.glob("*-cache")), Path(part).read_bytes()))
        replace(part, entry)

    monkeypatch.setattr(os, "replace", noted)
    cache.put("key", b"value")
    cache.put("key", b"other")
    assert cache.get("key") == b"value" and seen == [([], b"value")]

    def full(*names):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        cache.put("next", b"value")
    assert cache.get("next") is None and [path.name for path in tmp_path.iterdir()] == ["key-cache"]
