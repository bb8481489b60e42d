"""jaxspeech train: which recipe a name selects, and the values of its fields."""

import re
from pathlib import Path

import pytest

from jaxspeech.cli.main import main
from jaxspeech.cli.overrides import load_config
from jaxspeech.cli.recipes import FOLDER, find_recipe, recipes
from jaxspeech.errors import ConfigError


@pytest.mark.parametrize("given", ["fsdd", "fsdd.py", "configs/fsdd.py", "fsdd:size", "configs/fsdd.py:a/b:c"])
def test_a_packaged_recipe(tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    assert find_recipe(given) == f"{FOLDER / 'fsdd'}.py" + "".join(given.partition(":")[1:])


def test_a_file_of_ones_own_comes_first(tmp_path, monkeypatch):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/fsdd.py").touch()
    monkeypatch.chdir(tmp_path)
    assert find_recipe("configs/fsdd.py:x") == "configs/fsdd.py:x"
    assert find_recipe("fsdd") == f"{FOLDER / 'fsdd'}.py"
    assert find_recipe(str(tmp_path / "configs/fsdd.py")) == str(tmp_path / "configs/fsdd.py")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            "fastconformer_ct:large",
            '--config=fastconformer_ct:large: no such file, .*; did you mean "fastconformer_ctc"',
        ),
        ("configs/quikstart.py", 'did you mean "quickstart"'),
        ("base", "no such file, nor a recipe"),  # the file that the recipes share is not a recipe
        ("../configs/fsdd.py", "no such file"),
        ("", "no such file"),
    ],
)
def test_an_unknown_recipe_is_one_line(tmp_path, monkeypatch, capsys, given, message):
    monkeypatch.chdir(tmp_path)
    assert main(["train", f"--config={given}"]) == 2
    err = capsys.readouterr().err
    assert re.search(message, err) and err.startswith("jaxspeech train: ") and err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_list_names_every_recipe_with_what_it_does(capsys):
    assert main(["train", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    files = {path.stem for path in FOLDER.glob("*.py")} - {"__init__", "base", "recognizers"}
    assert {line.split()[0] for line in lines} == files == set(recipes())
    assert all(re.match(r"\w+ +[A-Z].{20,}[.:]", line) for line in lines)


def test_fields_are_changed_by_their_types():
    overrides = ["--config.steps=7", "--config.optimizer.learning_rate", "1e-3", "--config.histograms"]
    config = load_config(find_recipe("fsdd"), overrides)
    assert (config.steps, config.optimizer.learning_rate, config.histograms) == (7, 1e-3, True)
    assert load_config(find_recipe("quickstart:tdt"), []).model.task == "hybrid"


@pytest.mark.parametrize(
    ("recipe", "overrides", "message"),
    [
        ("fsdd", ["--config.stepz=1"], "the config has no field 'stepz'; did you mean \"steps\"?"),
        ("fsdd", ["--config.steps=many"], "--config.steps=many"),
        ("fsdd", ["--config.histograms", "stray"], "unexpected argument stray"),
        ("quickstart:rnnt", [], "configs/quickstart.py:rnnt: use ctc, tdt, open"),
        ("finetune", [], "name a model"),
    ],
)
def test_a_wrong_field_is_one_line(recipe, overrides, message):
    with pytest.raises(ConfigError) as caught:
        load_config(find_recipe(recipe), overrides)
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_every_command_in_the_recipes_docstrings_names_a_recipe():
    for path in FOLDER.glob("*.py"):
        for given in re.findall(r"--config=(\S+)", path.read_text()):
            assert Path(find_recipe(given).partition(":")[0]).is_file(), (path, given)
