"""Compares a hybrid with a language prompt with NeMo, from features to text, and writes its file again."""

import json
import subprocess

import jax
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.errors import TokenizerError
from jaxspeech.interop.nemo import load_nemo, save_nemo
from jaxspeech.interop.nemo.container import WEIGHTS, NemoFile
from jaxspeech.interop.nemo.reader import read_checkpoint
from jaxspeech.tasks.asked import asked_of
from tests.parity.both_ways import NEMO_PYTHON
from tests.parity.reference import inputs_of, reference, worst

RESTORES = """
import sys, torch, json
from nemo.collections.asr.models import ASRModel
model = ASRModel.restore_from(sys.argv[1], map_location="cpu")
print(json.dumps([type(model).__name__, model.concat, dict(model.cfg.model_defaults.prompt_dictionary)]))
"""


@pytest.fixture(scope="module")
def hybrid(request):
    file, nemo, notes = reference("fc_hybrid_prompt", request)
    return file, load_nemo(file, stacked=False), nemo, notes


def test_projected_frames_and_texts(hybrid):
    _, archive, nemo, notes = hybrid
    task = build(archive.model)

    def run(variables, features, lengths, language):
        model, asked = task.model, asked_of(language)
        encoded, num_frames = model.apply(variables, features, lengths, method="encode_features")
        of_prompt = {"params": variables["params"]["language_prompt"]}
        frames = model.language_prompt.apply(of_prompt, encoded, language)
        log_probs = task.inference.log_probs(variables, encoded, *asked)
        return frames, num_frames, log_probs, task.inference.decode(variables, encoded, num_frames, *asked)

    language = nemo["prompt_indices"].astype(np.int32)
    frames, num_frames, log_probs, tokens = jax.device_get(jax.jit(run)(archive.variables, *inputs_of(nemo), language))
    np.testing.assert_array_equal(num_frames, nemo["prompted_len"])
    assert worst(frames, nemo["prompted"].transpose(0, 2, 1), num_frames)[0] < 1e-4
    assert worst(log_probs, nemo["ctc_log_probs"], num_frames)[0] < 1e-4
    for row, said in enumerate(notes["greedy"]):
        ids = tokens.ids[row, : tokens.num_tokens[row]].tolist()
        assert ids == said["y_sequence"]
        assert archive.assets["tokenizer"].decode(ids) == said["text"]
        np.testing.assert_allclose(tokens.score[row], said["score"], rtol=1e-4)


def test_names_are_nemos(hybrid):
    _, archive, _, notes = hybrid
    names = archive.assets["prompt"]
    assert names.languages_by_name == notes["config"]["model_defaults"]["prompt_dictionary"]
    assert names.encode(None, {"target_lang": "de-de"}) == [1]
    assert names.encode(None, {}) == [5]
    with pytest.raises(TokenizerError, match=r'cannot be \'de-AT\'; did you mean "de-DE"\?: .* knows en-US, en, de-DE'):
        names.encode(None, {"target_lang": "de-AT"})


def test_the_file_is_written_again(hybrid, tmp_path):
    file, archive, _, notes = hybrid
    path = tmp_path / "again.nemo"
    save_nemo(path, **archive._asdict())
    tensors = []
    for each in (file, path):
        with NemoFile(each) as container:
            config = container.config()
            tensors.append({k: np.asarray(v) for k, v in read_checkpoint(container.open(WEIGHTS)).items()})
            assert config["target"].endswith("EncDecHybridRNNTCTCBPEModelWithPrompt")
            assert config["model_defaults"]["initialize_prompt_feature"] is True
            assert config["model_defaults"]["num_prompts"] == 6
    assert {name: tensors[1][name].shape for name in notes["state_dict_prompt"]} == {
        name: tuple(shape) for name, shape in notes["state_dict_prompt"].items()
    }
    assert tensors[0].keys() == tensors[1].keys()
    for name, tensor in tensors[0].items():
        np.testing.assert_array_equal(tensors[1][name], tensor, strict=True, err_msg=name)


def test_a_transducer_with_a_prompt_is_nemos_class(hybrid, tmp_path):
    _, archive, _, _ = hybrid
    model = {key: value for key, value in archive.model.items() if key not in ("task", "ctc_weight")}
    model = {"task": "transducer", **model, "search": {"max_symbols": 10}}
    variables = {
        name: {key: value for key, value in tree.items() if key != "ctc_head"}
        for name, tree in archive.variables.items()
    }
    save_nemo(tmp_path / "rnnt.nemo", model=model, assets=archive.assets, variables=variables, metadata={})
    again = load_nemo(tmp_path / "rnnt.nemo", stacked=False)
    assert again.model["language_prompt"]["num_prompts"] == 6
    assert again.assets["prompt"].config() == archive.assets["prompt"].config()
    with NemoFile(tmp_path / "rnnt.nemo") as container:
        assert container.config()["target"].endswith("rnnt_bpe_models_prompt.EncDecRNNTBPEModelWithPrompt")
    if not NEMO_PYTHON:
        return
    done = subprocess.run([NEMO_PYTHON, "-c", RESTORES, tmp_path / "rnnt.nemo"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    names = archive.assets["prompt"].languages_by_name
    assert json.loads(done.stdout.splitlines()[-1]) == ["EncDecRNNTBPEModelWithPrompt", True, names]
