"""Models of the Hub: read from a cache with the layout of its library, and the errors if there is none."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import jaxspeech
from jaxspeech.archive import save_archive
from jaxspeech.errors import ArchiveError
from jaxspeech.hub import is_hub_name, list_models
from jaxspeech.hub.fetch import HubFile, check, choose, download, folder_files
from tests.interop.random_model import CHARACTERS, random_archive
from tests.interop.test_transformers import save

CTC = {
    "task": "ctc",
    "features": {"name": "mel", "num_mels": 16},
    "encoder": {"name": "fastconformer", "num_layers": 1, "width": 8, "num_heads": 2, "subsampling_channels": 4},
    "decoder": {"name": "ctc"},
}
huggingface_hub = pytest.importorskip("huggingface_hub")
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def tiny(tmp_path) -> bytes:
    archive = random_archive(CTC, CHARACTERS)
    path = tmp_path / "tiny.jaxspeech"
    save_archive(path, **archive._asdict())
    return path.read_bytes()


def fill_cache(home: Path, name: str, files: dict[str, bytes]) -> Path:
    """Write blobs by hash, a snapshot of links to them, and the main branch's commit."""
    repository = home / "hub" / f"models--{name.replace('/', '--')}"
    snapshot = repository / "snapshots" / COMMIT
    for folder in (repository / "blobs", repository / "refs", snapshot):
        folder.mkdir(parents=True, exist_ok=True)
    (repository / "refs" / "main").write_text(COMMIT)
    for file, content in files.items():
        blob = repository / "blobs" / hashlib.sha256(content).hexdigest()
        blob.write_bytes(content)
        (snapshot / file).symlink_to(os.path.relpath(blob, snapshot))
    return snapshot


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A cache of this test, and no connection."""
    home = tmp_path / "home"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(home / "hub"))
    monkeypatch.setattr("jaxspeech.hub.fetch.user_cache", lambda name: home / "jaxspeech" / name)

    def unreachable(self, *args, **options):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", unreachable)
    return home


def test_load_from_the_cache_in_a_process_without_a_connection(tmp_path, tiny):
    fill_cache(tmp_path, "someone/tiny-ctc", {"README.md": b"hello", "tiny.jaxspeech": tiny})
    command = "import jaxspeech; print(jaxspeech.load('someone/tiny-ctc').tokenizer.vocab_size)"
    environment = os.environ | {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", command], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == str(CHARACTERS.vocab_size), done.stderr


def test_a_damaged_file_is_an_error_and_a_good_one_is_checked_once(home):
    snapshot = fill_cache(home, "someone/model", {"model.nemo": b"weights"})
    path = download("someone/model")
    assert path == snapshot / "model.nemo"
    assert len(list((home / "jaxspeech" / "checked").iterdir())) == 1
    path.resolve().write_bytes(b"weighty")
    with pytest.raises(ArchiveError, match=r"damaged .* delete") as caught:
        download("someone/model")
    assert len(str(caught.value).splitlines()) == 1


def test_the_hub_states_files_and_hashes(home, monkeypatch):
    snapshot = fill_cache(home, "someone/model", {"other.nemo": b"weights", "model.nemo": b"more weights"})
    asked = []

    def model_info(self, name, *, revision=None, files_metadata=False):
        asked.append((name, revision))
        hashes = {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in snapshot.iterdir()}
        siblings = [SimpleNamespace(rfilename=n, lfs=SimpleNamespace(sha256=h)) for n, h in hashes.items()]
        return SimpleNamespace(sha=COMMIT, siblings=siblings)

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda name, file, revision: str(snapshot / file))
    assert download("someone/model").name == "model.nemo"  # the file named like the repository
    assert download("someone/model", filename="other.nemo", revision="v1").name == "other.nemo"
    assert asked == [("someone/model", None), ("someone/model", "v1")]
    with pytest.raises(ArchiveError, match=r"no file 'third\.nemo'; it has"):
        jaxspeech.from_pretrained("someone/model", filename="third.nemo")


def test_neither_reachable_nor_in_the_cache(home):
    with pytest.raises(ArchiveError, match=r"nobody/nothing: not in the local cache.*no route to host") as caught:
        jaxspeech.load("nobody/nothing")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["a.nemo", "b.nemo"], r"several models \(a\.nemo, b\.nemo\)"),
        (["model.safetensors", "README.md"], r"no \.jaxspeech or \.nemo file.*\(only model\.safetensors\)"),
        ([], r"no \.jaxspeech or \.nemo file"),
    ],
)
def test_a_repository_without_a_single_model_is_an_error(names, message):
    with pytest.raises(ArchiveError, match=message):
        choose("some/one", [HubFile(name, None) for name in names], None)


def test_our_own_format_is_preferred():
    assert choose("some/one", [HubFile("x.nemo", None), HubFile("x.jaxspeech", None)], None).name == "x.jaxspeech"


FOLDER = ["config.json", "processor_config.json", "tokenizer.json", "model.safetensors"]
SHARDED = [*FOLDER[:-1], "model.safetensors.index.json", "model-00001-of-2.safetensors", "model-00002-of-2.safetensors"]


@pytest.mark.parametrize(
    ("names", "filename", "expected"),
    [
        ([*FOLDER, "README.md", "onnx/model.onnx"], None, FOLDER),
        (SHARDED, None, SHARDED),
        ([*FOLDER, "x.nemo"], None, []),
        ([*FOLDER, "x.nemo"], "x.nemo", []),
        ([*FOLDER, "x.nemo"], "model.safetensors", FOLDER),
        ([*FOLDER, "x.jaxspeech"], None, []),
        (FOLDER[1:], None, []),
        (SHARDED[:3] + SHARDED[4:], None, []),
    ],
)
def test_which_files_make_a_folder_of_transformers(names, filename, expected):
    chosen = folder_files([HubFile(name, None) for name in names], filename)
    assert sorted(file.name for file in chosen) == sorted(expected)


@pytest.mark.parametrize("shards", [1, 2])
def test_a_repository_in_the_layout_of_transformers(home, monkeypatch, tmp_path, shards):
    save(tmp_path / "m", "ctc", shards=shards)
    contents = {file.name: file.read_bytes() for file in (tmp_path / "m").iterdir()}
    snapshot = fill_cache(home, "someone/parakeet", contents | {"README.md": b"hello"})
    assert download("someone/parakeet") == snapshot  # without a connection
    fetched = []

    def model_info(self, name, *, revision=None, files_metadata=False):
        hashes = {n: hashlib.sha256(c).hexdigest() for n, c in contents.items() if n.endswith(".safetensors")}
        lfs = {n: SimpleNamespace(sha256=h) for n, h in hashes.items()}
        siblings = [SimpleNamespace(rfilename=f.name, lfs=lfs.get(f.name)) for f in snapshot.iterdir()]
        return SimpleNamespace(sha=COMMIT, siblings=siblings)

    def fetch(name, file, revision):
        fetched.append(file)
        return str(snapshot / file)

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fetch)
    assert jaxspeech.load("someone/parakeet").tokenizer.vocab_size == 36
    assert sorted(fetched) == sorted(contents)
    fetched.clear()
    (snapshot / "config.json").resolve().write_text('{"model_type": "whisper"}')
    with pytest.raises(ArchiveError, match="'whisper'"):
        jaxspeech.load("someone/parakeet")
    assert fetched == ["config.json"]  # not the weights
    (snapshot / "config.json").resolve().write_bytes(contents["config.json"])
    weights = next(snapshot.glob("*.safetensors")).resolve()
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(ArchiveError, match="damaged"):
        jaxspeech.load("someone/parakeet")


def test_a_file_without_a_known_hash_is_accepted(tmp_path):
    (tmp_path / "x").write_bytes(b"")
    check(tmp_path / "x", None)


def test_published_names():
    models = list_models()
    assert len({model.name for model in models}) == len(models) > 80
    assert all(is_hub_name(model.name) and model.language and model.size for model in models)
    by_name = {model.name: model for model in models}
    assert by_name["nvidia/stt_en_conformer_ctc_small"][1:] == ("en", "13M", "ctc")
    assert by_name["nvidia/stt_ua_fastconformer_hybrid_large_pc"][1:] == ("uk", "115M", "hybrid")
    assert by_name["nvidia/parakeet-tdt-0.6b-v2"].task == "tdt"
    assert {"nvidia/stt_en_jasper10x5dr", "nvidia/stt_enes_conformer_ctc_large"} < {m.name for m in list_models("en")}
    assert {"nvidia/nemotron-speech-streaming-en-0.6b", "nvidia/parakeet-unified-en-0.6b"} < by_name.keys()
    assert by_name["nvidia/parakeet_realtime_eou_120m-v1"][1:] == ("en", "120M", "transducer")
    assert by_name["nvidia/stt_fa_fastconformer_hybrid_large"][1:] == ("fa", "115M", "hybrid")
    streaming = "nvidia/stt_ka_fastconformer_hybrid_transducer_ctc_large_streaming_80ms_pc"
    assert by_name[streaming][1:] == ("ka", "115M", "hybrid") and len(list_models("ka")) == 2
    assert by_name["nvidia/stt_kk_ru_fastconformer_hybrid_large"] in list_models("kk")
    assert is_hub_name("stt_en_conformer_ctc_small")  # the form that NeMo's users write
    for no_name in ("model.nemo", "runs/model.jaxspeech", "stt_en_unheard_of", "a/b/c", "/tmp/x"):
        assert not is_hub_name(no_name)
