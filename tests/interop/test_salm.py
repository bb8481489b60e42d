"""Folders of speech language models in NeMo's layout: written and read again, and what is refused in one line."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import jax
import ml_dtypes
import numpy as np
import pytest

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.cli.main import main
from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo import is_salm_folder, load_salm, missing_backbone, save_nemo
from jaxspeech.interop.nemo.salm_backbones import BACKBONES
from jaxspeech.interop.transformers.causal_config import read_causal_config
from jaxspeech.interop.transformers.safetensors import read_safetensors
from jaxspeech.loading import read_model
from jaxspeech.text.chat import Chat
from tests.interop.random_model import CHARACTERS, random_variables
from tests.pipelines.chat_model import HEARING, byte_tokenizer

CONFORMER = HEARING["encoder"] | {"subsampling_factor": 1, "subsampling": "dw_striding"}
LORA = {"rank": 2, "alpha": 4.0, "dropout": 0.1, "targets": ("query", "down")}
CHANGES: dict[str, Any] = {
    "projection": {"decoder": {"lora": LORA}, "chunk_seconds": 1.5},
    "conformer": {"connector": {"name": "conformer", "encoder": CONFORMER}, "decoder": {"tied": False}},
    "multilayer": {"connector": {"name": "multilayer", "layers": (0,)}, "decoder": {"biases": True, "lora": LORA}},
}


def archive_of(kind: str) -> Archive:
    changes = CHANGES[kind]
    model = HEARING | changes | {"decoder": HEARING["decoder"] | {"scan_layers": True} | changes["decoder"]}
    assets = {"tokenizer": byte_tokenizer(), "chat": Chat("qwen", audio_id=258)}
    return Archive(model, assets, random_variables(model), {})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("nemo") / "canary-qwen-0.0b"
    save_nemo(path, **archive_of("projection")._asdict())
    return path


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def change(path: Path, **entries: Any) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in {**content, **entries}.items() if v is not ...}))


@pytest.mark.parametrize("kind", CHANGES)
def test_a_written_folder_gives_the_model_back(kind: str, tmp_path: Path):
    archive = archive_of(kind)
    save_nemo(tmp_path / "nemo", **archive._asdict())
    found = load_salm(tmp_path / "nemo", stacked=True)
    jax.tree.map(np.testing.assert_array_equal, found.variables, jax.device_get(archive.variables))
    ours, theirs = build(archive.model).model, build(found.model).model
    assert theirs.chunk_seconds == ours.chunk_seconds and theirs.connector.outputs_of == ours.connector.outputs_of
    assert theirs.decoder.lora == ours.decoder.lora
    assert found.assets["chat"].config() == archive.assets["chat"].config()
    assert found.model["search"]["end_ids"] == (257,)
    save_nemo(tmp_path / "again", **found._asdict())
    for file in sorted(
        file.relative_to(tmp_path / "nemo") for file in (tmp_path / "nemo").rglob("*") if file.is_file()
    ):
        assert (tmp_path / "again" / file).read_bytes() == (tmp_path / "nemo" / file).read_bytes()


def test_half_precision_is_kept_in_the_language_model(copy: Path):
    from jaxspeech.interop.transformers.safetensors_writer import write_shards

    tensors = {name: np.asarray(x) for name, x in read_safetensors(copy / "model.safetensors").items()}
    write_shards(copy, lambda: ((name, x.astype(ml_dtypes.bfloat16)) for name, x in tensors.items()))
    found = load_salm(copy)
    assert found.model["decoder"]["dtype"] == "bfloat16"
    assert {leaf.dtype for leaf in jax.tree.leaves(found.variables["params"]["decoder"])} == {np.dtype("bfloat16")}
    assert {leaf.dtype for leaf in jax.tree.leaves(found.variables["params"]["encoder"])} == {np.dtype("float32")}
    whole = load_salm(copy, dtype=np.float32)
    assert {leaf.dtype for leaf in jax.tree.leaves(whole.variables)} == {np.dtype("float32")}
    assert whole.model["decoder"]["dtype"] == "float32"


def test_what_is_missing_or_unknown_is_listed_in_one_error(copy: Path):
    from jaxspeech.interop.transformers.safetensors_writer import write_shards

    tensors = {name: np.asarray(x) for name, x in read_safetensors(copy / "model.safetensors").items()}
    lost = next(name for name in tensors if name.endswith("lora_A.default.weight"))
    tensors["llm.base_model.model.model.surprise"] = tensors.pop(lost)
    write_shards(copy, lambda: tensors.items())
    with pytest.raises(ArchiveError) as error:
        load_salm(copy)
    assert f"{lost} is missing" in str(error.value) and "surprise has no place" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "entries, message",
    [
        ({"prompt_format": "morse"}, "prompt_format.*morse.*qwen"),
        ({"encoder_chunk_size_seconds": -1}, "encoder_chunk_size_seconds -1"),
        ({"use_nemo_automodel": True}, "use_nemo_automodel"),
        ({"lora": {"r": 2, "use_dora": True, "target_modules": ["q_proj", "x"]}}, "lora.target_modules.*lora.use_dora"),
        ({"perception": {"output_dim": 3}}, "perception.preprocessor is missing.*perception.output_dim 3"),
    ],
)
def test_unsupported_values_are_named(copy: Path, entries: dict[str, Any], message: str):
    change(copy / "config.json", **entries)
    with pytest.raises(ArchiveError, match=message):
        load_salm(copy)


def test_the_language_model_may_be_known_by_its_name_or_lie_elsewhere(copy: Path, tmp_path: Path):
    other = tmp_path / "llm"
    shutil.copytree(copy / "llm_backbone", other)
    shutil.rmtree(copy / "llm_backbone")
    with pytest.raises(ArchiveError, match=r"has no llm_backbone/config.json.*'llm'.*Qwen/Qwen3-1.7B"):
        load_salm(copy)
    (copy / "tokenizer.json").rename(tmp_path / "tokenizer.json")
    with pytest.raises(ArchiveError, match=r"has no tokenizer\.json: copy that of its language model 'llm'"):
        load_salm(copy, backbone=other)
    (tmp_path / "tokenizer.json").rename(other / "tokenizer.json")
    (copy / "tokenizer_config.json").rename(other / "tokenizer_config.json")
    assert load_salm(copy, backbone=other).model["decoder"]["width"] == 16
    assert missing_backbone(copy) is None  # no name that is known
    change(copy / "config.json", pretrained_llm="Qwen/Qwen3-0.6B", model_type=...)
    assert is_salm_folder(copy) and missing_backbone(copy) == "Qwen/Qwen3-0.6B"
    with pytest.raises(ArchiveError, match=r"perception.output_dim 16 \(must be the LLM's width, 1024\)"):
        load_salm(copy)


def test_the_tokenizer_of_a_known_language_model_is_fetched(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    other = tmp_path / "llm"
    other.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (copy / name).rename(other / name)
    change(copy / "config.json", pretrained_llm="Qwen/Qwen3-1.7B")
    fetched = []
    monkeypatch.setattr("jaxspeech.loading.download_tokenizer", lambda name: fetched.append(name) or other)
    assert read_model(copy).assets["tokenizer"].vocab_size == 258
    assert fetched == ["Qwen/Qwen3-1.7B"]


@pytest.mark.parametrize("name", BACKBONES)
def test_shapes_of_known_language_models(name: str):
    decoder = read_causal_config(BACKBONES[name])
    vocabulary, width, hidden = (decoder[key] for key in ("vocab_size", "width", "hidden_width"))
    heads, groups = (decoder[key] * decoder["head_width"] for key in ("num_heads", "num_groups"))
    size = vocabulary * width * (1 if decoder["tied"] else 2)
    size += decoder["num_layers"] * (2 * width * (heads + groups) + 3 * width * hidden)
    found = re.search(r"([0-9.]+)B", name)
    billions = 1.1 if found is None else float(found[1])
    assert size / 1e9 == pytest.approx(billions, rel=0.2)


def test_only_what_nemo_has_is_written(tmp_path: Path):
    archive = archive_of("projection")
    with pytest.raises(ArchiveError, match=r"tokenizer\.json"):
        save_nemo(tmp_path / "x", **archive._replace(assets={**archive.assets, "tokenizer": CHARACTERS})._asdict())
    with pytest.raises(ArchiveError, match="in a folder"):
        save_nemo(tmp_path / "x.nemo", **archive._asdict())
    assert not any(tmp_path.iterdir())


def test_the_command_converts_both_ways(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert not main(["convert", str(folder), str(tmp_path / "a.jaxspeech")])
    assert not main(["convert", str(tmp_path / "a.jaxspeech"), str(tmp_path / "canary-0.1b")])
    assert "speech_lm" in capsys.readouterr().out
    for name in ("model.safetensors", "config.json", "llm_backbone/config.json"):
        assert (tmp_path / "canary-0.1b" / name).read_bytes() == (folder / name).read_bytes()
    archive = read_model(folder)
    assert archive.model["task"] == "speech_lm"
