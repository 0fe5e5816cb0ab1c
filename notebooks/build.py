"""Runs the notebooks and keeps what they show, free of the machine that ran them.

    python notebooks/build.py                      all notebooks of this folder
    python notebooks/build.py 01_…ipynb /tmp/copy.ipynb …

Each notebook is run from top to bottom in a kernel of its own and written back in place. Kept are the cells with
their ids, the outputs and the name of the kernel; times, versions, and what a picture says of its maker are not. A cell
that raises stops the build, and that notebook stays as it was.
"""

from __future__ import annotations

import argparse
import base64
import struct
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parent
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
SECONDS_FOR_A_CELL = 60
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# What a viewer needs of a picture; text chunks name the program that made it.
PNG_CHUNKS = {b"IHDR", b"PLTE", b"tRNS", b"pHYs", b"IDAT", b"IEND"}


def main() -> None:
    """Runs the notebooks that the command line names, or all."""
    parser = argparse.ArgumentParser(description="Run notebooks in place and strip traces of this machine.")
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of this folder")
    for path in parser.parse_args().notebooks or sorted(FOLDER.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        run(notebook, path.parent)
        strip(notebook)
        nbformat.write(notebook, path)
        print(path.name)


def run(notebook: nbformat.NotebookNode, folder: Path) -> None:
    """Runs every cell in order, in `folder`.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell raised.
    """
    NotebookClient(
        notebook,
        timeout=SECONDS_FOR_A_CELL,
        kernel_name=KERNEL["name"],
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        coalesce_streams=True,
    ).execute()


def strip(notebook: nbformat.NotebookNode) -> None:
    """Takes out of `notebook` what differs from machine to machine."""
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL})
    for cell in notebook.cells:
        # Tags are the author's; the rest is what editors remember of a session.
        cell.metadata = nbformat.from_dict({"tags": cell.metadata.tags} if "tags" in cell.metadata else {})
        for output in cell.get("outputs", ()):
            if "metadata" in output:
                output.metadata = nbformat.from_dict({})
            picture = output.get("data", {}).get("image/png")
            if picture is not None:
                output.data["image/png"] = stripped_png(picture)


def stripped_png(picture: str) -> str:
    """A picture in base64 without the chunks that say who made it, and when."""
    chunks = [chunk for name, chunk in png_chunks(base64.b64decode(picture)) if name in PNG_CHUNKS]
    return base64.b64encode(PNG_SIGNATURE + b"".join(chunks)).decode()


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The chunks of a PNG, each as its name and its bytes: length, name, content, checksum (RFC 2083, section 3.2)."""
    place = len(PNG_SIGNATURE)
    while place < len(data):
        (length,) = struct.unpack_from(">I", data, place)
        end = place + 12 + length
        yield data[place + 4 : place + 8], data[place:end]
        place = end


if __name__ == "__main__":
    main()
