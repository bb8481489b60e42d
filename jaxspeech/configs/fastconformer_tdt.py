"""FastConformer-TDT (token-and-duration transducer) on your own manifests: NVIDIA's Parakeet-TDT.

    python train.py --config=configs/fastconformer_tdt.py:large --workdir=runs/large \\
        --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl

The sizes are those of configs/fastconformer_transducer.py, with 128 mel bands as in the published models; `xlarge` is
the 0.6B model, `xxlarge` the 1.1B one. The five durations and the settings of the loss are those of NeMo's
fastconformer_hybrid_tdt_ctc_bpe.yaml. No figures: they depend on your data.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.fastconformer_transducer import recipe
from jaxspeech.configs.recognizers import TDT_DURATIONS, TDT_LOSS


def get_config(size: str = "large") -> ConfigDict:
    config = recipe(size, name="fastconformer_tdt", durations=TDT_DURATIONS, loss=TDT_LOSS)
    config.model.features.num_mels = 128
    return config
