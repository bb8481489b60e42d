"""Runs a command line that prints a JSON line with the text of each recording.

{manifest} in the command is a file of JSON lines with audio_filepath; without it they come on standard input. A line of
the output is a JSON object with "text", or "pred_text", in the order of the manifest; with audio_filepath in any order.
Other lines are ignored.
"""

import json
import os
import subprocess
import tempfile


def load(job):
    """Returns a function that runs the command; see `serving.serve`."""

    def transcribe(paths):
        lines = "".join(json.dumps({"audio_filepath": path}) + "\n" for path in paths)
        with tempfile.TemporaryDirectory() as folder:
            manifest = os.path.join(folder, "manifest.jsonl")
            with open(manifest, "w", encoding="utf-8") as file:
                file.write(lines)
            command = job["model"].replace("{manifest}", manifest)
            given = None if command != job["model"] else lines
            done = subprocess.run(command, shell=True, input=given, stdout=subprocess.PIPE, text=True, encoding="utf-8")
        if done.returncode:
            raise ValueError(f"the command ended with status {done.returncode}")
        return texts_of(done.stdout, paths)

    return transcribe, {"device": None, "version": None}


def texts_of(output, paths):
    """The texts that a command has printed, in the order of the recordings."""
    found = []
    for line in output.splitlines():
        try:
            fields = json.loads(line)
        except ValueError:
            continue
        if isinstance(fields, dict) and ("pred_text" in fields or "text" in fields):
            found.append((fields.get("audio_filepath"), fields.get("pred_text", fields.get("text"))))
    named = {name: text for name, text in found if name is not None}
    missing = [path for path in paths if path not in named]
    if len(named) == len(found) and not missing:
        return [named[path] for path in paths]
    if any(name is None for name, _ in found) and len(found) == len(paths):
        return [text for _, text in found]
    raise ValueError(f"the command printed {len(found)} texts for {len(paths)} recordings")


if __name__ == "__main__":
    from serving import serve  # pyright: ignore[reportMissingImports]

    serve(load)
