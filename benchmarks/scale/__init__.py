"""A training step on a cluster, on paper, and the same paper held beside virtual devices.

    python -m benchmarks scale                # tables and pictures of docs/scale.md
    python -m benchmarks scale --out FOLDER

`network` counts what a token costs, `plans` what a layout asks of each chip, `chips` holds the
published numbers, `clock` makes time of them, `scaling` goes to 4,096 chips. `hlo` counts what a
compiled program really does and exchanges, `worker` runs one, and `virtual` compares.
"""
