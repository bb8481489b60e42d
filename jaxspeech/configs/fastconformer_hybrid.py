"""FastConformer with a transducer and a CTC head on one encoder, on your own manifests.

    python train.py --config=configs/fastconformer_hybrid.py:large --workdir=runs/large \\
        --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl

`:large` is an RNN-T with CTC, `:large-tdt` a TDT with CTC; the sizes are those of configs/fastconformer_transducer.py.
The CTC loss has the weight 0.3, as in NeMo's recipes. `python transcribe.py --head=ctc` decodes with the CTC head,
which is faster. No figures: they depend on your data.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import TDT_DURATIONS, TDT_LOSS
from jaxspeech.configs.fastconformer_transducer import recipe


def get_config(size: str = "large") -> ConfigDict:
    size, _, kind = size.partition("-")
    if kind not in ("", "tdt"):
        raise ValueError(f"configs/fastconformer_hybrid.py:{size}-{kind}: the size can be followed by -tdt")
    tdt = {"durations": TDT_DURATIONS, "loss": TDT_LOSS} if kind else {}
    config = recipe(size, name="fastconformer_hybrid", **tdt)
    config.model.task = "hybrid"
    config.model.ctc_weight = 0.3
    config.model.search.head = "transducer"
    config.model.features.num_mels = 128 if kind else 80
    return config
