"""The part that all workers share: reads a job, loads the model, warms up, measures, and writes the results.

The job is a JSON object in the file that the only argument names:

    {"model": "...", "audio": ["a.wav", ...], "warm_up": ["a.wav", ...], "batch_size": 16, "language": "",
     "packages": ["nemo_toolkit[asr]"], "output": "results.json"}

The audio is WAV, 16 kHz, one channel, 16 or 32 bits. The results go to the file that the job's "output" names:

    {"texts": [...], "seconds": 1.5, "load_seconds": 3.0, "memory": bytes, "packages": {"count": 5, "bytes": bytes},
     "device": "cpu", "version": "1.0"}

or {"error": "one line"}. Standard output and error belong to the engine.
"""

import importlib.metadata
import json
import re
import sys
import time


def serve(load):
    """Runs a job.

    Args:
      load: job -> (transcribe, facts): a function from a list of paths to their texts, in order, and a dict with what
        is known of the engine: "device", "files" (of the model), "version".
    """
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    try:
        found = _run(job, load)
    except BaseException as error:  # also SystemExit, by which some libraries give up
        found = {"error": " ".join(f"{type(error).__name__}: {error}".split())[:500]}
        _write(job, found)
        raise
    _write(job, found)


def samples_of(path):
    """The samples of a WAV file as float32 in [-1, 1]; needs NumPy."""
    import wave

    import numpy

    with wave.open(path) as file:
        kind = f"<i{file.getsampwidth()}"
        samples = numpy.frombuffer(file.readframes(file.getnframes()), kind)
    return samples.astype(numpy.float32) / numpy.float32(2 ** (8 * samples.itemsize - 1))


def _run(job, load):
    begin = time.perf_counter()
    transcribe, facts = load(job)
    loaded = time.perf_counter()
    if job["warm_up"]:
        transcribe(job["warm_up"])
    warm = time.perf_counter()
    texts = transcribe(job["audio"])
    seconds = time.perf_counter() - warm
    if len(texts) != len(job["audio"]):
        raise ValueError(f"{len(texts)} texts for {len(job['audio'])} recordings")
    measured = {"texts": [str(text or "") for text in texts], "seconds": seconds, "load_seconds": loaded - begin}
    return {"memory": _peak_memory(), "packages": _packages(job["packages"]), **measured, **facts}


def _write(job, found):
    with open(job["output"], "w", encoding="utf-8") as file:
        json.dump(found, file)


def _peak_memory():
    """The most memory that the process, or one that it has started, has held, in bytes; None if it is not known."""
    try:
        import resource
    except ImportError:
        return None
    unit = 1 if sys.platform == "darwin" else 1024
    held = [unit * resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss]
    try:  # Linux counts the memory of the process that started this one as its own, except here
        with open("/proc/self/status", encoding="utf-8") as file:
            held.append(1024 * int(file.read().partition("VmHWM:")[2].split()[0]))
    except (OSError, IndexError):
        held.append(unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    return max(held)


def _packages(roots):
    """The number of packages that are installed for these, they included, and their size on disk in bytes."""
    waiting, found = [_named(root) for root in roots], {}
    while waiting:
        name, extras = waiting.pop()
        known = found.get(name)
        if known is not None and extras <= known[1]:
            continue
        try:
            package = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        found[name] = package, extras | (known[1] if known else set())
        for line in package.requires or ():
            requirement, _, marker = line.partition(";")
            wanted = set(re.findall(r"extra\s*==\s*['\"]([^'\"]+)", marker))
            if not wanted or wanted & extras:
                waiting.append(_named(requirement))
    size = sum(file.size or 0 for package, _ in found.values() for file in package.files or ())
    return {"count": len(found), "bytes": size}


def _named(requirement):
    """The name of a package, as all spellings of it, and its extras: "A_b[c] >= 1" is ("a-b", {"c"})."""
    name, extras = re.findall(r"^\s*([\w.-]+)\s*(?:\[([^\]]*)\])?", requirement)[0]
    return re.sub(r"[-_.]+", "-", name).lower(), {extra.strip() for extra in extras.split(",") if extra.strip()}
