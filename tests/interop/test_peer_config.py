"""Our configurations as the peer's: what is written, read again, is the same model, for every recipe and family."""

import pytest

from jaxspeech.builder import build, plain
from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.config import translate_model
from jaxspeech.interop.nemo.container import NemoFile, parse_yaml
from jaxspeech.interop.nemo.nemo_config import WITHOUT_EFFECT, nemo_config, remarks
from jaxspeech.interop.nemo.write import to_yaml
from tests.parity.families import FAMILIES
from tests.test_configs import RECIPES

PIECES = tuple(f"p{i}" for i in range(40))
# "NA" and null, "causal" and its frames, -1 and the number that it stands for.
SPELLED_OTHERWISE = {".preprocessor.normalize", ".encoder.conv_context_size", ".encoder.subsampling_conv_channels"}
TOKENIZER = {"type": "bpe", "dir": ".", "model_path": "nemo:1_tokenizer.model"}


def through_yaml(model, base=None, tokenizer=TOKENIZER, pieces=PIECES):
    """The peer's configuration of `model`, as the file has it."""
    config = nemo_config(model, pieces=pieces, tokenizer=tokenizer, base=base or {})
    assert parse_yaml(to_yaml(config)) == config
    return config


def with_vocabulary(model):
    return model | {"decoder": model["decoder"] | {"vocab_size": len(PIECES)}}


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe(name):
    model = with_vocabulary(RECIPES[name]().model.to_dict())
    returned = translate_model(through_yaml(model))
    for part in ("features", "encoder", "decoder", "spec_augment"):
        fields = {key: value for key, value in model.get(part, {}).items() if key not in WITHOUT_EFFECT}
        if part == "decoder":  # what has no use for its kind is not in a translation
            unused = {"num_layers"} if fields.get("prediction") == "stateless" else set()
            unused |= {"durations"} if not fields.get("durations") else set()
            fields = {key: value for key, value in fields.items() if key not in unused}
        assert says(plain(returned[part]), plain(fields)), part
    assert returned["task"] == model["task"] and returned.get("ctc_weight") == model.get("ctc_weight")
    assert returned.get("search", {}).get("max_symbols") == model.get("search", {}).get("max_symbols")
    theirs, ours = build(returned).model, build(model).model
    assert (theirs.encoder.output_dim, theirs.decoder.vocab_size) == (ours.encoder.output_dim, ours.decoder.vocab_size)


def says(whole, part):
    """Whether `whole` holds all that `part` holds, in all its sections."""
    if isinstance(part, dict):
        return all(key in whole and says(whole[key], value) for key, value in part.items())
    if isinstance(part, tuple):
        return len(part) == len(whole) and all(says(*pair) for pair in zip(whole, part, strict=True))
    return whole == part


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_of_the_peer(name):
    """Nothing of the peer's configuration is lost: what differs is only spelled otherwise."""
    with NemoFile(FAMILIES[name] / f"{name}.nemo") as file:
        base = file.config()
    model = translate_model(base)
    labels = base["decoder"].get("vocabulary") or base["labels"]
    config = through_yaml(model, base, base.get("tokenizer"), labels)
    assert translate_model(config) == model
    assert translate_model(through_yaml(model, {}, base.get("tokenizer"), labels)) == model
    assert lost(base, config) <= SPELLED_OTHERWISE


def lost(before, after, place=""):
    """Where `after` does not say what `before` said."""
    if isinstance(before, dict) and isinstance(after, dict):
        return {part for key, value in before.items() for part in lost(value, after.get(key), f"{place}.{key}")}
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return {part for i, value in enumerate(before) for part in lost(value, after[i], place)}
    return set() if before == after else {place}


@pytest.fixture
def hybrid():
    model = RECIPES["fastconformer_hybrid:tdt"]().model.to_dict()
    return with_vocabulary(model)


def test_what_the_peer_reads_besides(hybrid):
    """Sizes and lists that its classes ask for, of a model that never was the peer's."""
    config = through_yaml(hybrid)
    model = build(hybrid).model
    assert config["encoder"]["feat_in"] == config["preprocessor"]["features"] == 128
    sizes = {"encoder_hidden": model.encoder.width, "pred_hidden": model.decoder.width}
    assert config["joint"]["jointnet"] | sizes == config["joint"]["jointnet"]
    assert config["joint"]["num_extra_outputs"] == 5 and config["joint"]["num_classes"] == 40
    assert config["labels"] == config["joint"]["vocabulary"] == list(PIECES)
    assert config["model_defaults"]["enc_hidden"] == model.encoder.width
    assert config["decoding"]["durations"] == config["loss"]["tdt_kwargs"]["durations"] == [0, 1, 2, 3, 4]
    assert config["decoding"]["model_type"] == "tdt"  # without it the peer takes durations for tokens
    assert config["aux_ctc"]["decoder"] == {
        "_target_": "nemo.collections.asr.modules.ConvASRDecoder",
        "feat_in": model.encoder.width,
        "num_classes": 40,
        "vocabulary": list(PIECES),
    }
    assert config["target"].endswith(".hybrid_rnnt_ctc_bpe_models.EncDecHybridRNNTCTCBPEModel")
    assert config["train_ds"] is None and config["optim"] is None and config["sample_rate"] == 16000


def test_a_changed_model_is_written_as_it_is_now(hybrid):
    """The configuration that it came with only adds what ours does not know."""
    base = through_yaml(hybrid) | {"optim": {"name": "adamw"}, "train_ds": {"manifest_filepath": "x"}, "new": [1]}
    base["encoder"] |= {"pos_emb_max_len": 1234}
    base["decoding"] |= {"strategy": "greedy", "greedy": {"max_symbols_per_step": 3, "loop_labels": True}}
    decoder = hybrid["decoder"] | {"durations": (), "prediction": "stateless", "context": 3, "num_layers": 9}
    changed = hybrid | {"decoder": decoder, "encoder": hybrid["encoder"] | {"dropout": 0.0}}
    changed |= {"search": {"max_symbols": 4, "beam_size": 2}, "spec_augment": None}
    config = through_yaml(changed, base)
    assert config["optim"] == {"name": "adamw"} and config["train_ds"] and config["new"] == [1]
    assert config["encoder"]["pos_emb_max_len"] == 1234 and config["encoder"]["dropout"] == 0.0
    assert config["decoder"]["_target_"].endswith(".StatelessTransducerDecoder")
    assert "forget_gate_bias" not in config["decoder"]["prednet"] and config["decoder"]["context_size"] == 3
    assert config["loss"]["loss_name"] == "default" and config["joint"]["num_extra_outputs"] == 0
    assert config["decoding"]["greedy"]["loop_labels"] and config["decoding"]["greedy"]["max_symbols"] == 4
    assert config["decoding"]["strategy"] == "malsd_batch" and config["decoding"]["beam"]["beam_size"] == 2
    assert config["decoding"]["model_type"] == "rnnt" and "spec_augment" not in config
    assert translate_model(config)["search"] == {"max_symbols": 4, "beam_size": 2}
    greedy = through_yaml(changed | {"search": {"max_symbols": 4}}, config)
    assert greedy["decoding"]["strategy"] == "greedy_batch"
    assert translate_model(greedy)["search"] == {"max_symbols": 4}

    ctc = {key: changed[key] for key in ("features", "encoder")} | {
        "task": "ctc",
        "decoder": {"name": "ctc", "vocab_size": 40},
    }
    config = through_yaml(ctc, base, None)
    assert config["target"].endswith(".ctc_models.EncDecCTCModel") and config["labels"] == list(PIECES)
    assert not {"joint", "loss", "aux_ctc", "tokenizer"} & set(config)


def test_what_is_lost_is_told_at_once(hybrid):
    encoder = hybrid["encoder"] | {"conv_norm": "group", "conv_groups": 4, "reduction": "pooling"}
    with pytest.raises(ArchiveError) as caught:
        through_yaml(hybrid | {"encoder": encoder})
    assert "encoder.norm_over_padding False" in str(caught.value) and "encoder.reduction 'pooling'" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_cells_that_the_peer_would_not_project_are_told(hybrid):
    narrow = hybrid | {"decoder": hybrid["decoder"] | {"cell_width": 96}}
    with pytest.raises(ArchiveError, match="rnn_hidden_size 96 is less than prednet"):
        through_yaml(narrow)
    wide = hybrid | {"decoder": hybrid["decoder"] | {"cell_width": 2048}}
    assert translate_model(through_yaml(wide))["decoder"]["cell_width"] == 2048


def test_remarks(hybrid):
    def told(kind="sentencepiece", **changes):
        return remarks(hybrid | changes, {"type": kind})

    assert len(told()) == 1 and "padding" in told()[0]
    equal = {"encoder": hybrid["encoder"] | {"norm_over_padding": True}}
    assert told(**equal) == []
    by_ctc, *more = told(**equal, search=hybrid["search"] | {"head": "ctc"})
    assert "change_decoding_strategy" in by_ctc and not more
    of_characters, *more = told("char", **equal)
    assert "the last 5 characters" in of_characters and not more
    several = equal["encoder"] | {"attention": "rel_pos_local", "attention_context": (4, 4), "global_frames": 2}
    mixed, *more = told(encoder=several)
    assert "queries" in mixed and not more
