"""Text-to-mel models in NeMo's configuration: those made here have all that NeMo needs, and what it lacks is named."""

import pytest

from jaxspeech.builder import build
from jaxspeech.configs.fastpitch import FEATURES, speech
from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.families.family import Source
from jaxspeech.interop.nemo.model_config import from_nemo, to_nemo
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
    ("more", "words"),
    [
        ({"speakers": {"number": 2, "encoder": ()}}, "speakers"),
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
        ({"speaker_encoder": {"_target_": "x.SpeakerEncoder"}}, "without gst_module"),
        ({"min_token_duration": -1}, "min_token_duration -1"),
    ],
)
def test_what_is_not_supported_is_named(change, words):
    with pytest.raises(ArchiveError, match=f"not supported: .*{words}"):
        from_nemo({**written().config, **change})
