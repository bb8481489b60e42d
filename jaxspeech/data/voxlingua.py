"""Makes the manifests of VoxLingua107 as it is on disk: a folder for each language, and a folder dev with the same.

en/NJ2ZV_fgGfc__U__S9---0276.470-0283.490.wav   th/...   dev/en/...
"""

from pathlib import Path
from typing import Any

from jaxspeech.data.labelled_folders import recordings_of_folders
from jaxspeech.errors import ManifestError

CODES = """
ab af am ar as az ba be bg bn bo br bs ca ceb cs cy da de el en eo es et eu fa fi fo fr gl gn gu gv ha haw hi hr ht
hu hy ia id is it iw ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro
ru sa sco sd si sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi war yi yo zh
"""
LANGUAGES = frozenset(CODES.split())
DEV = "dev"


def voxlingua107(folder: Path, *, report: Any) -> dict[str, list[dict[str, Any]]]:
    """Reads the lengths of all recordings; those that cannot be read are reported, a line each.

    Returns:
      The entries of train, and of dev if there is a folder of that name; the label is the language's code.

    Raises:
      ManifestError: there is no folder, or it has a folder that is no language of VoxLingua107, or only one language.
    """
    if not folder.is_dir():
        raise ManifestError(f"{folder}: no such folder")
    manifests = {}
    for split, root in (("train", folder), (DEV, folder / DEV)):
        if not root.is_dir():
            report(f"{folder}: has no folder {DEV}; take part of train.jsonl to evaluate on")
            continue
        found = sorted(p.name for p in root.iterdir() if p.is_dir() and p.name != DEV and not p.name.startswith("."))
        strange = [name for name in found if name not in LANGUAGES]
        if strange or not found:
            what = f"{strange[0]!r} is none of its languages" if strange else "it has no folder of a language"
            raise ManifestError(f"{root}: not VoxLingua107, whose folders are ab, af, ..., zh: {what}")
        manifests[split] = list(recordings_of_folders(root, leave_out=(DEV,), report=report))
    labels = {entry["label"] for entry in manifests["train"]}
    if len(labels) < 2:
        raise ManifestError(f"{folder}: recordings of {len(labels)} languages; to tell languages apart takes two")
    return manifests
