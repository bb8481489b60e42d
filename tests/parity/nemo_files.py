"""Lists the .nemo files in the references whose classes can be read; NeMo's outputs are next to each."""

from pathlib import Path

from jaxspeech.interop.nemo.container import NemoFile
from jaxspeech.interop.nemo.families import BY_CLASS
from jaxspeech.interop.nemo.sections.read import class_name
from tests.conftest import SHARED


def _can_be_read(path: Path) -> bool:
    with NemoFile(path) as file:
        return class_name(file.config().get("target")) in BY_CLASS


# Name -> folder of the .nemo file and of NeMo's arrays and texts; empty if there are no references.
NEMO_FILES = {
    path.stem: path.parent
    for folder in (SHARED / "peer" / "refs", Path(__file__).parent / "references")
    for path in sorted(folder.glob("*.nemo"))
    if _can_be_read(path)
}
RECOGNITION = ("ctc", "transducer", "hybrid")


def _recognises(path: Path) -> bool:
    with NemoFile(path) as file:
        return BY_CLASS[class_name(file.config()["target"])].task in RECOGNITION


# Those of recognition models, whose outputs `both_ways` compares.
RECOGNISERS = {name: folder for name, folder in NEMO_FILES.items() if _recognises(folder / f"{name}.nemo")}
