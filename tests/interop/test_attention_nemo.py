"""Models with an attention decoder and without prompts as .nemo files: their tokens of start and end, and refusals."""

import jax
import numpy as np
import pytest
import sentencepiece

from jaxspeech.archive import Archive
from jaxspeech.builder import build
from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo import load_nemo, save_nemo
from jaxspeech.interop.nemo.container import NemoFile
from jaxspeech.interop.nemo.control_pieces import start_and_end, with_control_pieces
from jaxspeech.interop.nemo.model_config import from_nemo
from jaxspeech.text.prompt import PromptFormat
from jaxspeech.text.prompt_slots import END, START
from jaxspeech.text.sentencepiece import MODEL_FILE
from jaxspeech.text.train import train_tokenizer
from tests.contract.cases import ATTENTION
from tests.interop.random_model import CHARACTERS, SENTENCES, pieces_tokenizer, random_variables

TOKENIZER = train_tokenizer(SENTENCES, type="bpe", vocab_size=40, special=[START, END])
IDS = TOKENIZER.pieces.index(START), TOKENIZER.pieces.index(END)


def archive_of(**decoder):
    sizes = {"vocab_size": 40, "end_id": IDS[1]}
    model = ATTENTION | {"decoder": ATTENTION["decoder"] | sizes | decoder, "search": {"beam_size": 3}}
    assets = {"tokenizer": TOKENIZER, "prompt": PromptFormat("start", start_id=IDS[0])}
    return Archive(model, assets, random_variables(model), {})


def saved(path, archive):
    save_nemo(path, **archive._asdict())
    return load_nemo(path)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("nemo") / "x.nemo"
    saved(path, archive_of())
    return path


VARIANTS = {
    "norms first": {},
    "norms after": {"norm_first": False, "positions": "learnt", "activation": "gelu", "token_types": 2}
    | {"encoder_activation": "relu", "encoder_norm_first": True, "encoder_norm_last": False},
    "one width": {"width": 16, "encoder_layers": 0},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_a_model_without_prompts_is_read_back(tmp_path, name):
    archive = archive_of(**VARIANTS[name])
    returned = saved(tmp_path / "x.nemo", archive)
    assert jax.tree.structure(returned.variables) == jax.tree.structure(archive.variables)
    jax.tree.map(np.testing.assert_array_equal, returned.variables, archive.variables)
    assert returned.assets["prompt"].config() == archive.assets["prompt"].config()
    assert build(returned.model).model.decoder == build(archive.model).model.decoder
    assert returned.model["search"]["beam_size"] == 3
    with NemoFile(tmp_path / "x.nemo") as file:
        config = file.config()
    assert config["target"].endswith("transformer_bpe_models.EncDecTransfModelBPE")
    # And once more: the same model gives the same file.
    saved(tmp_path / "y.nemo", returned)
    assert saved(tmp_path / "z.nemo", load_nemo(tmp_path / "y.nemo")).model == returned.model
    assert (tmp_path / "y.nemo").read_bytes() == (tmp_path / "z.nemo").read_bytes()


def test_sentencepiece_names_the_pieces_that_begin_and_end_a_text():
    changed = with_control_pieces(TOKENIZER, *IDS)
    model = sentencepiece.SentencePieceProcessor(model_proto=changed.files()[MODEL_FILE])
    assert (model.bos_id(), model.eos_id(), model.pad_id()) == (*IDS, IDS[0])
    assert start_and_end(changed) == start_and_end(TOKENIZER) == IDS
    assert changed.pieces == TOKENIZER.pieces and changed.config() == TOKENIZER.config()
    for text in SENTENCES:
        assert changed.encode(text) == TOKENIZER.encode(text)
    assert changed.decode([IDS[0], *changed.encode("seven ate nine"), IDS[1]]) == "seven ate nine"
    assert with_control_pieces(changed, *IDS) is changed


@pytest.mark.parametrize(
    ("tokenizer", "message"),
    [(pieces_tokenizer(), "no pieces that begin and end a text"), (CHARACTERS, "whose tokenizer is not SentencePiece")],
)
def test_a_tokenizer_without_such_pieces_is_one_line(tmp_path, tokenizer, message):
    archive = archive_of()
    with pytest.raises(ArchiveError, match=message):
        saved(tmp_path / "x.nemo", archive._replace(assets={**archive.assets, "tokenizer": tokenizer}))


def test_what_nemo_lacks_is_one_line(tmp_path):
    with pytest.raises(ArchiveError, match=r"decoder\.encoder_activation 'gelu' \(there it is 'relu'\)"):
        saved(tmp_path / "x.nemo", archive_of(activation="gelu"))
    other = archive_of()
    other = other._replace(assets={**other.assets, "prompt": PromptFormat("start", start_id=7)})
    with pytest.raises(ArchiveError, match=r"begins and ends with the tokens \(7, "):
        saved(tmp_path / "x.nemo", other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label_smoothing": 2}, r"label_smoothing 2 \(must be a number from 0 to 1\)"),
        ({"beam_search": {"beam_size": 0}}, r"beam_search\.beam_size 0"),
        ({"transf_decoder": 3}, r"transf_decoder 3 \(must be a section\)"),
        (
            {"transf_encoder": {"num_layers": 1, "hidden_size": 8, "inner_size": 4}},
            "its width 8 is not the decoder's, 12",
        ),
        ({"head": {"num_layers": 2}}, r"head\.num_layers 2"),
    ],
)
def test_settings_without_a_counterpart_are_one_line(written, change, message):
    with NemoFile(written) as file:
        config = file.config()
    with pytest.raises(ArchiveError, match=message):
        from_nemo(config | change)
