"""Benchmarks: how long pyneurons_yat takes beside what else one would use.

Run them from the root of a checkout, on a machine that does nothing else::

    python -m benchmarks                      # all suites
    python -m benchmarks dense import         # these two
    python -m benchmarks fit --json fit.json --plot fit.png
    python -m benchmarks --list

How a number comes about:

- All contenders of a case live in one process and are warmed up (compiled) first.
- A sample repeats a call until it lasts at least 20 ms, and is the mean time of one call.
- In each round every contender gives one sample, in an order drawn anew.
- A ratio divides two samples of the same round, so that a machine which slows down
  for a while slows down both. Reported are the median over rounds and, in brackets, the
  first and third quartile.
- Contenders of a case that say they compute the same thing return the same numbers;
  ``tests/test_benchmarks.py`` holds them to it.
- A peer that is not installed is a row that says how to install it.
"""
