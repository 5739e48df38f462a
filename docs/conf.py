"""How the documentation is built: `python -m sphinx -W -b html docs build/docs`.

Code of pages and notebooks is executed and its outputs are kept in build/jupyter_cache, so that a
second build runs only what has changed; `-D nb_execution_mode=off` runs nothing.
"""

import shutil
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE / "_ext"), str(HERE.parent)]

import pyneurons_yat as pn  # noqa: E402

project = "pyneurons_yat"
author = "The authors of pyneurons_yat"
copyright = f"2026, {author}"
version = release = pn.__version__

extensions = ["myst_nb", "sphinx_copybutton", "sphinx.ext.mathjax", "reference"]
exclude_patterns = ["_ext", "demo", "experiments/results", "benchmarks", "scale"]
myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3
nb_execution_mode = "cache"
nb_execution_cache_path = str(HERE.parent / "build" / "jupyter_cache")
nb_execution_timeout = 300
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_merge_streams = True
suppress_warnings = ["myst-nb.lexer", "mystnb.unknown_mime_type"]  # without execution no lexer
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"pyneurons_yat {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5563", "color-brand-content": "#0b5563"},
    "dark_css_variables": {"color-brand-primary": "#7fd1de", "color-brand-content": "#7fd1de"},
}
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True


def bring_notebooks(app: Any) -> None:
    """Notebooks live beside docs/; Sphinx reads what lies in it."""
    folder = HERE / "notebooks"
    folder.mkdir(exist_ok=True)
    wanted = {path.name: path for path in (HERE.parent / "notebooks").glob("*.ipynb")}
    for path in folder.glob("*.ipynb"):
        if path.name not in wanted:
            path.unlink()
    for name, path in wanted.items():
        if not (folder / name).is_file() or (folder / name).read_bytes() != path.read_bytes():
            shutil.copyfile(path, folder / name)


def bring_demo(app: Any, exception: Exception | None) -> None:
    """The page that runs is plain files, which go into the site as they are."""
    if exception is None and app.builder.format == "html":
        shutil.copytree(HERE / "demo", Path(app.outdir) / "demo", dirs_exist_ok=True)


def setup(app: Any) -> None:
    """Connects with Sphinx."""
    app.connect("builder-inited", bring_notebooks)
    app.connect("build-finished", bring_demo)
