"""Conformer with a multi-blank transducer on your own manifests: 120.4 M parameters (Xu et al., 2022).

    python train.py --config=configs/conformer_multiblank.py:large --workdir=runs/multiblank \\
        --config.data.train=train.jsonl --config.data.eval.dev=dev.jsonl

Three more blanks cover 2, 4 and 8 frames, so that the search takes fewer steps. The sizes are those of
configs/conformer_transducer.py. Settings and number of parameters (120,446,212 with 1024 tokens) are those of NeMo's
conformer_multiblank_transducer_bpe.yaml. The learning rate is Noam's factor, for batches of about 2000 utterances. No
figures: they depend on your data.
"""

from ml_collections import ConfigDict

from jaxspeech.configs.conformer_transducer import recipe


def get_config(size: str = "large") -> ConfigDict:
    return recipe(size, name="conformer_multiblank", decoder={"big_blanks": (2, 4, 8)}, loss={"sigma": 0.05})
