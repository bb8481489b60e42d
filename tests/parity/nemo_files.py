"""NeMo's .nemo files among the references of the classes that can be read, each with what NeMo computed from it."""

from pathlib import Path

from jaxspeech.interop.nemo.container import NemoFile
from jaxspeech.interop.nemo.families import BY_CLASS
from jaxspeech.interop.nemo.sections.read import class_name
from tests.conftest import SHARED


def _can_be_read(path: Path) -> bool:
    with NemoFile(path) as file:
        return class_name(file.config().get("target")) in BY_CLASS


# Name -> the folder of its .nemo file, its arrays and texts; empty where there are no references.
NEMO_FILES = {
    path.stem: path.parent
    for folder in (SHARED / "peer" / "refs", Path(__file__).parent / "references")
    for path in sorted(folder.glob("*.nemo"))
    if _can_be_read(path)
}
