"""Reads and writes archives: one file per model, an uncompressed zip of configuration, assets and weights.

    config.json        {"model": ..., "assets": {name: its config}}
    assets/NAME/*      the asset's files
    checkpoint/*       the Orbax tree of the variables, which TensorStore reads without extracting it
    aligner/assets/*   the same of a second model that aligns texts, if there is one; its configuration is in
                       config.json too, and its variables are the branch "aligner" of the tree
    metadata.json      {"format", "jaxspeech", "files": {name: {"size", "sha256"}}, "metadata": ...}

Reading executes no code and writes no file. The members must be exactly those that metadata.json lists, uncompressed,
with their sizes and hashes, and the arrays must not be larger than the stored bytes.

Format 1, which can still be read, had a tokenizer and no other assets: {"model": ..., "tokenizer": ...}, tokenizer/*.
"""

from jaxspeech.archive.content import Archive as Archive
from jaxspeech.archive.loading import load_archive as load_archive
from jaxspeech.archive.loading import load_assets as load_assets
from jaxspeech.archive.saving import save_archive as save_archive
