"""Our configurations written as NeMo's and read again give the same model, for every recipe and reference."""

import pytest

from jaxspeech.builder import build, plain
from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.container import NemoFile
from jaxspeech.interop.nemo.families import FAMILIES, family_of_model
from jaxspeech.interop.nemo.families.family import Source
from jaxspeech.interop.nemo.lost_fields import WITHOUT_EFFECT
from jaxspeech.interop.nemo.model_config import from_nemo, to_nemo
from jaxspeech.interop.nemo.plain_yaml import parse_yaml, to_yaml
from jaxspeech.text.char import CharTokenizer
from jaxspeech.text.prompt import PromptFormat
from jaxspeech.text.prompt_slots import END, START
from jaxspeech.text.train import train_tokenizer
from jaxspeech.text.wordpiece import WordPieceTokenizer
from tests.parity.nemo_files import NEMO_FILES
from tests.test_configs import RECIPES

PIECES = ("[UNK]", *(f"p{i}" for i in range(39)))
TOKENIZER = WordPieceTokenizer("".join(f"{piece}\n" for piece in PIECES).encode())
CHARACTERS = CharTokenizer([chr(ord("α") + i) for i in range(len(PIECES))])
# "NA" and null, "causal" and its frames, -1 and the number that it stands for.
SPELLED_DIFFERENTLY = {".preprocessor.normalize", ".encoder.conv_context_size", ".encoder.subsampling_conv_channels"}
SPELLED_DIFFERENTLY |= {".estimator.conv_context_size"}
# A Wiener filter without a trade-off is NeMo's "mvdr_souden".
SPELLED_DIFFERENTLY |= {".mask_processor.filter_type"}
# What a voice's speaker changes is with each of its modules, and its dictionaries have other names.
SPELLED_DIFFERENTLY |= {f".speaker_emb_condition_{part}" for part in ("prosody", "decoder", "aligner")}
SPELLED_DIFFERENTLY |= {f".text_tokenizer.g2p.{name}" for name in ("phoneme_dict", "heteronyms")}
# An adapter whose attention has one value for each head.
SPELLED_DIFFERENTLY |= {".adapters.far.proj_dim"}
# What NeMo's blocks accept and do not use.
SPELLED_DIFFERENTLY |= {".encoder.jasper.se_repeat", ".encoder.jasper.se_interpolation_mode"}
# The training folder, and names of members of the file, to which NeMo adds random numbers.
FILES = ("dir", "model_path", "vocab_path", "spe_tokenizer_vocab")
LANGUAGES = ("", *(f"langs.{language}." for language in ("spl_tokens", "en", "es", "de", "fr")))
SPELLED_DIFFERENTLY |= {f".tokenizer.{language}{name}" for language in LANGUAGES for name in FILES}


def translated(config, assets=None):
    """Our configuration."""
    family, model = from_nemo(config)
    return family.completed(model, assets or {})


def through_yaml(model, base=None, tokenizer=TOKENIZER, assets=None):
    """Returns NeMo's configuration of `model`, as it is in the file."""
    assets = assets or {"tokenizer": tokenizer}
    config, _, returned = to_nemo(Source(model, build(model).model, assets), base or {})
    assert parse_yaml(to_yaml(config)) == config and translated(config, assets) == returned
    return config


def with_vocabulary(model):
    return model | {"decoder": model["decoder"] | {"vocab_size": len(PIECES)}}


def prompted(config):
    """The assets of a recipe with prompts, and its model with their sizes."""
    special = (START, END, *config.prompt.special)
    tokenizer = train_tokenizer(["say one word"], type="bpe", vocab_size=len(special) + 14, special=special)
    sizes = {"vocab_size": tokenizer.vocab_size, "end_id": tokenizer.pieces.index(END)}
    model = config.model.to_dict()
    model["decoder"] |= sizes
    start = tokenizer.pieces.index(START)
    return model, {"tokenizer": tokenizer, "prompt": PromptFormat(config.prompt.format, start_id=start)}


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe(name):
    config = RECIPES[name]()
    model, assets = with_vocabulary(config.model.to_dict()), {"tokenizer": TOKENIZER}
    if "prompt" in config:
        model, assets = prompted(config)
    returned = translated(through_yaml(model, assets=assets), assets)
    for part in ("features", "encoder", "decoder", "spec_augment"):
        fields = {key: value for key, value in model.get(part, {}).items() if key not in WITHOUT_EFFECT}
        if part == "decoder":  # fields that its kind does not use are not translated
            unused = {"num_layers"} if fields.get("prediction") == "stateless" else set()
            unused |= {name for name in ("durations", "hat") if not fields.get(name)}
            fields = {key: value for key, value in fields.items() if key not in unused}
        assert holds(plain(returned[part]), plain(fields)), part
    assert returned["task"] == model["task"] and returned.get("ctc_weight") == model.get("ctc_weight")
    assert returned.get("search", {}).get("max_symbols") == model.get("search", {}).get("max_symbols")
    theirs, ours = build(returned).model, build(model).model
    assert (theirs.encoder.output_dim, theirs.decoder.vocab_size) == (ours.encoder.output_dim, ours.decoder.vocab_size)


def holds(whole, part):
    """Whether `whole` holds all that `part` holds, in all its sections."""
    if isinstance(part, dict):
        return all(key in whole and holds(whole[key], value) for key, value in part.items())
    if isinstance(part, tuple):
        return len(part) == len(whole) and all(holds(*pair) for pair in zip(whole, part, strict=True))
    return whole == part


@pytest.mark.parametrize("name", NEMO_FILES)
def test_every_reference(name):
    """Nothing of NeMo's configuration is lost: what differs is only spelled differently."""
    with NemoFile(NEMO_FILES[name] / f"{name}.nemo") as file:
        base = file.config()
        family, model = from_nemo(base)
        assets = family.assets(file, base, model)
    model = family.completed(model, assets)
    config = through_yaml(model, base, assets=assets)
    assert translated(config, assets) == model
    assert translated(through_yaml(model, {}, assets=assets), assets) == model
    assert lost(base, config) <= SPELLED_DIFFERENTLY


def lost(before, after, place=""):
    """The places where `after` lacks what `before` has."""
    if isinstance(before, dict) and isinstance(after, dict):
        return {part for key, value in before.items() for part in lost(value, after.get(key), f"{place}.{key}")}
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        return {part for i, value in enumerate(before) for part in lost(value, after[i], place)}
    return set() if before == after else {place}


@pytest.fixture
def hybrid():
    model = RECIPES["fastconformer_hybrid:tdt"]().model.to_dict()
    return with_vocabulary(model)


def test_other_values_that_nemo_reads(hybrid):
    """Sizes and lists that NeMo's classes require, for a model that did not come from NeMo."""
    config = through_yaml(hybrid)
    model = build(hybrid).model
    assert config["encoder"]["feat_in"] == config["preprocessor"]["features"] == 128
    sizes = {"encoder_hidden": model.encoder.width, "pred_hidden": model.decoder.width}
    assert config["joint"]["jointnet"] | sizes == config["joint"]["jointnet"]
    assert config["joint"]["num_extra_outputs"] == 5 and config["joint"]["num_classes"] == 40
    assert config["labels"] == config["joint"]["vocabulary"] == list(PIECES)
    assert config["model_defaults"]["enc_hidden"] == model.encoder.width
    assert config["decoding"]["durations"] == config["loss"]["tdt_kwargs"]["durations"] == [0, 1, 2, 3, 4]
    assert config["decoding"]["model_type"] == "tdt"  # without it NeMo takes durations for tokens
    assert config["aux_ctc"]["decoder"] == {
        "_target_": "nemo.collections.asr.modules.ConvASRDecoder",
        "feat_in": model.encoder.width,
        "num_classes": 40,
        "vocabulary": list(PIECES),
    }
    assert config["target"].endswith(".hybrid_rnnt_ctc_bpe_models.EncDecHybridRNNTCTCBPEModel")
    assert config["train_ds"] is None and config["optim"] is None and config["sample_rate"] == 16000


def test_a_loss_with_wildcards(hybrid):
    """NeMo has it for RNN-T alone, and without FastEmit."""
    decoder = hybrid["decoder"] | {"durations": ()}
    plain = hybrid | {"decoder": decoder, "loss": {"wildcard": "allow_ignore", "wildcard_weight": -0.5}}
    base = {"loss": {"loss_name": "graph_w_transducer", "graph_w_transducer_kwargs": {"double_scores": True}}}
    loss = through_yaml(plain, base)["loss"]
    arguments = {"eps_weight": -0.5, "last_blank_mode": "allow_ignore", "double_scores": True}
    assert loss == {"loss_name": "graph_w_transducer", "graph_w_transducer_kwargs": arguments}
    without = through_yaml(plain | {"loss": {}}, base)["loss"]
    assert without["loss_name"] == "default" and without.keys() == {"loss_name", "warprnnt_numba_kwargs"}
    for loss, place in (({"fastemit": 0.1}, "with fastemit 0.1"), ({}, "with durations .0, 1")):
        model = hybrid | {"loss": {"wildcard": "force_final"} | loss}
        with pytest.raises(ArchiveError, match=place):
            through_yaml(model | ({"decoder": decoder} if loss else {}))


def test_adapters(hybrid):
    """Those that the model lost are not kept, nor the class of its encoder."""
    encoder = hybrid["encoder"] | {"adapter_width": 8, "adapters": ({"name": "german", "kind": "relative"},)}
    config = through_yaml(hybrid | {"encoder": encoder})
    assert config["encoder"]["_target_"].endswith(".ConformerEncoderAdapter")
    assert config["adapters"]["global_cfg"]["adapter_meta_cfg"]["modules"] == dict.fromkeys(
        ["adapter", "german"], "encoder"
    )
    assert config["adapters"]["adapter"]["dim"] == 8 and config["adapters"]["german"]["n_feat"] == encoder["width"]
    without = through_yaml(hybrid, config)
    assert "adapters" not in without and without["encoder"]["_target_"].endswith(".ConformerEncoderAdapter")


def test_hat(hybrid):
    decoder = hybrid["decoder"] | {"hat": True, "durations": ()}
    config = through_yaml(hybrid | {"decoder": decoder | {"blank_activation": "tanh"}})
    assert config["joint"]["_target_"].endswith(".HATJoint")
    for fields in ({}, {"blank_activation": "tanh", "durations": (0, 1)}):
        with pytest.raises(ArchiveError, match=r"decoder.hat with decoder.*there it is a tanh"):
            through_yaml(hybrid | {"decoder": decoder | fields})


def test_a_changed_model_is_written_as_it_is_now(hybrid):
    """The configuration that it came with only adds settings that ours does not know."""
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
    assert translated(config)["search"] == {"max_symbols": 4, "beam_size": 2}
    greedy = through_yaml(changed | {"search": {"max_symbols": 4}}, config)
    assert greedy["decoding"]["strategy"] == "greedy_batch"
    assert translated(greedy)["search"] == {"max_symbols": 4}

    ctc = {key: changed[key] for key in ("features", "encoder")} | {
        "task": "ctc",
        "decoder": {"name": "ctc", "vocab_size": 40},
    }
    config = through_yaml(ctc, base, CHARACTERS)
    assert config["target"].endswith(".ctc_models.EncDecCTCModel") and config["labels"] == list(CHARACTERS.pieces)
    assert not {"joint", "loss", "aux_ctc", "tokenizer"} & set(config)
    assert config["decoding"]["strategy"] == "greedy" and "search" not in translated(config)
    search = {"beam_size": 3, "length_bonus": 0.5, "threshold": 9.0}
    beam = through_yaml(ctc | {"search": search}, config, CHARACTERS)
    assert beam["decoding"]["strategy"] == "beam_batch" and beam["decoding"]["beam"]["beam_beta"] == 0.5
    assert translated(beam)["search"] == search
    assert through_yaml(ctc, beam, CHARACTERS)["decoding"]["strategy"] == "greedy_batch"


def test_the_joint_that_nemo_trains_on_sampled_tokens(hybrid):
    """It keeps its class and number of samples, unless the model has outputs that this class lacks."""
    rnnt = hybrid | {"decoder": hybrid["decoder"] | {"durations": ()}}
    base = through_yaml(rnnt)
    del base["joint"]["num_extra_outputs"]
    base["joint"] |= {"_target_": "nemo.collections.asr.modules.SampledRNNTJoint", "n_samples": 500}
    assert translated(base)["decoder"] == translated(through_yaml(rnnt))["decoder"]
    again = through_yaml(rnnt, base)["joint"]
    assert again["_target_"].endswith(".SampledRNNTJoint") and again["n_samples"] == 500
    assert "num_extra_outputs" not in again
    durations = through_yaml(hybrid, base)["joint"]
    assert durations["_target_"].endswith(".RNNTJoint") and "n_samples" not in durations


def test_one_error_reports_everything_that_is_lost(hybrid):
    encoder = hybrid["encoder"] | {"conv_norm": "group", "conv_groups": 4, "reduction": "pooling"}
    with pytest.raises(ArchiveError) as caught:
        through_yaml(hybrid | {"encoder": encoder})
    assert "encoder.norm_over_padding False" in str(caught.value) and "encoder.reduction 'pooling'" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_cells_that_nemo_would_not_project(hybrid):
    narrow = hybrid | {"decoder": hybrid["decoder"] | {"cell_width": 96}}
    with pytest.raises(ArchiveError, match="rnn_hidden_size 96 is less than prednet"):
        through_yaml(narrow)
    wide = hybrid | {"decoder": hybrid["decoder"] | {"cell_width": 2048}}
    assert translated(through_yaml(wide))["decoder"]["cell_width"] == 2048


def test_remarks(hybrid):
    def remarks(tokenizer=TOKENIZER, **changes):
        model = hybrid | changes
        return family_of_model(model).remarks(Source(model, build(model).model, {"tokenizer": tokenizer}))

    assert len(remarks()) == 1 and "padding" in remarks()[0]
    equal = {"encoder": hybrid["encoder"] | {"norm_over_padding": True}}
    assert remarks(**equal) == []
    by_ctc, *more = remarks(**equal, search=hybrid["search"] | {"head": "ctc"})
    assert "change_decoding_strategy" in by_ctc and not more
    of_characters, *more = remarks(CHARACTERS, **equal)
    assert "the last 5 characters" in of_characters and not more
    several = equal["encoder"] | {"attention": "rel_pos_local", "attention_context": (4, 4), "global_frames": 2}
    mixed, *more = remarks(encoder=several)
    assert "queries" in mixed and not more


def test_losses_of_middle_layers(hybrid):
    section = {"layers": (1, 0), "weights": (0.2, 0.1)}
    trained = hybrid | {"interctc": section, "consistency": {"weight": 0.1}}
    config = through_yaml(trained)
    assert config["interctc"] == {"apply_at_layers": [1, 0], "loss_weights": [0.2, 0.1]}
    assert translated(config)["interctc"] == section
    assert "interctc" not in through_yaml(hybrid, config)
    with pytest.raises(ArchiveError, match=r"interctc.conditioned \(NeMo's layers do not see"):
        through_yaml(trained | {"interctc": section | {"layers": (0,), "weights": (0.2,), "conditioned": True}})
    remarks = family_of_model(trained).remarks(Source(trained, build(trained).model, {"tokenizer": TOKENIZER}))
    assert any("consistency" in remark for remark in remarks)


def test_features_of_an_encoder_have_no_counterpart(hybrid):
    features = {"name": "encoder_layers", "features": hybrid["features"], "encoder": hybrid["encoder"], "layers": (0,)}
    with pytest.raises(ArchiveError, match="encoder_layers"):
        through_yaml(hybrid | {"features": features})


def test_each_class_and_task_belongs_to_one_family():
    classes = [name for family in FAMILIES for name in family.classes]
    assert len(classes) == len(set(classes))
    # What a model owns, or its processor, says which of the families of one task is its own.
    tasks = [family.task for family in FAMILIES]
    assert {task for task in tasks if tasks.count(task) > 1} == {"attention", "enhancement"}
    for processor in ("reference", "spectrum"):
        model = {"processor": {"name": processor}}
        assert [family.suits(model) for family in FAMILIES if family.task == "enhancement"].count(True) == 1
    for format in ("start", "canary", "canary2"):
        assets = {"prompt": PromptFormat(format)}
        assert [family.takes(assets) for family in FAMILIES if family.task == "attention"].count(True) == 1


def test_a_task_without_a_family(hybrid):
    with pytest.raises(ArchiveError, match=r"a \.nemo file of the task 'painting' \(can be ctc, .*sortformer, .*\)"):
        family_of_model(hybrid | {"task": "painting"})


def test_recognition_without_a_tokenizer(hybrid):
    with pytest.raises(ArchiveError, match="it has no tokenizer"):
        to_nemo(Source(hybrid, build(hybrid).model, {}), {})
