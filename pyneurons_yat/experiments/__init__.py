"""Claims of the papers, measured again: `python -m pyneurons_yat.experiments NAME`.

Each experiment is a module whose docstring says in its first line what is claimed, with a function
`study(data, seeds=5, **sizes) -> Study`: full sizes are the defaults, smaller ones are for tests.
`sources` reads the data files, `seeds` trains one model per seed, `study` says what a result is,
`report` writes it down, and `command` is the command line, which knows the experiments by name.
"""

from .study import Row, Study

__all__ = ["Row", "Study"]
