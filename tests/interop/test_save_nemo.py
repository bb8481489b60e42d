"""Complete .nemo files of our models: read back bit for bit for every recipe; and what can go wrong."""

import errno
import json
import os
import tarfile

import jax
import ml_dtypes
import numpy as np
import pytest
import yaml

from jaxspeech import builder
from jaxspeech.archive import load_archive, save_archive
from jaxspeech.builder import build
from jaxspeech.cli.main import main
from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo import load_nemo, save, save_nemo
from jaxspeech.interop.nemo.container import NemoFile
from jaxspeech.interop.nemo.reader import read_checkpoint
from jaxspeech.interop.nemo.weights.derived import check
from jaxspeech.interop.nemo.weights.features import mel_tensors
from jaxspeech.pipelines.recognizer import Recognizer
from jaxspeech.text.aggregate import AggregateTokenizer
from jaxspeech.text.wordpiece import WordPieceTokenizer
from tests.interop.random_model import CHARACTERS, pieces_tokenizer, random_archive

CTC = {
    "task": "ctc",
    "features": {"name": "mel", "num_mels": 16},
    "encoder": {"name": "fastconformer", "num_layers": 2, "width": 8, "num_heads": 2, "subsampling_channels": 4},
    "decoder": {"name": "ctc"},
}
TRANSDUCER = CTC | {
    "task": "transducer",
    "decoder": {"name": "transducer", "width": 12, "joint_width": 10, "num_layers": 2},
    "search": {"max_symbols": 7},
}
MODELS = {
    "ctc": CTC | {"spec_augment": {"freq_masks": 1, "time_width": 0.05}},
    "tied": CTC | {"encoder": CTC["encoder"] | {"untied_biases": False, "conv_norm": "layer", "output_width": 6}},
    "transducer": TRANSDUCER,
    "tdt": TRANSDUCER | {"decoder": TRANSDUCER["decoder"] | {"durations": (0, 1, 4), "joint_dropout": 0.0}},
    "multiblank": TRANSDUCER | {"decoder": TRANSDUCER["decoder"] | {"big_blanks": (2, 4)}},
    "hybrid": TRANSDUCER
    | {
        "task": "hybrid",
        "ctc_weight": 0.4,
        "decoder": {"name": "transducer", "prediction": "stateless", "context_norm": "layer", "width": 12}
        | {"joint_width": 10},
    },
}


def saved(path, archive) -> list[str]:
    return save_nemo(path, **archive._asdict())


def same(ours, theirs) -> None:
    """Asserts that two trees hold the same bits."""
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    jax.tree.map(lambda x, y: np.testing.assert_array_equal(x, y, strict=True), ours, theirs)


WORD_PIECES = WordPieceTokenizer(b"[UNK]\nseven\nate\n##s\n.\n")
# The other models have characters.
TOKENIZERS = {
    "tied": WORD_PIECES,
    "tdt": pieces_tokenizer(),
    "hybrid": AggregateTokenizer({"en": pieces_tokenizer("unigram"), "de": pieces_tokenizer()}),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_read_back(tmp_path, name):
    tokenizer = TOKENIZERS.get(name, CHARACTERS)
    archive = random_archive(MODELS[name], tokenizer)
    saved(tmp_path / "x.nemo", archive)
    returned = load_nemo(tmp_path / "x.nemo")
    same(returned.variables, archive.variables)
    assert returned.assets["tokenizer"].pieces == tokenizer.pieces
    assert returned.assets["tokenizer"].files() == tokenizer.files()
    for part, fields in archive.model.items():
        if isinstance(fields, dict):
            assert returned.model[part] | json.loads(json.dumps(fields)) == returned.model[part]
        else:
            assert returned.model[part] == fields
    # And once more: the same model gives the same file.
    saved(tmp_path / "y.nemo", returned)
    saved(tmp_path / "z.nemo", load_nemo(tmp_path / "y.nemo"))
    assert (tmp_path / "y.nemo").read_bytes() == (tmp_path / "z.nemo").read_bytes()


def test_the_members_are_those_of_nemo(tmp_path):
    archive = random_archive(CTC, pieces_tokenizer("unigram"))
    saved(tmp_path / "x.nemo", archive)
    with tarfile.open(tmp_path / "x.nemo", "r:") as file:
        members = {member.name: member for member in file.getmembers()}
        config = yaml.safe_load(file.extractfile("./model_config.yaml"))
        texts = {name[35:]: file.extractfile(name).read().decode() for name in members if "vocab" in name}
    hashed = [config["tokenizer"][key] for key in ("model_path", "vocab_path", "spe_tokenizer_vocab")]
    assert set(members) == {name.replace("nemo:", "./") for name in hashed} | {
        "./model_config.yaml",
        "./model_weights.ckpt",
    }
    assert config["target"] == "nemo.collections.asr.models.ctc_bpe_models.EncDecCTCModelBPE"
    vocabulary = config["decoder"]["vocabulary"]
    assert vocabulary == list(archive.assets["tokenizer"].pieces) and vocabulary[0] == "<unk>"
    rows = [line.split("\t") for line in texts["tokenizer.vocab"].splitlines()]
    assert [piece for piece, _ in rows] == vocabulary and float(rows[1][1]) <= 0
    for word, piece in zip(texts["vocab.txt"].splitlines(), vocabulary[1:], strict=True):
        assert word in (piece.removeprefix("▁"), f"##{piece}", piece)
        assert word.startswith("##") != piece.startswith("▁")


def tensors_of(path):
    with NemoFile(path) as file:
        stored = read_checkpoint(file.open("model_weights.ckpt"))
        return {name: np.asarray(tensor) for name, tensor in stored.items()}


def test_unstacked_layers_and_other_types(tmp_path):
    """A recogniser's form, cast to bfloat16: statistics and derived tensors stay as they are."""
    archive = random_archive(CTC, CHARACTERS)
    saved(tmp_path / "x.nemo", archive)
    saved(tmp_path / "short.nemo", archive.cast(ml_dtypes.bfloat16))
    with pytest.warns(UserWarning, match="count the padding"):
        Recognizer(archive).export_nemo(tmp_path / "deep" / "y.nemo")
    assert (tmp_path / "deep" / "y.nemo").read_bytes() == (tmp_path / "x.nemo").read_bytes()
    long, short = tensors_of(tmp_path / "x.nemo"), tensors_of(tmp_path / "short.nemo")
    assert long.keys() == short.keys()
    for name, tensor in short.items():
        kept = "running" in name or "featurizer" in name or name.endswith("num_batches_tracked")
        expected = long[name] if kept else long[name].astype(ml_dtypes.bfloat16)
        np.testing.assert_array_equal(tensor, expected, strict=True)


def test_tensors_that_follow_from_the_configuration(tmp_path):
    """The frontend's tensors are computed for the present model; those of another configuration are not kept."""
    saved(tmp_path / "x.nemo", random_archive(CTC, CHARACTERS))
    archive = load_nemo(tmp_path / "x.nemo")
    tensors = tensors_of(tmp_path / "x.nemo")
    window = tensors["preprocessor.featurizer.window"]
    np.testing.assert_allclose(window, 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399), atol=1e-7)
    assert tensors["preprocessor.featurizer.fb"].shape == (1, 16, 257)
    counts = [tensor for name, tensor in tensors.items() if name.endswith("num_batches_tracked")]
    assert len(counts) == 2 and all(count == 0 and count.dtype == np.int64 for count in counts)

    changed = archive.model | {"features": archive.model["features"] | {"window": "hamming", "fft_size": 1024}}
    saved(tmp_path / "y.nemo", archive._replace(model=changed))
    tensors = tensors_of(tmp_path / "y.nemo")
    assert tensors["preprocessor.featurizer.window"][0] == np.float32(0.08)
    assert tensors["preprocessor.featurizer.fb"].shape == (1, 16, 513)
    saved(tmp_path / "z.nemo", archive._replace(metadata={"nemo_derived": {"preprocessor.featurizer.fb": "#"}}))
    assert tensors_of(tmp_path / "z.nemo").keys() == tensors.keys()


def test_filters_that_differ_from_the_configuration_are_refused(tmp_path, monkeypatch):
    """NeMo would compute with those in the file."""
    archive = random_archive(CTC, CHARACTERS)
    derived = mel_tensors(build(archive.model).model.frontend, "preprocessor.featurizer")
    name = "preprocessor.featurizer.fb"
    filters = derived[name]
    check({name: filters.astype(ml_dtypes.bfloat16)}, derived)  # a half-precision file's
    for other in (filters * 1.1, filters[:, ::-1], filters[:, :8], filters * np.nan):
        with pytest.raises(ArchiveError, match=r"featurizer\.fb: not the one that its configuration"):
            check({name: other}, derived)

    monkeypatch.setattr(save, "derived_tensors", lambda *_: [(name, filters[:, ::-1])])
    saved(tmp_path / "x.nemo", archive)
    with pytest.raises(ArchiveError, match=r"x\.nemo: preprocessor\.featurizer\.fb: not the one"):
        load_nemo(tmp_path / "x.nemo")


def test_one_error_reports_everything_without_a_counterpart_in_nemo(tmp_path):
    encoder = {"conv_norm": "group", "conv_groups": 2, "dropout": 1.5, "ff_expansion": 100}
    model = CTC | {"encoder": CTC["encoder"] | encoder}
    with pytest.raises(ArchiveError) as caught:
        saved(tmp_path / "x.nemo", random_archive(model, CHARACTERS))
    assert "dropout" in str(caught.value) and "ff_expansion_factor 100" in str(caught.value)
    model = CTC | {"encoder": CTC["encoder"] | {"conv_norm": "group", "conv_groups": 2}}
    with pytest.raises(ArchiveError, match=r"encoder\.norm_over_padding False"):
        saved(tmp_path / "x.nemo", random_archive(model, CHARACTERS))
    archive = random_archive(CTC, CHARACTERS)
    archive.variables["params"]["encoder"]["surprise"] = np.ones(1)
    with pytest.raises(ArchiveError, match="no place for params/encoder/surprise"):
        saved(tmp_path / "x.nemo", archive)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("name", ["ctc", "hybrid"])
def test_a_model_is_built_once(tmp_path, monkeypatch, name):
    """And once more when it is written, to compare what would return."""
    archive = random_archive(MODELS[name], TOKENIZERS.get(name, CHARACTERS))
    kind, built = builder.TASKS[name], []

    def task(model):
        built.append(model)
        return kind.task(model)

    monkeypatch.setitem(builder.TASKS, name, kind._replace(task=task))
    saved(tmp_path / "x.nemo", archive)
    assert len(built) == 2
    for stacked in (True, False):
        built.clear()
        load_nemo(tmp_path / "x.nemo", stacked=stacked)
        # Once; with separate layers, their shapes are those of one layer of the stacked model.
        assert len(built) == (1 if stacked else 2) == len(set(built))


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    archive = random_archive(CTC, CHARACTERS)
    (tmp_path / "x.nemo").write_bytes(b"old")

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(save, "write_checkpoint", full)
    with pytest.raises(ArchiveError, match=r"x\.nemo: cannot be written \(No space left on device\)"):
        saved(tmp_path / "x.nemo", archive)
    assert os.listdir(tmp_path) == ["x.nemo"] and (tmp_path / "x.nemo").read_bytes() == b"old"


def test_the_command(tmp_path, capsys):
    archive = random_archive(CTC, pieces_tokenizer())
    start, nemo, end = (str(tmp_path / name) for name in ("a.jaxspeech", "b.nemo", "c.jaxspeech"))
    save_archive(start, **archive._asdict())
    assert main(["convert", start, nemo]) == 0
    note, last = capsys.readouterr().out.splitlines()
    assert note.startswith("note:") and "count the padding" in note
    assert last.startswith(f"{nemo}: ctc, ") and "parameters" in last
    assert main(["convert", nemo, end]) == 0
    same(load_archive(end).variables, archive.variables)
    for arguments, reason in (
        ([str(tmp_path / "none.nemo"), end], "no such file"),
        ([start, "x.onnx"], "expected a name that ends in"),
    ):
        assert main(["convert", *arguments]) == 2
        error = capsys.readouterr().err
        assert error.startswith("jaxspeech convert: ") and reason in error and error.count("\n") == 1


@pytest.mark.parametrize("task", ["transducer", "hybrid"])
def test_a_model_that_predicts_the_end_of_utterances_keeps_its_class(tmp_path, task):
    """With other tokens it is an ordinary transducer, because NeMo's class looks for its two."""
    pieces = WordPieceTokenizer(b"[UNK]\nseven\n<EOU>\n<EOB>\n")
    archive = random_archive(MODELS[task], pieces)
    kind = {"transducer": "EncDecRNNTBPEEOUModel", "hybrid": "EncDecHybridRNNTCTCBPEEOUModel"}[task]
    base = {"target": f"nemo.collections.asr.models.asr_eou_models.{kind}"}
    saved(tmp_path / "x.nemo", archive._replace(metadata={"nemo_config": base}))
    returned = load_nemo(tmp_path / "x.nemo")
    assert returned.metadata["nemo_config"]["target"] == base["target"] and returned.model["task"] == task
    same(returned.variables, archive.variables)
    assert returned.assets["tokenizer"].decode([1, 2]) == "seven <EOU>"
    other = random_archive(MODELS[task], WORD_PIECES)._replace(metadata={"nemo_config": base})
    saved(tmp_path / "y.nemo", other)
    with NemoFile(tmp_path / "y.nemo") as file:
        assert "EOU" not in file.config()["target"]
