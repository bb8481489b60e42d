"""The .nemo container: members by exact name in every kind of tar; hostile files are refused."""

import gzip
import io
import tarfile

import pytest

from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.container import NemoFile, parse_yaml
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


@pytest.mark.parametrize(
    "content",
    [
        b"a: &x [1]\nb: [*x, *x]",
        b"[" * 100_000,
        b"a: !!python/object/apply:os.system ['true']",
        b"- just a list",
        b"a: [1",
        b"\xff\xfe\x00",
        b"a: 2001-99-99",
    ],
)
def test_yaml_that_is_not_plain_data_is_refused(content):
    with pytest.raises(ArchiveError) as caught:
        parse_yaml(content)
    assert len(str(caught.value).splitlines()) == 1
