"""The .nemo container: members by exact name in every kind of tar; hostile files are refused."""

import gzip
import io
import tarfile

import pytest

from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.container import NemoFile
from jaxspeech.interop.nemo.plain_yaml import parse_yaml, to_yaml
from tests.interop.forge import tar

MEMBERS = {"model_config.yaml": b"a: [1, 2.5, null, text]", "model_weights.ckpt": b"weights"}


@pytest.mark.parametrize("prefix", ["", "./"])
@pytest.mark.parametrize("mode", ["w", "w:gz"])
def test_members_by_name(tmp_path, mode, prefix):
    path = tmp_path / "x.nemo"
    path.write_bytes(tar(MEMBERS, mode=mode, prefix=prefix))
    with NemoFile(path) as file:
        assert file.config() == {"a": [1, 2.5, None, "text"]}
        assert file.read("model_weights.ckpt") == b"weights"
        with pytest.raises(ArchiveError, match="no member 'other'"):
            file.read("other")


def opened(tmp_path, content: bytes):
    path = tmp_path / "x.nemo"
    path.write_bytes(content)
    return NemoFile(path)


@pytest.mark.parametrize("name", ["../evil", "/tmp/evil", "a/../../evil", "..\\evil"])
def test_names_that_lead_outside_are_refused(tmp_path, name):
    with pytest.raises(ArchiveError, match="leads outside"):
        opened(tmp_path, tar(MEMBERS | {name: b"x"}, prefix=""))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        info = tarfile.TarInfo("model_weights.ckpt")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(ArchiveError, match="not a regular file"):
        opened(tmp_path, stream.getvalue())


def test_incomplete_double_and_foreign_files_are_refused(tmp_path):
    content = tar({"model_weights.ckpt": bytes(100_000)})
    for broken in (content[:50_000], gzip.compress(content)[:-20], b"hello" * 300, b"", b"\x1f\x8bnot gzip"):
        with pytest.raises(ArchiveError):
            opened(tmp_path, broken)
    # After the first member there are only end-of-archive blocks.
    with pytest.raises(ArchiveError, match="two members"):
        opened(tmp_path, tar({"a": b""}, prefix="")[:512] + tar({"a": b""}, prefix="./"))


def test_a_gzip_bomb_is_refused(tmp_path):
    bomb = gzip.compress(bytes(200_000_000), compresslevel=1)
    with pytest.raises(ArchiveError, match="unpack to more than"):
        opened(tmp_path, bomb)


def test_aliases_and_numbers_as_omegaconf_reads_them():
    """The expected values are those of omegaconf 2.3, with which NeMo reads its configurations."""
    content = b"""
    decoder: &head {classes: 3, scale: 1.5}
    aux: {decoder: *head, merged: {<<: *head, classes: 4}}
    numbers: [1e-3, 1E5, -2e+4, 1_0.5, .5, .5e-3, 1., -.inf, 7]
    texts: [.5e3, e-3, 1e, 2001-01-01, "1e-3", 1e-3x]
    """
    config = parse_yaml(content)
    assert config["aux"] == {"decoder": {"classes": 3, "scale": 1.5}, "merged": {"classes": 4, "scale": 1.5}}
    assert config["numbers"] == [1e-3, 1e5, -2e4, 10.5, 0.5, 5e-4, 1.0, -float("inf"), 7]
    assert [type(value) for value in config["numbers"]] == [float] * 8 + [int]
    assert config["texts"] == [".5e3", "e-3", "1e", "2001-01-01", "1e-3", "1e-3x"]
    written = to_yaml(config)
    assert parse_yaml(written) == config and b"*" not in written
    assert b"'1e-3'" in written  # NeMo would read a number


def laughs(levels: int, width: int = 10) -> bytes:
    """Aliases of aliases: a few bytes a level, width ** levels texts when expanded."""
    lines = ["a0: &a0 [lol]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * width)}]" for i in range(1, levels)]
    return "\n".join(lines).encode()


def test_aliases_that_expand_without_bounds_are_refused():
    assert len(parse_yaml(laughs(5))["a4"]) == 10
    long = b"a: &a '" + b"x" * 100_000 + b"'\nb: [" + b"*a, " * 1000 + b"]"
    merged = laughs(9).replace(b"[lol]", b"{lol: 1}") + b"\nz: {<<: *a8}"
    for bomb in (laughs(9), long, merged):
        with pytest.raises(ArchiveError, match="expand to more than"):
            parse_yaml(bomb)
    with pytest.raises(ArchiveError, match="nested more than"):
        parse_yaml(laughs(60, width=1))
    for circle in (b"a: &x [*x]", b"a: &x {b: *x}", b"a: *x"):
        with pytest.raises(ArchiveError, match="alias, 'x', inside"):
            parse_yaml(circle)


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b"a: !!python/object/apply:os.system ['true']",
        b"- just a list",
        b"a: [1",
        b"\xff\xfe\x00",
        b"{[1]: 2}",
    ],
)
def test_yaml_that_is_not_plain_data_is_refused(content):
    with pytest.raises(ArchiveError) as caught:
        parse_yaml(content)
    assert len(str(caught.value).splitlines()) == 1
