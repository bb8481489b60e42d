"""Language models in the layout of Transformers: written and read back, old and new fields, folders that cannot be."""

import json
import subprocess
import sys
from pathlib import Path

import jax
import ml_dtypes
import numpy as np
import pytest

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.errors import ArchiveError, SpeechError
from jaxspeech.forms.inference import for_inference
from jaxspeech.forms.low_rank import without_low_rank
from jaxspeech.interop.transformers import load_transformers
from jaxspeech.interop.transformers.causal_config import read_causal_config, write_causal_config
from jaxspeech.interop.transformers.causal_lm import save_causal_lm
from jaxspeech.interop.transformers.causal_rows import causal_rows
from jaxspeech.interop.transformers.safetensors import read_safetensors
from jaxspeech.interop.transformers.safetensors_writer import write_shards
from jaxspeech.text.byte_pair import BytePairTokenizer
from tests.interop.random_model import random_leaves

SIZES = {"vocab_size": 11, "width": 8, "num_layers": 2, "num_heads": 4, "hidden_width": 12, "head_width": 4}
SIZES |= {"name": "causal_transformer", "num_groups": 2, "norm_epsilon": 1e-5, "dtype": "float32"}
PLAIN = {"theta": 10000.0, "scaling": ""}
FAMILIES = {
    "qwen2": {"biases": True, "tied": False, "head_width": 2, "rope": PLAIN},
    "qwen3": {"biases": False, "query_key_norm": True, "tied": True, "rope": PLAIN},
    "llama": {
        **{"biases": False, "tied": True},
        "rope": {
            **{"theta": 5e5, "scaling": "llama3", "factor": 8.0, "low_frequency_factor": 1.0},
            **{"high_frequency_factor": 4.0, "original_context": 64},
        },
    },
}
LLAMA = write_causal_config(SIZES | FAMILIES["llama"])
TOKENIZER = json.dumps({"version": "1.0", "model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []}}).encode()


def archive_of(family, **changes):
    model = {"task": "causal_lm", "decoder": SIZES | FAMILIES[family] | changes}
    variables = random_leaves(jax.eval_shape(build(model).init, jax.random.key(0)))
    return Archive(model, {"tokenizer": BytePairTokenizer(TOKENIZER)}, variables, {})


@pytest.mark.parametrize("family", FAMILIES)
def test_a_written_folder_is_read_back(tmp_path, family):
    archive = archive_of(family)
    save_causal_lm(archive, tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == family
    again = load_transformers(tmp_path)
    assert again.model == archive.model and again.assets["tokenizer"].encode("ab") == [0, 1]
    jax.tree.map(np.testing.assert_array_equal, again.variables, archive.variables)
    # The layers apart, as generation has them.
    apart = load_transformers(tmp_path, stacked=False)
    own = for_inference(archive.model, archive.variables)
    assert apart.model == own[0]
    jax.tree.map(np.testing.assert_array_equal, apart.variables, own[1])


def test_the_tokenizer_shows_the_template_of_conversations(tmp_path):
    content = json.loads(TOKENIZER)
    for family, token, template in (
        ("llama", "<|im_start|>", "qwen"),
        ("qwen3", "<|im_start|>", "qwen3"),
        ("llama", "<|start_header_id|>", "llama3"),
        ("qwen2", "<unk>", None),
    ):
        content["added_tokens"] = [{"id": 2, "content": token, "special": True}]
        content["added_tokens"][0] |= dict.fromkeys(("lstrip", "rstrip", "normalized", "single_word"), False)
        tokenizer = BytePairTokenizer(json.dumps(content).encode(), end_ids=(2, 1))
        save_causal_lm(archive_of(family)._replace(assets={"tokenizer": tokenizer}), tmp_path)
        assets = load_transformers(tmp_path).assets
        if token == "<unk>":  # config.json says it where there is no file of its own
            (tmp_path / "generation_config.json").unlink()
            (tmp_path / "config.json").write_text(
                json.dumps(json.loads((tmp_path / "config.json").read_text()) | {"eos_token_id": [2, 1]})
            )
            assets = load_transformers(tmp_path).assets
        assert assets["tokenizer"].end_ids == (2, 1)
        chat = assets.get("chat")
        assert (chat.template if chat else None) == template


def test_shards_and_half_precision_are_kept(tmp_path):
    archive = archive_of("llama", dtype="bfloat16")
    half = jax.tree.map(lambda x: np.asarray(x, ml_dtypes.bfloat16), archive.variables)
    save_causal_lm(archive._replace(variables=half), tmp_path)
    tensors = {name: np.asarray(x) for name, x in read_safetensors(tmp_path / "model.safetensors").items()}
    (tmp_path / "model.safetensors").unlink()
    write_shards(tmp_path, lambda: iter(tensors.items()), most_bytes=400)
    assert len(list(tmp_path.glob("model-*-of-*.safetensors"))) > 3
    again = load_transformers(tmp_path)
    assert again.model["decoder"]["dtype"] == "bfloat16"
    jax.tree.map(np.testing.assert_array_equal, again.variables, half)
    assert {x.dtype.name for x in jax.tree.leaves(again.variables)} == {"bfloat16"}
    wide = load_transformers(tmp_path, dtype=np.float32)
    assert {x.dtype.name for x in jax.tree.leaves(wide.variables)} == {"float32"}
    # A CPU multiplies float32 faster.
    config, variables = for_inference(again.model, again.variables, platform="cpu")
    assert config["decoder"]["dtype"] == "float32"
    assert {x.dtype.name for x in jax.tree.leaves(variables)} == {"float32"}
    config, variables = for_inference(again.model, again.variables, platform="cuda")
    assert config["decoder"]["dtype"] == "bfloat16"
    assert {x.dtype.name for x in jax.tree.leaves(variables)} == {"bfloat16"}


def test_low_rank_changes_are_added_to_their_matrices(tmp_path):
    archive = archive_of("llama", lora={"rank": 2, "alpha": 6.0, "targets": ("query", "down")})
    ids, num = np.array([[1, 2, 3]]), np.array([3])

    def logits(model, variables):
        return jax.jit(lambda x: build(model).model.apply(x, ids, num, method="logits"))(variables)

    save_causal_lm(archive, tmp_path)
    again = load_transformers(tmp_path)
    decoder, _ = without_low_rank(archive.model["decoder"], archive.variables["params"]["decoder"])
    assert again.model["decoder"] == decoder
    ours = logits(archive.model, archive.variables)
    np.testing.assert_allclose(logits(again.model, again.variables), ours, atol=1e-5)
    names = {row.nemo for row in causal_rows(archive.model["decoder"])}
    assert {
        "model.layers.{i}.self_attn.q_proj.base_layer.weight",
        "model.layers.{i}.mlp.down_proj.lora_A.default.weight",
    } <= names


def test_fields_of_older_versions():
    old = {name: value for name, value in LLAMA.items() if name not in ("rope_parameters", "dtype", "head_dim")}
    scaling = {**LLAMA["rope_parameters"]}
    theta = scaling.pop("rope_theta")
    old |= {"rope_theta": theta, "rope_scaling": scaling, "torch_dtype": "float32", "pretraining_tp": 1}
    new = {**LLAMA, "head_dim": 2}
    assert read_causal_config(old) == read_causal_config(new)
    linear = {**old, "rope_scaling": {"type": "linear", "factor": 2.0}}
    assert read_causal_config(linear)["rope"] == {"theta": theta, "scaling": "linear", "factor": 2.0}
    assert read_causal_config({**old, "rope_scaling": None})["rope"] == {"theta": theta, "scaling": ""}
    ours = read_causal_config(LLAMA)
    assert write_causal_config(ours) == LLAMA and ours == SIZES | FAMILIES["llama"]


# What the published files say beside the sizes.
QWEN25 = {
    **{"architectures": ["Qwen2ForCausalLM"], "attention_dropout": 0.0, "bos_token_id": 151643, "hidden_act": "silu"},
    **{"eos_token_id": 151645, "hidden_size": 896, "initializer_range": 0.02, "intermediate_size": 4864},
    **{"max_position_embeddings": 32768, "max_window_layers": 24, "model_type": "qwen2", "num_attention_heads": 14},
    **{"num_hidden_layers": 24, "num_key_value_heads": 2, "rms_norm_eps": 1e-06, "rope_theta": 1000000.0},
    **{"sliding_window": 32768, "tie_word_embeddings": True, "torch_dtype": "bfloat16", "use_cache": True},
    **{"use_mrope": False, "use_sliding_window": False, "vocab_size": 151936, "transformers_version": "4.40.1"},
}
SMOLLM2 = {
    **{"architectures": ["LlamaForCausalLM"], "attention_bias": False, "attention_dropout": 0.0, "bos_token_id": 1},
    **{"eos_token_id": 2, "hidden_act": "silu", "hidden_size": 576, "initializer_range": 0.04, "mlp_bias": False},
    **{"intermediate_size": 1536, "is_llama_config": True, "max_position_embeddings": 8192, "model_type": "llama"},
    **{"num_attention_heads": 9, "num_hidden_layers": 30, "num_key_value_heads": 3, "pad_token_id": 2},
    **{"pretraining_tp": 1, "rms_norm_eps": 1e-05, "rope_interleaved": False, "rope_scaling": None},
    **{"rope_theta": 100000, "tie_word_embeddings": True, "torch_dtype": "bfloat16", "use_cache": True},
    **{"transformers.js_config": {"kv_cache_dtype": {"fp16": "float16"}}, "vocab_size": 49152},
}


def test_published_configurations():
    qwen, smol = read_causal_config(QWEN25), read_causal_config(SMOLLM2)
    assert qwen["biases"] and qwen["tied"] and qwen["head_width"] == 64 and qwen["dtype"] == "bfloat16"
    assert smol["rope"] == {"theta": 100000, "scaling": ""} and smol["num_groups"] == 3 and not smol["biases"]
    for config in (qwen, smol):
        shapes = jax.eval_shape(build({"task": "causal_lm", "decoder": config}).init, jax.random.key(0))
        count = sum(x.size for x in jax.tree.leaves(shapes))
        assert count == {896: 494_032_768, 576: 134_515_008}[config["width"]]


@pytest.mark.parametrize(
    ("changes", "reasons"),
    [
        ({"model_type": "gemma3"}, ["model_type 'gemma3'", "llama, qwen2, qwen3"]),
        (
            {"rope_parameters": {"rope_type": "yarn", "factor": 2}},
            ["rope_parameters.rope_type 'yarn'", "linear, llama3"],
        ),
        ({"rope_parameters": {"rope_type": "llama3"}}, ["high_freq_factor is missing"]),
        ({"rope_parameters": {"rope_theta": "big"}}, ["theta is 'big'"]),
        ({"rope_parameters": {"partial_rotary_factor": 0.5}}, ["partial_rotary_factor (unknown)"]),
        ({"hidden_act": "gelu", "attention_bias": True}, ["hidden_act 'gelu'", "attention_bias True"]),
        ({"num_key_value_heads": 3}, ["no multiple of num_key_value_heads, 3"]),
        ({"head_dim": 3}, ["head_dim 3 (must be even)"]),
        ({"layer_types": ["sliding_attention"]}, ["layer_types ['sliding_attention']"]),
        ({"dtype": "float8"}, ["dtype 'float8'"]),
        ({"new_field": 1, "hidden_size": None}, ["new_field (unknown)", "hidden_size None"]),
    ],
)
def test_names_all_that_a_configuration_has_beside(changes, reasons):
    with pytest.raises(ArchiveError) as error:
        read_causal_config(LLAMA | changes)
    message = str(error.value)
    assert all(reason in message for reason in reasons) and "\n" not in message, message


def test_files_that_do_not_fit_their_configuration(tmp_path):
    save_causal_lm(archive_of("llama"), tmp_path)
    for changes, reason in (
        ({"model_type": "gemma3"}, r"'gemma3' \(can be parakeet_ctc, .*, canary, llama, qwen2, qwen3\)"),
        ({"vocab_size": 1}, "its tokenizer has 2 tokens, its model 1"),
        ({"intermediate_size": 13}, r"mlp\.gate_proj\.weight has the shape \[12, 8\]"),
    ):
        (tmp_path / "config.json").write_text(json.dumps(LLAMA | changes))
        with pytest.raises(ArchiveError, match=reason):
            load_transformers(tmp_path)


def test_a_folder_without_a_tokenizer(tmp_path):
    save_causal_lm(archive_of("llama"), tmp_path)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(SpeechError, match=r"has no tokenizer\.json"):
        load_transformers(tmp_path)


def test_a_head_that_a_tied_model_has_too(tmp_path):
    save_causal_lm(archive_of("llama"), tmp_path)
    tensors = {name: np.asarray(x) for name, x in read_safetensors(tmp_path / "model.safetensors").items()}
    tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = np.zeros(2, np.float32)
    write_shards(tmp_path, lambda: iter(tensors.items()))
    load_transformers(tmp_path)
    tensors["lm_head.weight"] = tensors["lm_head.weight"] + 1
    write_shards(tmp_path, lambda: iter(tensors.items()))
    with pytest.raises(SpeechError, match=r"lm_head\.weight differs from model\.embed_tokens\.weight"):
        load_transformers(tmp_path)


# The arrays of a model of 300 MB, whose table is a quarter of it, as in a model of 0.5B.
MEMORY = """
import re, sys
from pathlib import Path
import jax, numpy as np
from jaxspeech.interop.transformers import load_transformers
def kilobytes(name):
    return int(re.search(name + r":\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
read = lambda folder: load_transformers(folder, stacked=False, place=jax.device_put)
read(sys.argv[2])  # a small one: all code is loaded
Path("/proc/self/clear_refs").write_text("5")  # the peak starts here
before = kilobytes("VmRSS")
archive = read(sys.argv[1])
print((kilobytes("VmHWM") - before) * 1024 / sum(x.nbytes for x in jax.tree.leaves(archive.variables)))
"""


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system does not tell the peak of memory")
@pytest.mark.slow
def test_reading_takes_a_tenth_more_than_the_weights(tmp_path):
    large, small = tmp_path / "large", tmp_path / "small"
    save_causal_lm(archive_of("llama"), small)
    sizes = {"width": 512, "hidden_width": 2048, "num_layers": 24, "num_heads": 8, "head_width": 64}
    model = {"task": "causal_lm", "decoder": SIZES | FAMILIES["llama"] | sizes | {"vocab_size": 75_000}}
    shapes = jax.eval_shape(build(model).init, jax.random.key(0))
    variables = jax.tree.map(lambda x: np.ones(x.shape, ml_dtypes.bfloat16), shapes)
    save_causal_lm(archive_of("llama")._replace(model=model, variables=variables), large)
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", MEMORY, str(large), str(small)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr
    assert 0.9 < float(done.stdout) < 1.1, done.stdout
