"""What only an accelerator can tell, by one command that takes less than 8 minutes on an H200.

    python -m benchmarks gpu            # where a GPU is at hand
    python -m benchmarks gpu --dry      # every part, with small sizes, on any device

Every op beside float64; a GPT on characters trained in float32, bfloat16 and float16; a Yat layer
beside a matrix product with GELU; Yat attention beside cuDNN's; and what they need of memory beside
what was foretold. A part that fails is told with its error, and the others are run all the same.
"""
