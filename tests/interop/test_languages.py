"""Models with a softmax for each language, as AI4Bharat publishes them: numbers, choice of a language, both directions.

The expected numbers follow the fork's equations: a linear layer (or a part of the CTC head's outputs) for each language
over its tokens and the blank, whose tokens the prediction network counts from 0.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxspeech.builder import build
from jaxspeech.errors import ArchiveError, ConfigError
from jaxspeech.interop.nemo import load_nemo, save_nemo
from jaxspeech.interop.nemo.container import NemoFile
from jaxspeech.interop.nemo.plain_yaml import CONFIG, parse_yaml, to_yaml
from jaxspeech.interop.nemo.reader import read_checkpoint
from jaxspeech.pipelines.recognizer import Recognizer
from jaxspeech.tasks.recognition import Utterances
from jaxspeech.text.aggregate import AggregateTokenizer
from tests.interop.forge import tar, untar
from tests.interop.random_model import pieces_tokenizer, random_archive

LANGUAGES = ("hi", "ta", "bn")
V = 36  # tokens of each language
HYBRID = {
    "task": "hybrid",
    "features": {"name": "mel", "num_mels": 16},
    "encoder": {"name": "fastconformer", "num_layers": 1, "width": 8, "num_heads": 2, "subsampling_channels": 4},
    "decoder": {"name": "transducer", "width": 12, "joint_width": 10, "languages": LANGUAGES},
}
CTC = HYBRID | {"task": "ctc", "decoder": {"name": "ctc", "languages": LANGUAGES}}


def tokenizer():
    return AggregateTokenizer({"hi": pieces_tokenizer(), "ta": pieces_tokenizer("unigram"), "bn": pieces_tokenizer()})


@pytest.fixture(scope="module")
def archive():
    random = random_archive(HYBRID, tokenizer())
    return random._replace(variables=jax.device_put(random.variables))


def spoken(archive, language):
    """The task for a language."""
    return build(archive.model | {"decoder": archive.model["decoder"] | {"language": language}})


def log_softmax(x):
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


def test_the_joint_and_the_ctc_head_are_the_languages_own(archive):
    """With ids from 36 on for the second language, which the prediction network counts from 0."""
    params = jax.tree.map(np.asarray, archive.variables["params"])
    encoded = jnp.asarray(np.random.default_rng(0).normal(size=(2, 5, 8)), jnp.float32)
    labels = np.array([[3, 0, 35], [7, 7, 1]])
    joint, task = params["decoder"]["joint"], spoken(archive, "ta")
    apply = task.model.apply

    # Ordinary networks with only the second language's layers, and with its local labels.
    plain = HYBRID | {"decoder": HYBRID["decoder"] | {"vocab_size": 3 * V, "languages": ()}}
    network = build(plain).model.decoder
    filler = {"kernel": np.zeros((10, 3 * V + 1), np.float32), "bias": np.zeros(3 * V + 1, np.float32)}
    kept = {"encoded": joint["encoded"], "predicted": joint["predicted"], "out": filler}
    own = {"params": {"prediction": params["decoder"]["prediction"], "joint": kept}}
    inputs = network.apply(own, encoded, labels, method="joint_inputs")
    hidden = np.maximum(inputs.encoded[:, :, None] + inputs.predicted[:, None], 0)
    expected = log_softmax(hidden @ joint["out_ta"]["kernel"] + joint["out_ta"]["bias"])

    found = apply(archive.variables, encoded, labels + V, method=lambda model, *args: model.decoder(*args))
    found = np.asarray(jax.nn.log_softmax(found))
    np.testing.assert_allclose(found[..., [*range(V, 2 * V), 3 * V]], expected, atol=1e-5)
    assert found.shape[-1] == 3 * V + 1 and np.exp(np.delete(found, [*range(V, 2 * V), 3 * V], -1)).max() == 0

    head = params["ctc_head"]["out"]
    scores = np.asarray(encoded) @ head["kernel"] + head["bias"]
    found = apply(archive.variables, encoded, method="frame_log_probs")
    np.testing.assert_allclose(
        found[..., [*range(V, 2 * V), 3 * V]], log_softmax(scores[..., [*range(V, 2 * V), 3 * V]]), atol=1e-5
    )

    batch = Utterances(np.zeros((2, 8000), np.float32), np.full(2, 8000), labels + V, np.array([3, 2]), np.arange(2))
    loss = jax.jit(task.phases[0].loss)
    losses, _ = loss(archive.variables, batch, jax.random.key(0))
    assert np.isfinite(losses.losses).all() and np.isfinite(losses.logged["ctc_loss"]).all()
    other, _ = loss(archive.variables, batch._replace(labels=batch.labels - V), jax.random.key(0))
    assert np.isinf(other.losses).all()  # tokens of Hindi: nothing to learn for Tamil


def test_transcribing_in_a_chosen_language(archive):
    recognizer = Recognizer(archive)
    samples = np.random.default_rng(1).normal(size=8000).astype(np.float32) * 0.1
    with pytest.raises(ConfigError, match='choose the language of the speech, for example language="hi"'):
        recognizer.transcribe(samples)
    for head in ("transducer", "ctc"):
        recognizer = Recognizer(archive, head=head)
        for number, language in enumerate(LANGUAGES[:2]):
            (found,) = recognizer.transcribe([samples], language=language)
            assert found.tokens and all(number * V <= token < (number + 1) * V for token in found.tokens)
    (same,) = recognizer.change_decoding(language="ta").transcribe([samples])
    assert same.text == found.text and recognizer.config["decoder"].get("language") is None
    with pytest.raises(ConfigError, match="language 'te'; known are bn, hi, ta"):
        recognizer.transcribe([samples], language="te")
    with pytest.raises(ConfigError, match="this model has no choice of a language"):
        Recognizer(random_archive(CTC | {"decoder": {"name": "ctc"}}, tokenizer()), language="hi")


@pytest.mark.parametrize("model", [HYBRID, CTC, HYBRID | {"task": "transducer"}], ids=lambda model: model["task"])
def test_a_file_of_the_fork_and_back(tmp_path, model):
    archive = random_archive(model, tokenizer())
    remarks = save_nemo(tmp_path / "x.nemo", **archive._asdict())
    assert any("AI4Bharat" in remark for remark in remarks)
    with NemoFile(tmp_path / "x.nemo") as file:
        config = file.config()
        tensors = {name: tensor.shape for name, tensor in read_checkpoint(file.open("model_weights.ckpt")).items()}
    assert config["tokenizer"]["type"] == "multilingual" and list(config["tokenizer"]["langs"]) == list(LANGUAGES)
    assert config["decoder"]["multisoftmax"] is True
    if model["task"] != "ctc":
        assert config["joint"]["multilingual"] is True and config["joint"]["language_keys"] == list(LANGUAGES)
        assert {tensors[f"joint.joint_net.2.{language}.weight"] for language in LANGUAGES} == {(V + 1, 10)}
        assert tensors["decoder.prediction.embed.weight"] == (3 * V + 1, 12)
    if model["task"] == "hybrid":
        assert config["aux_ctc"]["decoder"]["multisoftmax"] is True
        assert tensors["ctc_decoder.decoder_layers.0.weight"] == (3 * V + 1, 8, 1)

    # As the fork saves it: masks and offsets that it fills in, and keys in another order.
    members = untar((tmp_path / "x.nemo").read_bytes())
    config = parse_yaml(members[CONFIG])
    config["decoder"]["language_masks"] = None
    if "joint" in config:
        config["joint"] |= {"language_keys": ["ta", "hi", "bn"], "token_id_offsets": None, "language_masks": None}
    (tmp_path / "fork.nemo").write_bytes(tar(members | {CONFIG: to_yaml(config)}))
    returned = load_nemo(tmp_path / "fork.nemo")
    assert returned.model["decoder"]["languages"] == LANGUAGES
    np.testing.assert_equal(jax.tree.map(np.asarray, returned.variables), jax.tree.map(np.asarray, archive.variables))
    chosen = returned._replace(model=returned.model | {"decoder": returned.model["decoder"] | {"language": "bn"}})
    save_nemo(tmp_path / "y.nemo", **chosen._asdict())
    with NemoFile(tmp_path / "y.nemo") as file:
        again = file.config()
    assert again.get("joint") == config.get("joint") and again["decoder"] == config["decoder"]


def test_files_that_contradict_themselves(tmp_path):
    save_nemo(tmp_path / "x.nemo", **random_archive(HYBRID, tokenizer())._asdict())
    members = untar((tmp_path / "x.nemo").read_bytes())

    def refused(match, **changes):
        config = parse_yaml(members[CONFIG])
        for place, change in changes.items():
            config[place] |= change
        (tmp_path / "y.nemo").write_bytes(tar(members | {CONFIG: to_yaml(config)}))
        with pytest.raises(ArchiveError, match=match):
            load_nemo(tmp_path / "y.nemo")

    refused(r"joint\.language_keys \['hi'\] \(must be those of tokenizer\.langs", joint={"language_keys": ["hi"]})
    refused(r"joint\.multilingual False \(its other heads", joint={"multilingual": False})
    refused(r"tokenizer\.langs \[\] \(must be the languages", tokenizer={"langs": {}})
