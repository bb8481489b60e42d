"""The command as a whole: its list of verbs, its error for a misspelled one, and how fast it is."""

import importlib
import os
import re
import runpy
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import jaxspeech
from jaxspeech.cli.main import VERBS, main
from jaxspeech.runtime import command, huge_pages
from jaxspeech.runtime.platform import glibc_version

ROOT = Path(__file__).resolve().parents[2]
CLI = ROOT / "jaxspeech" / "cli"


def module_of(verb: str):
    return importlib.import_module(VERBS[verb][0])


def test_help_lists_every_verb_and_nothing_is_imported_for_it(capsys):
    assert main([]) == main(["--help"]) == main(["help"]) == 0
    out = capsys.readouterr().out
    for verb, (_, what) in VERBS.items():
        assert re.search(rf"^  {verb} +{re.escape(what)}$", out, re.MULTILINE)
    program = (
        "import sys; before = set(sys.modules); from jaxspeech.cli.main import main; main(['--help']); "
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=True)
    # Python's own modules alone take no time.
    assert set(done.stdout.splitlines()[-1].split()) - set(sys.stdlib_module_names) == {"jaxspeech"}


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"jaxspeech {jaxspeech.__version__}\n"
    assert re.match(r"\d+\.", jaxspeech.__version__)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["transcribbe"], "jaxspeech: there is no verb 'transcribbe'; did you mean \"transcribe\"?"),
        (["prepare", "fssd"], "jaxspeech prepare: there is no verb 'fssd'; did you mean \"fsdd\"?"),
        (["--model=x"], "jaxspeech: there is no verb '--model=x'; known are "),
        (["convert", "x.nemo"], "jaxspeech convert: missing: OUTPUT; jaxspeech convert --help lists the options"),
        (["convert", "a.nemo", "b.nemo", "c"], "jaxspeech convert: unexpected argument c: options are written --name"),
        (["convert", "none.nemo", "x.jaxspeech"], "jaxspeech convert: none.nemo: "),
        (["average", "--output", "x.jaxspeech", "none.jaxspeech"], "jaxspeech average: none.jaxspeech: "),
        (["prepare", "fsdd", "--parts=x"], "jaxspeech prepare fsdd: --parts is for librispeech"),
        (["prepare", "librispeech", "--parts=dev-clen"], "has no 'dev-clen'; did you mean \"dev-clean\"?"),
    ],
)
def test_a_mistake_is_one_line(capsys, arguments, message):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.count("\n") == 1


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("codec", "ngram", "prepare")])
def test_every_verb_has_help_and_refuses_unknown_options(capsys, verb):
    assert main([verb, "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"usage: jaxspeech {verb} ") and (module_of(verb).__doc__ or "").strip() in out
    assert main([verb, "--nonsens=1"]) == 2
    assert capsys.readouterr().err.startswith(f"jaxspeech {verb}: unknown option --nonsens; ")


def test_a_package_of_an_extra_that_is_missing_is_one_line(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "ml_collections", None)
    for name in ("jaxspeech.cli.overrides", "jaxspeech.train"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert main(["train", "--config=fsdd"]) == 2
    err = capsys.readouterr().err
    install = 'python -m pip install "jaxspeech[train]"'
    assert err == f"jaxspeech train: the package ml_collections is not installed: {install}\n"


def test_verbs_of_a_verb(capsys):
    assert main(["prepare"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("Fetches or converts") and "usage: jaxspeech prepare VERB" in out
    for verb in module_of("prepare").VERBS:
        assert f"  {verb} " in out
        assert main(["prepare", verb, "--help"]) == 0


@pytest.mark.parametrize("module", ["data.prepare", "data.records", "data.tfds", "text.train"])
def test_a_command_that_a_module_was_says_what_it_is_now(module):
    with pytest.raises(SystemExit, match=r"^this command is `jaxspeech \w+( \w+)?` now$"):
        runpy.run_path(str(Path(jaxspeech.__file__).parent / f"{module.replace('.', '/')}.py"), run_name="__main__")


def test_every_file_of_the_command_is_a_verb_or_a_part_of_one():
    parts = {
        "__init__",
        "announcements",
        "answer_scoring",
        "chat_session",
        "compared_engines",
        "compared_manifests",
        "comparison",
        "engine_options",
        "enhanced_files",
        "enhanced_options",
        "enhanced_scores",
        "enhanced_words",
        "enhancer_scoring",
        "error_rates",
        "heard",
        "live_enhancing",
        "live_transcribing",
        "main",
        "fusion",
        "overrides",
        "parser",
        "prompt",
        "recipes",
        "recognition",
        "recordings",
        "scored_manifests",
        "rescoring",
        "scoring",
        "speakers",
        "spoken_files",
        "spoken_mel",
        "spoken_scoring",
        "spoken_words",
        "systems",
        "table",
        "targets",
        "transcript_scoring",
        "turn_outputs",
        "turn_scores",
        "wave_stream",
    }
    assert {path.stem for path in CLI.iterdir() if path.name != "__pycache__"} - parts == set(VERBS)


def test_a_closed_pipe_is_no_error():
    begin = "from jaxspeech.cli.main import main; import sys; sys.exit(main(['train', '--list']))"
    process = subprocess.Popen([sys.executable, "-u", "-c", begin], cwd=ROOT, stdout=-1, stderr=-1, text=True)
    process.stdout.close()
    assert process.stderr.read() == "" and process.wait() == 0


def test_what_ends_a_command_is_its_status(capsys):
    def interrupted():
        raise KeyboardInterrupt

    assert command.run(interrupted, name="x") == 130
    assert capsys.readouterr().err == "x: interrupted\n"


@pytest.mark.skipif(glibc_version() < huge_pages.FIRST_GLIBC, reason="needs glibc 2.35 or later")
@pytest.mark.parametrize("start", [["train.py"], ["transcribe.py"], ["-m", "jaxspeech", "align"]])
def test_every_door_asks_for_large_pages_before_the_heavy_imports(tmp_path, start):
    policy = tmp_path / "enabled"
    policy.write_text("always [madvise] never\n")
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "from pathlib import Path\n"
        "from jaxspeech.runtime import huge_pages\n"
        f"huge_pages.POLICY = Path({str(policy)!r})\n"
        "execv = os.execv\n"
        "def note(*arguments):\n"
        "    print('restarts', 'jax' in sys.modules, file=sys.stderr, flush=True)\n"
        "    execv(*arguments)\n"
        "os.execv = note\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != huge_pages.VARIABLE}
    environment["PYTHONPATH"] = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, *start, "--help"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert done.stderr == "restarts False\n" and "usage: " in done.stdout


def test_started_in_the_background_it_is_ended_only_by_name(tmp_path):
    """As by `nohup jaxspeech ... &` in a script: Ctrl-C and the end of the terminal stay ignored, SIGTERM does not."""
    os.mkfifo(tmp_path / "manifest.jsonl")  # a reader blocks until there is a writer
    arguments = ["tokenizer", f"--manifest={tmp_path / 'manifest.jsonl'}", "--output=x"]
    background = "trap '' INT HUP; exec \"$@\""
    command = ["sh", "-c", background, "sh", sys.executable, "-m", "jaxspeech", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    with open(tmp_path / "manifest.jsonl", "w"):  # returns once it reads
        for number in (signal.SIGINT, signal.SIGHUP):
            process.send_signal(number)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.3)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 143
    assert process.stderr.read() == "jaxspeech tokenizer: ended by SIGTERM\n"


def test_the_end_of_its_terminal_ends_it(tmp_path):
    os.mkfifo(tmp_path / "manifest.jsonl")
    arguments = ["tokenizer", f"--manifest={tmp_path / 'manifest.jsonl'}", "--output=x"]
    command = [sys.executable, "-m", "jaxspeech", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    with open(tmp_path / "manifest.jsonl", "w"):  # returns once it reads
        for _ in range(2):  # from the shell and from the system
            process.send_signal(signal.SIGHUP)
        assert process.wait(timeout=60) == 129
    assert process.stderr.read() == "jaxspeech tokenizer: ended by SIGHUP\n"
