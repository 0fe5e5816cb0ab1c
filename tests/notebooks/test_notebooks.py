"""The notebooks run from top to bottom, and what is committed is what they show, without a trace of a machine."""

from __future__ import annotations

import base64
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"
BUILD = FOLDER / "build.py"
PATHS = sorted(FOLDER.glob("*.ipynb"))
TRACES = re.compile(
    r"(?<![\w./~])/(home|root|Users|tmp|var|usr|opt|work|mnt|srv)/"  # paths
    r"|[A-Z]:\\\\|file://|site-packages|\.pyenv|\.venv"
    r"|127\.0\.0\.1|localhost:\d|0x[0-9a-f]{6,}"  # ports and addresses that are others each time
    r"|Traceback|Warning:"
)
DURATION = re.compile(r"\d+\.\d+ s\b")


def build(path: Path, place: Path) -> subprocess.CompletedProcess[str]:
    """Runs the build script on one notebook, with all that kernels leave behind in `place`."""
    own = {"IPYTHONDIR": "ipython", "JUPYTER_RUNTIME_DIR": "runtime", "JUPYTER_CONFIG_DIR": "config"}
    environment = {**os.environ, **{name: str(place / folder) for name, folder in own.items()}}
    return subprocess.run(
        [sys.executable, str(BUILD), str(path)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=55,
        check=False,
    )


def code_cells(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(cell: Any) -> list[Any]:
    """What a cell shows, without what differs from run to run: durations, and the pixels of a picture."""
    found = []
    for output in cell.outputs:
        data = output.get("data", {"text/plain": output.get("text", "")})
        texts = {kind: "" if kind.startswith("image/") else settled(text) for kind, text in data.items()}
        found.append((output.output_type, output.get("name"), texts))
    return found


def settled(text: str) -> str:
    # Columns are as wide as the durations in them.
    return re.sub(r" +", " ", DURATION.sub("… s", text))


def texts(notebook: Any) -> Iterator[str]:
    """All that a reader sees of a notebook, but pictures."""
    for cell in notebook.cells:
        yield cell.source
        for output in cell.get("outputs", ()):
            yield output.get("text", "")
            yield from (text for kind, text in output.get("data", {}).items() if not kind.startswith("image/"))


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def committed(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def test_there_are_notebooks() -> None:
    """The tests below have something to look at."""
    assert [path.stem[:2] for path in PATHS] == ["01", "02", "03", "04", "05"]


def test_it_runs_and_shows_what_is_committed(path: Path, committed: Any, tmp_path: Path) -> None:
    """A copy runs from top to bottom without an error, and each cell shows what the committed one shows."""
    copy = Path(shutil.copy(path, tmp_path))
    done = build(copy, tmp_path)
    assert done.returncode == 0, done.stderr
    fresh = nbformat.read(copy, as_version=4)
    assert [cell.id for cell in fresh.cells] == [cell.id for cell in committed.cells]
    for mine, theirs in zip(code_cells(fresh), code_cells(committed), strict=True):
        assert shown(mine) == shown(theirs), mine.id
    assert [cell.execution_count for cell in code_cells(committed)] == list(range(1, len(code_cells(committed)) + 1))


def test_nothing_tells_of_the_machine(committed: Any) -> None:
    """No path, address, traceback, warning or host name is in the text or in what was shown."""
    for text in texts(committed):
        assert not TRACES.search(text), text
        assert socket.gethostname() not in text
    outputs = [output for cell in code_cells(committed) for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]


def test_metadata_is_minimal(committed: Any) -> None:
    """The kernel's name is all that is kept beside the cells, and cells have ids that stay."""
    nbformat.validate(committed)
    assert committed.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    }
    assert all(set(cell.metadata) <= {"tags"} for cell in committed.cells)
    assert all(not output.get("metadata") for cell in code_cells(committed) for output in cell.outputs)
    names = [cell.id for cell in committed.cells]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", name) for name in names)


def test_pictures_do_not_name_their_maker(committed: Any) -> None:
    """A picture holds pixels, and no text that says which program made it."""
    for cell in code_cells(committed):
        for output in cell.outputs:
            picture = base64.b64decode(output.get("data", {}).get("image/png", ""))
            assert not re.search(rb"tEXt|iTXt|zTXt|tIME|eXIf|matplotlib", picture)


def test_one_cell_is_to_be_changed(committed: Any) -> None:
    """Who has keys finds the one marked cell, and no other talks of it."""
    marked = [cell for cell in committed.cells if "change-me" in cell.metadata.get("tags", ())]
    assert len(marked) == 1
    assert marked[0].source.startswith("# The one cell to change.")
    assert sum("The one cell to change" in cell.source for cell in committed.cells) == 1


def test_a_notebook_that_raises_stops_the_build(tmp_path: Path) -> None:
    """The build fails with the cell's error, and the notebook stays as it was."""
    broken = tmp_path / "broken.ipynb"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0", id="broken")])
    nbformat.write(notebook, broken)
    before = broken.read_bytes()
    done = build(broken, tmp_path)
    assert done.returncode != 0
    assert "ZeroDivisionError" in done.stderr
    assert broken.read_bytes() == before


def test_a_build_leaves_no_trace(tmp_path: Path) -> None:
    """Metadata of editors, versions and the maker of a picture are gone after a build; tags stay."""
    draft = tmp_path / "draft.ipynb"
    source = "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()"
    cell = nbformat.v4.new_code_cell(source, id="plot", metadata={"tags": ["kept"], "collapsed": True})
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={"language_info": {"name": "python"}}), draft)
    done = build(draft, tmp_path)
    assert done.returncode == 0, done.stderr
    built = nbformat.read(draft, as_version=4)
    assert set(built.metadata) == {"kernelspec"}
    assert built.cells[0].metadata == {"tags": ["kept"]}
    picture = base64.b64decode(built.cells[0].outputs[-1].data["image/png"])
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    assert b"IEND" in picture
    assert b"atplotlib" not in picture
