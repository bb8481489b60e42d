"""The tables of tasks, jobs and assets: every line leads to what it names, and no other module is imported."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from jaxspeech.assets import BUILDERS
from jaxspeech.builder import TASKS
from jaxspeech.jobs import JOBS, Job
from jaxspeech.table import Table
from jaxspeech.tasks.parts import Kind


@pytest.mark.parametrize(("table", "kind"), [(TASKS, Kind), (JOBS, Job), (BUILDERS, Callable)])
def test_every_line_leads_to_its_object(table, kind):
    assert len(table) and all(isinstance(table[name], kind) for name in table)
    assert [value for _, value in table.items()] == [*table.values()] == [table.get(name) for name in table]


def test_an_entry_may_be_a_value_and_a_missing_one_has_a_default():
    table = Table({"root": "math:sqrt", "three": 3})
    assert table["root"](9.0) == table["three"] == 3
    assert table.get("none") is None and table.get("none", 4) == 4 and "none" not in table
    with pytest.raises(KeyError):
        table["none"]


def test_one_task_imports_no_other():
    script = (
        "import sys; from jaxspeech.builder import TASKS; from jaxspeech.jobs import JOBS; TASKS['ctc'], JOBS['ctc'];"
        "print([m for m in sys.modules if m.startswith(('jaxspeech.tasks.', 'jaxspeech.jobs.')) and 'speaker' in m])"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
    assert done.stdout == "[]\n"
