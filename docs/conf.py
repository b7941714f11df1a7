"""How Sphinx builds the site; from the whole tree, so that links may lead out of docs/."""  # noqa: INP001  # read by Sphinx

from g4f_magic.version import VERSION

project = "g4f_magic"
author = "The g4f_magic founders"
release = VERSION

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/index"
include_patterns = [
    "docs/*.md",
    "notebooks/*.ipynb",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "benchmarks/RESULTS.md",
]
exclude_patterns = [".*", "build", "dist", "tests", "g4f_magic"]

# Notebooks are shown as they are saved; the tests execute them.
nb_execution_mode = "off"
nb_merge_streams = True
nb_render_markdown_format = "myst"  # of the three the one that knows formulas
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
smartquotes = False  # two dashes begin an option
highlight_language = "none"  # a prompt is no Python
suppress_warnings = [
    "misc.highlighting_failure",  # nor is the cell of a notebook that holds one
    "mystnb.unknown_mime_type",  # a tree of JSON, which stands there as text, too
]

default_role = "py:obj"
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 72

html_theme = "furo"
html_title = f"g4f_magic {VERSION}"
html_copy_source = False
html_show_copyright = False
templates_path = ["theme"]
html_additional_pages = {"index": "redirect.html"}
