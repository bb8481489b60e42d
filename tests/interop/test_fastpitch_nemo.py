"""Text-to-mel models in NeMo's configuration: those made here have all that NeMo needs, and what it lacks is named."""

import pytest

from jaxspeech.builder import build
from jaxspeech.configs.fastpitch import FEATURES, speech
from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.families.family import Source
from jaxspeech.interop.nemo.model_config import from_nemo, to_nemo
from jaxspeech.interop.nemo.weights.fastpitch import TABLES, fastpitch_rows, in_one_place
from jaxspeech.text.espeak import EspeakPhonemes
from jaxspeech.text.front_end import FrontEnd
from jaxspeech.text.phonemes import Letters
from jaxspeech.text.symbol_sets import english_letters
from jaxspeech.text.symbols import SymbolTokenizer

LETTERS = FrontEnd(SymbolTokenizer(english_letters()), Letters())
STYLE = {"style": {"num_tokens": 3}, "speakers": {"number": 2, "decoder": ("layernorm",)}}


def written(front_end=LETTERS, **more):
    model = speech(FEATURES, vocab_size=LETTERS.tokenizer.vocab_size, **more)
    return to_nemo(Source(model, build(model).model, {"front_end": front_end}), {})


def test_a_model_made_here_has_every_argument_that_nemo_needs():
    config = written(**STYLE).config
    convolutions = config["speaker_encoder"]["gst_module"]["reference_encoder"]
    assert {"n_mels": 80, "kernel_size": 3, "stride": 2, "padding": 1, "bias": True}.items() <= convolutions.items()
    assert config["train_ds"]["dataset"]["_target_"].endswith("TTSDataset")
    _, model = from_nemo(config)
    assert model["style"]["num_tokens"] == 3 and model["speakers"]["decoder"] == ("layernorm",)
    assert model["speakers"]["number"] == 2 and model["features"]["hop_seconds"] == FEATURES["hop_seconds"]


@pytest.mark.parametrize(
    ("speakers", "own"),
    [
        ({"number": 2}, False),
        ({"number": 1}, True),
        ({"number": 2, "encoder": (), "pitch": ("layernorm",)}, True),
    ],
)
def test_speakers_are_written_as_nemo_has_them(speakers, own):
    config = written(speakers=speakers).config
    assert ("speaker_encoder" in config) == own and config["n_speakers"] == (1 if own else 2)
    _, model = from_nemo(config)
    assert {name: model["speakers"][name] for name in speakers} == speakers
    wanted, other = TABLES if own else TABLES[::-1]
    assert wanted in [row.nemo for row in fastpitch_rows(model)]
    # Older files have a table without ways of its own in either place.
    assert in_one_place(model, {other: 5, "x": 6}) == {wanted: 5, "x": 6}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"loss": {"mel": 2.0}}, "loss.mel 2.0"),
        ({"front_end": FrontEnd(SymbolTokenizer(english_letters()), EspeakPhonemes("de"))}, "'espeak'"),
        ({"front_end": FrontEnd(SymbolTokenizer((" ", "b", "a", "<pad>")), Letters())}, "this list of letters"),
    ],
)
def test_what_nemo_lacks_is_named(more, words):
    with pytest.raises(ArchiveError, match=f"no counterpart of .*{words}"):
        written(**more)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"learn_alignment": False}, "learn_alignment"),
        ({"n_mel_channels": 40}, "n_mel_channels 40"),
        ({"speaker_emb_condition_prosody": True}, "nothing to depend on"),
        ({"speaker_encoder": {"_target_": "x.SpeakerEncoder"}}, "must have a lookup_module, a gst_module, or both"),
        (
            {"speaker_encoder": {"_target_": "x.SpeakerEncoder", "precomputed_embedding_dim": 384}},
            "precomputed_embedding_dim",
        ),
        ({"min_token_duration": -1}, "min_token_duration -1"),
    ],
)
def test_what_is_not_supported_is_named(change, words):
    with pytest.raises(ArchiveError, match=f"not supported: .*{words}"):
        from_nemo({**written().config, **change})
