"""FastConformer with a transducer (RNN-T or TDT) and a CTC head on one encoder, on your own manifests.

    python train.py --config=configs/fastconformer_hybrid.py:large --workdir=runs/large \\
        --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl

`:large` is an RNN-T with CTC (114.6 M parameters with 1024 tokens), `:large-tdt` a TDT with CTC (115.4 M), with 128 mel
bands and recordings up to 40 s; the sizes are those of configs/fastconformer_transducer.py. Settings and numbers of
parameters are those of NeMo's fastconformer_hybrid_transducer_ctc_bpe.yaml and fastconformer_hybrid_tdt_ctc_bpe.yaml:
the CTC loss has the weight 0.3, the learning rate is Noam's factor, for batches of about 2000 utterances.
`python transcribe.py --head=ctc` decodes with the CTC head, which is faster. No figures: they depend on your data.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.base import noam
from jaxspeech.configs.fastconformer_transducer import recipe
from jaxspeech.configs.recognizers import TDT_DURATIONS, TDT_LOSS, hybrid


def get_config(size: str = "large") -> ConfigDict:
    size, _, kind = size.partition("-")
    if kind not in ("", "tdt"):
        raise ValueError(f"configs/fastconformer_hybrid.py:{size}-{kind}: the size can be followed by -tdt")
    tdt = {"durations": TDT_DURATIONS, "loss": TDT_LOSS} if kind else {}
    config = hybrid(recipe(size, name="fastconformer_hybrid", **tdt))
    config.model.features.num_mels = 128 if kind else 80
    config.data.max_seconds = 40.0 if kind else 20.0
    config.loss_reduction = "mean_batch"
    noam(config, width=config.model.encoder.width, factor=5.0, weight_decay=config.optimizer.weight_decay)
    config.optimizer.clip_norm = 1.0
    return config
