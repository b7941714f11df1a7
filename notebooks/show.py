"""Execute a notebook, show what it says in the terminal, and leave it as a web page.

Usage: python notebooks/show.py NOTEBOOK FOLDER
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbconvert import HTMLExporter


def main(source: Path, folder: Path) -> None:
    """Write the executed notebook and its page into the folder, print its cells."""
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    notebook = nbformat.read(source, as_version=4)
    NotebookClient(notebook, timeout=120, kernel_name="python3", record_timing=False).execute()
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, folder / source.name)
    page = folder / source.with_suffix(".html").name
    page.write_text(HTMLExporter().from_notebook_node(notebook)[0], encoding="utf-8")
    for cell in notebook.cells:
        if cell.cell_type == "code":
            print("\n\N{BLACK RIGHT-POINTING TRIANGLE} " + cell.source.replace("\n", "\n  "))
            for output in cell.outputs:
                print("\n" + text_of(output))
    print(f"\nThe executed notebook as a page: {page.resolve()}")


def text_of(output: nbformat.NotebookNode) -> str:
    """Return an output as a terminal can show it."""
    if output.output_type == "error":
        return f"{output.ename}: {output.evalue}"
    text: str = output.get("text") or output.get("data", {}).get("text/plain", "")
    return text


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
