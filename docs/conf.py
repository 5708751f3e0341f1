"""Sphinx configuration; ``make docs`` builds with warnings as errors and without network."""

import matplotlib

import sklearn_ecganon

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
    "plot_gallery": True,
    "remove_config_comments": True,
    "show_signature": False,
}

html_theme = "pydata_sphinx_theme"
html_title = "sklearn_ecganon"
html_theme_options = {
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}
# Only the API has many pages; elsewhere code wants the room.
WIDE = (
    "index",
    "start",
    "measuring",
    "reading",
    "leaderboard",
    "pseudo_identity",
    "pictures",
    "images",
)
html_sidebars = {page: [] for page in (*WIDE, "archive", "formats", "auto_examples/*")}
html_show_sourcelink = False
