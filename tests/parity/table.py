"""Prints the tables of docs/nemo.md: the differences between our outputs and NeMo's, in both directions.

    JAXSPEECH_NEMO_PYTHON=/path/to/nemos/python python -m tests.parity.table > table.md
    JAXSPEECH_NEMO_PYTHON=/path/to/nemos/python python -m tests.parity.table --recipes=NeMo/examples/asr/conf

Without JAXSPEECH_NEMO_PYTHON, the second direction is omitted. With --recipes, the table is that of the NeMo recipes
and model_config.yaml files in a folder: whether each is read as a model with as many parameters, the differences of a
small model in both directions, or the reason why it is refused.
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tqdm import tqdm

from jaxspeech.archive import Archive
from jaxspeech.interop.nemo import load_nemo, save_nemo
from jaxspeech.tasks.recognition import Utterances
from tests.parity.both_ways import NEMO_PYTHON, Differences, read, restore_with_nemo, written
from tests.parity.nemo_files import RECOGNISERS
from tests.parity.nemo_recipes import recipes_table
from tests.parity.own_models import OWN_MODELS, own_archive, random_batch

HEADER = ["| {} | features | each layer | log-probs or joint | same text |", "|---|---:|---:|---:|---|"]


def row(name: str, found: Differences | str) -> str:
    """Formats a line of the table, with the numbers or a text in their place."""
    if isinstance(found, str):
        return f"| {name} | | | | {found} |"
    numbers = " | ".join(f"{value:.1e}" for value in found[:3])
    return f"| {name} | {numbers} | {'yes' if found.ids else 'no'} |"


def table(title: str, rows: dict[str, Differences | str]) -> str:
    lines = [HEADER[0].format(title), HEADER[1], *(row(name, found) for name, found in rows.items())]
    return "\n".join(lines) + "\n"


def written_by_us(archives: dict[str, Archive], batches: dict[str, Utterances]) -> dict[str, Differences | str]:
    """Compares our outputs with those of NeMo for the files that we write."""
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder, f"{name}.nemo") for name in archives}
        for name, archive in archives.items():
            save_nemo(paths[name], **archive._asdict())
        notes = restore_with_nemo(Path(folder), batches)
        return {
            name: written(archives[name], path) if "failed" not in notes[name] else "not restored"
            for name, path in tqdm(paths.items(), file=sys.stderr)
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--recipes", type=Path, metavar="FOLDER", help="of NeMo's recipes, such as examples/asr/conf")
    folder = parser.parse_args().recipes
    if folder:
        if not NEMO_PYTHON or not folder.is_dir():
            parser.error("--recipes takes a folder, and JAXSPEECH_NEMO_PYTHON the path of an interpreter with NeMo")
        print(recipes_table(folder))
        return
    archives = {name: load_nemo(folder / f"{name}.nemo") for name, folder in RECOGNISERS.items()}
    loaded = {name: read(archive, RECOGNISERS[name], name) for name, archive in tqdm(archives.items(), file=sys.stderr)}
    print(table("NeMo's file, loaded here", loaded))
    if NEMO_PYTHON:
        archives |= {name: own_archive(name) for name in OWN_MODELS}
        batches = {name: random_batch(archive) for name, archive in archives.items()}
        print(table("our file, restored by NeMo", written_by_us(archives, batches)))


if __name__ == "__main__":
    main()
