"""The notebook, its cells run in their order as a kernel would."""

import json
from pathlib import Path

import nbformat
import pytest
import torch

PATH = Path(__file__).parents[2] / "docs/library.ipynb"


@pytest.fixture
def _state_of_torch():
    """The random numbers and threads of other tests are left as they are."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.random.fork_rng():
        yield
    torch.set_num_threads(threads)


def code_cells() -> list[dict]:
    notebook = json.loads(PATH.read_text(encoding="utf-8"))
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_notebook_is_valid_and_holds_no_output_of_somebody_s_machine():
    nbformat.validate(nbformat.read(PATH, as_version=4))
    for cell in code_cells():
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


@pytest.mark.usefixtures("_state_of_torch")
def test_notebook_ends_with_the_table_that_it_speaks_of(capsys):
    namespace: dict = {"__name__": "__main__"}
    for number, cell in enumerate(code_cells()):
        exec(compile("".join(cell["source"]), f"{PATH.name}, cell {number}", "exec"), namespace)
    table = namespace["table"]
    assert list(table) == ["Full labels", "AN", "LL-R", "EM", "GR Loss"]
    *others, last = capsys.readouterr().out.splitlines()
    assert last == f"GR Loss      {table['GR Loss']:5.1f}"
    assert "{-1: 0, 0: 9000, 1: 1000}" in others
    for title in ("LL-R", "EM", "GR Loss"):
        assert table["AN"] < table[title] < table["Full labels"]
