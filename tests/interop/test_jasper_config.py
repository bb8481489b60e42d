"""NeMo's lists of convolutional blocks, translated to ours and back."""

import pytest

from jaxspeech.builder import build
from jaxspeech.errors import ArchiveError
from jaxspeech.interop.nemo.families.family import Source
from jaxspeech.interop.nemo.model_config import from_nemo, to_nemo
from jaxspeech.interop.nemo.sections.jasper import JASPER
from jaxspeech.text.char import CharTokenizer


def block(**fields):
    required = {"filters": 16, "repeat": 1, "kernel": [5], "stride": [1], "dilation": [1], "dropout": 0.0}
    return required | {"residual": False} | fields


@pytest.fixture
def config():
    return {
        "target": "nemo.EncDecCTCModel",
        "labels": list("abc"),
        "preprocessor": {"_target_": "nemo.AudioToMelSpectrogramPreprocessor"},
        "encoder": {
            "_target_": "nemo.ConvASREncoder",
            "feat_in": 64,
            "activation": "relu",
            "jasper": [
                block(stride=[2], separable=True, se=True, se_context_size=256),
                block(stride=2, kernel=[21], kernel_size_factor=0.25, repeat=3, stride_last=True),
                block(stride=[2], residual=True, residual_mode="stride_add"),
            ],
        },
        "decoder": {"_target_": "nemo.ConvASRDecoder", "num_classes": 3},
    }


def test_blocks(config):
    model = from_nemo(config)[1]
    first, second, third = build(model).model.encoder.blocks
    assert first.squeeze_excite and first.separable and (first.se_context, first.se_reduction) == (256, 8)
    assert second.kernel == 5  # a quarter of 21, rounded down
    assert second.strides == [1, 1, 2]
    assert third.residual and build(model).model.encoder.total_factor == 8
    config["encoder"]["jasper"][1]["kernel_size_factor"] = 0.2
    assert from_nemo(config)[1]["encoder"]["blocks"][1]["kernel"] == 5  # 4 is even
    assert model["encoder"]["norm_over_padding"]


def test_blocks_written_back_mean_the_same(config):
    model = from_nemo(config)[1]
    (argument,) = [argument for argument in JASPER.arguments if argument.ours == "blocks"]
    config["encoder"]["jasper"] = argument.back(build(model).model.encoder.blocks)
    assert config["encoder"]["jasper"][1] | {"kernel": [5], "kernel_size_factor": 1.0} == config["encoder"]["jasper"][1]
    assert from_nemo(config)[1] == model


def test_the_look_ahead_of_a_block(config):
    config["encoder"]["jasper"][0]["future_context"] = 2
    config["encoder"]["jasper"][2]["future_context"] = 5  # as many as the kernel has taps: NeMo centres it
    blocks = build(from_nemo(config)[1]).model.encoder.blocks
    assert [block.taps_after(block.kernel) for block in blocks] == [2, 2, 2] and blocks[0].look_ahead == 2
    config["encoder"]["jasper"][1] |= {"future_context": 1, "dilation": [2], "stride": [1]}
    with pytest.raises(ArchiveError, match="future_context 1 with a dilation of 2"):
        from_nemo(config)


def parallel(**fields):
    return block(residual=True, separable=True, se_repeat=False, **fields)


def test_parallel_blocks(config):
    """CarneliNet's encoder: each kernel size is a block of its own, and the class is kept."""
    config["encoder"] |= {"_target_": "nemo.ParallelConvASREncoder"}
    config["encoder"]["jasper"] = [
        block(stride=[2]),
        parallel(kernel=[11, 5, 21], kernel_size_factor=0.5, aggregation_mode="dropout", block_dropout=0.1),
        parallel(kernel=[3, 3], parallel_residual_mode="conv", block_dropout=0.3),
    ]
    model = from_nemo(config)[1]
    first, second, third = build(model).model.encoder.blocks
    assert first.parallel_kernels == () and first.parallel_dropout is None
    assert (second.kernel, *second.parallel_kernels) == (5, 3, 11) and second.parallel_dropout == 0.1
    assert third.parallel_residual == "conv" and third.parallel_dropout is None  # NeMo drops none of a plain sum

    source = Source(model, build(model).model, {"tokenizer": CharTokenizer(list("abc"))})
    written, _, returned = to_nemo(source, {})
    assert returned == model and written["encoder"]["_target_"].endswith(".ParallelConvASREncoder")
    assert [b["kernel"] for b in written["encoder"]["jasper"]] == [[5], [5, 3, 11], [3, 3]]
    config["encoder"]["_target_"] = "nemo.ConvASREncoder"
    with pytest.raises(ArchiveError, match=r"1\.kernel \[11, 5, 21\].*1\.aggregation_mode \(unknown|unknown"):
        from_nemo(config)


def test_one_error_reports_everything_unsupported(config):
    config["encoder"]["jasper"][0] |= {"groups": 4, "brand_new": 1}
    config["encoder"]["jasper"][2] |= {"kernel": [5, 5], "residual_mode": "max"}
    del config["encoder"]["jasper"][1]["filters"]
    config["encoder"] |= {"normalization_mode": "group"}
    with pytest.raises(ArchiveError) as caught:
        from_nemo(config)[1]
    for place in ("0.groups 4", "0.brand_new", "1.filters (is missing)", "2.kernel [5, 5]", "2.residual_mode 'max'"):
        assert place in str(caught.value)
    assert "encoder.normalization_mode 'group'" in str(caught.value)
    assert len(str(caught.value)) < 800 and len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("blocks", [None, [], 3, [3], [[]]])
def test_values_that_are_not_lists_of_blocks(config, blocks):
    config["encoder"]["jasper"] = blocks
    with pytest.raises(ArchiveError, match=r"encoder\.jasper"):
        from_nemo(config)[1]
