"""Sphinx configuration; ``make docs`` builds with warnings as errors and without network."""

import json
import os
from pathlib import Path

import matplotlib

import sklearn_ecganon
from sklearn_ecganon.leaderboard import results_table

matplotlib.use("agg")

project = "sklearn_ecganon"
author = "The sklearn_ecganon developers"
copyright = f"2025, {author}"
version = release = sklearn_ecganon.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["custom.css"]
exclude_patterns = ["_build"]

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings say it with shapes and units
numpydoc_show_class_members = False  # the class template lists them

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "capture_repr": (),
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("sklearn_ecganon",),
    "reference_url": {"sklearn_ecganon": None},
    "abort_on_example_error": True,
    "download_all_examples": False,
    # `make docs` leaves the examples out, `make docs-gallery` executes them.
    "plot_gallery": os.environ.get("ECGANON_GALLERY", "0") == "1",
    "remove_config_comments": True,
    "show_signature": False,
    # Its pages need a script that this theme does not load.
    "write_computation_times": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "sklearn_ecganon"
html_theme_options = {
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
    # The pages that most readers need stand in the header, the others under "More".
    "header_links_before_dropdown": 10,
    "navbar_persistent": ["search-button"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
# Only the API has many pages; elsewhere code wants the room.
WIDE = (
    "index",
    "start",
    "arrays",
    "measuring",
    "reading",
    "leaderboard",
    "pseudo_identity",
    "pictures",
    "images",
    "auditing",
    "data_protection",
    "entries",
    "glossary",
    "guarantees",
    "people",
    "reproduce",
)
html_sidebars = {page: [] for page in (*WIDE, "archive", "formats", "auto_examples/*")}
html_show_sourcelink = False


def _write_entries() -> None:
    """Write the table of ``docs/leaderboard_entries`` for the page `entries`."""
    folder = Path(__file__).parent
    files = sorted((folder / "leaderboard_entries").glob("*.json"))
    table = results_table([json.loads(file.read_text()) for file in files])
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()]
    del rows[1]  # the line below the header in Markdown
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for first, *others in rows:
        lines += [f"   * - {first}", *(f"     - {cell}" for cell in others)]
    (folder / "generated").mkdir(exist_ok=True)
    (folder / "generated" / "entries.inc").write_text("\n".join(lines) + "\n")


_write_entries()
