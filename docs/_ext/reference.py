"""Writes the pages of the API reference from docstrings and signatures, before they are read.

The groups of public names are those of the table in README.md, so that a name is listed once. The
docstrings are Markdown in Google's sections; autodoc reads reStructuredText, in which `(*B, T)` and
`|x - w|` mean something else.
"""

import importlib
import inspect
import re
import textwrap
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyneurons_yat as pn

ROOT = Path(__file__).parents[2]
MODULES = {
    "by_name": "Networks, optimizers, losses and initializers of strings",
    "data": "Data sets, batches and augmentation",
    "equations": "The batch equations of layers, for teaching",
    "experiments": "Claims of the papers, measured again",
    "plot": "Pictures",
    "symbolic": "Proofs, with SymPy",
    "vjp": "Decorators that override a gradient",
    "zoo": "Whole models, trained ones among them",
}
SECTION = re.compile(
    r"(Args|Attributes|Returns|Yields|Raises|Gradient|Example|Examples|Source|Note):$"
)
INDEX = """# API reference

Every public name, by subject, after `import pyneurons_yat as pn`;
then the rooms that are modules of their own.

"""
LISTS = {"Args", "Attributes", "Raises"}


def groups() -> dict[str, list[str]]:
    """The public names by the subjects of README's table of what there is."""
    table = (ROOT / "README.md").read_text().split("## What there is")[1].split("\n## ")[0]
    found: dict[str, list[str]] = {}
    told: set[str] = set()
    for subject, cell in re.findall(r"^\| ([^|]+) \| (.+) \|$", table, re.M):
        names = [n for n in re.findall(r"`(\w+)`", cell) if n in pn.__all__ and n not in told]
        names = [n for n in names if not isinstance(getattr(pn, n), types.ModuleType)]
        told.update(names)
        if names:
            found[subject.replace("`", "")] = found.get(subject, []) + list(dict.fromkeys(names))
    return found


def signature(value: Any) -> str:
    """The arguments with their defaults, without annotations."""
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return ""
    shown = []
    for parameter in found.parameters.values():
        default = parameter.default
        if default is not parameter.empty and hasattr(default, "__name__"):
            default = Named(default.__name__)
        shown.append(parameter.replace(annotation=parameter.empty, default=default))
    return str(found.replace(parameters=shown, return_annotation=found.empty)).replace("\n", " ")


class Named:
    """A default that is shown by its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


def examples(lines: list[str]) -> list[str]:
    """Lines of Markdown in which each example of a Python session stands in a fence."""
    fenced: list[str] = []
    inside = False
    for line in lines:
        starts = line.lstrip().startswith(">>>")
        if starts and not inside:
            fenced.append("```pycon")
        if inside and not line.strip():
            fenced.append("```")
        inside = bool(line.strip()) and (inside or starts)
        fenced.append(line)
    return [*fenced, "```"] if inside else fenced


def items(lines: list[str]) -> list[str]:
    """`name: what it is`, with its further lines indented, as the items of a list."""
    shown = []
    for line in lines:
        head = re.match(r"([\w*`][\w*, .`\[\]]*): (.*)", line)
        shown.append(
            f"- **{head[1].replace('*', chr(92) + '*')}**: {head[2]}"
            if head
            else line and f"  {line.strip()}"
        )
    return shown


def markdown(docstring: str) -> str:
    """A docstring with Google's sections as Markdown."""
    sections: list[tuple[str, list[str]]] = [("", [])]
    for line in docstring.splitlines():
        head = SECTION.match(line)
        if head:
            sections.append((head[1], []))
        elif line and not line.startswith(" ") and sections[-1][0]:
            sections.append(("", [line]))
        else:
            sections[-1][1].append(line)
    parts = []
    for title, lines in sections:
        body = textwrap.dedent("\n".join(lines)).strip("\n").splitlines()
        body = items(body) if title in LISTS else examples(body)
        parts.append("\n".join([f"**{title}**\n"] * bool(title) + body))
    return "\n\n".join(parts)


def entry(module: str, name: str, value: Any) -> str:
    """One name: what kind it is, how it is called, and its docstring."""
    kind = "class" if isinstance(value, type) else "function" if callable(value) else "data"
    docstring = inspect.getdoc(value) or ""
    if not callable(value):
        docstring = f"The number {value!r}." if isinstance(value, float | int) else ""
    body = markdown(docstring)
    methods = []
    for method, function in vars(value).items() if kind == "class" else ():
        if inspect.isfunction(function) and not method.startswith("_") and function.__doc__:
            text = markdown(inspect.getdoc(function) or "")
            methods.append(f"::::{{py:method}} {method}{signature(function)}\n{text}\n::::")
    inner = "\n\n".join([body, *methods])
    return f":::::{{py:{kind}}} {module}.{name}{signature(value)}\n\n{inner}\n:::::\n"


def page(title: str, text: str, names: dict[str, Any], module: str) -> str:
    """A page of names."""
    return "\n\n".join([f"# {title}", text, *(entry(module, n, v) for n, v in names.items())])


def pages() -> Iterator[tuple[str, str]]:
    """The name and the text of each page of the reference."""
    for subject, names in groups().items():
        slug = re.sub(r"\W+", "_", subject.lower()).strip("_")
        title = subject[0].upper() + subject[1:]
        yield slug, page(title, "", {n: getattr(pn, n) for n in names}, "pyneurons_yat")
    for name, title in MODULES.items():
        try:
            module = importlib.import_module(f"pyneurons_yat.{name}")
        except ModuleNotFoundError:
            continue
        names = {n: getattr(module, n) for n in getattr(module, "__all__", [])}
        values = {n: v for n, v in names.items() if not isinstance(v, types.ModuleType)}
        text = markdown(inspect.getdoc(module) or "")
        yield (
            f"module_{name}",
            page(f"`{name}`: {title[0].lower()}{title[1:]}", text, values, f"pyneurons_yat.{name}"),
        )


def write(app: Any) -> None:
    """Writes what has changed, so that a second build reads little."""
    folder = Path(app.srcdir) / "api"
    folder.mkdir(exist_ok=True)
    wanted = dict(pages())
    wanted["index"] = INDEX + "\n".join(["```{toctree}", ":maxdepth: 1", "", *wanted, "```\n"])
    for old in folder.glob("*.md"):
        if old.stem not in wanted:
            old.unlink()
    for slug, text in wanted.items():
        path = folder / f"{slug}.md"
        if not path.is_file() or path.read_text() != text:
            path.write_text(text)


def setup(app: Any) -> dict[str, bool]:
    """Connects with Sphinx."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True}
