"""FastConformer for live audio, on your own manifests: one model, four look-aheads.

    python train.py --config=configs/fastconformer_streaming.py:large --workdir=runs/live \\
        --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl
    python transcribe.py --model=runs/live/model.jaxspeech --stream --look_ahead=1 talk.wav

`:large` has a CTC head, `:large-transducer` is an RNN-T, `:large-hybrid` has both, and `:large-multitalker` is an RNN-T
with a speaker kernel before the first layer, which transcribes each speaker of a conversation (docs/diarization.md);
`:xlarge-multitalker` is as large as NVIDIA's multitalker-parakeet-streaming-0.6b-v1. The sizes are those of
configs/fastconformer_ctc.py and configs/fastconformer_transducer.py, but that `large` has 17 layers with either head:
109.4 M, 114.2 M and 114.8 M parameters with 1024 tokens.

| look-ahead (frames) |  chunk | greatest delay of the text |
|--------------------:|-------:|---------------------------:|
|                  13 | 1.12 s |                     1.12 s |
|                   6 | 0.56 s |                     0.56 s |
|                   1 | 0.16 s |                     0.16 s |
|                   0 | 0.08 s |                     0.08 s |

Every training step draws one of them. A frame attends to at most 70 past frames, convolutions are causal, layer norm
replaces batch norm, and the features are not normalised over the utterance. Settings and numbers of parameters are
those of NeMo's cache-aware recipes, fastconformer_ctc_bpe_streaming.yaml and its relatives, which train the first
look-ahead alone (`--config.model.encoder.attention_context="((70, 13),)"`). The learning rate is Noam's factor, for
batches of about 2000 utterances. No figures: they depend on your data.
"""

from ml_collections import ConfigDict

from jaxspeech.configs import fastconformer_ctc, fastconformer_hybrid, fastconformer_transducer
from jaxspeech.configs.base import noam
from jaxspeech.configs.recognizers import cache_aware

FAMILIES = {
    "ctc": fastconformer_ctc.get_config,
    "transducer": fastconformer_transducer.get_config,
    "hybrid": fastconformer_hybrid.get_config,
    "multitalker": fastconformer_transducer.get_config,
}
CONTEXTS = ((70, 13), (70, 6), (70, 1), (70, 0))


def get_config(size: str = "large") -> ConfigDict:
    size, _, family = size.partition("-")
    if family and family not in FAMILIES:
        kinds = ", ".join(f"-{name}" for name in FAMILIES)
        raise ValueError(f"configs/fastconformer_streaming.py:{size}-{family}: the size can be followed by {kinds}")
    config = FAMILIES[family or "ctc"](size)
    config.data.max_seconds = 20.0
    config.loss_reduction = "mean_batch"
    encoder = config.model.encoder
    noam(config, width=encoder.width, factor=5.0 if family else 2.0, weight_decay=config.optimizer.weight_decay)
    if family:
        config.model.loss.fastemit = 5e-3
    elif size == "large":
        encoder.num_layers = 17
    if family == "multitalker":
        config.model.task, encoder.speaker_kernels = family, (0,)
    return cache_aware(config, CONTEXTS)
