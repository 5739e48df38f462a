"""Seals: what stands behind an exported program, so that a damaged or foreign file is refused.

    the program, as JAX or ONNX writes it
    a record "pyneurons_yat": what is told of the program, as JSON
    a record "pyneurons_yat seal": the length of the record before, and the SHA-256 of all before

Both are records of an ONNX file, entries of its metadata, so an ONNX file stays one. JAX reads no
further than its program ends. So a process without this library reads either file as it is.
"""

import hashlib
import json
from typing import Any

FORMAT = "pyneurons_yat export 1"
TOLD, SEAL = "pyneurons_yat", "pyneurons_yat seal"
LENGTH, DIGEST = 8, 64
"""How many hexadecimal digits each number of the seal has."""


class SealError(ValueError):
    """What is wrong with a file, to be said behind its name."""


def sealed(program: bytes, told: dict[str, Any]) -> bytes:
    """A program, what is told of it, and the seal."""
    text = json.dumps({"format": FORMAT, **told}, sort_keys=True, separators=(",", ":"))
    record = _record(TOLD, text)
    content, length = program + record, f"{len(record):0{LENGTH}x}"
    return content + _record(SEAL, length + _digest(content, length))


def _digest(content: bytes, length: str) -> str:
    return hashlib.sha256(content + length.encode()).hexdigest()


def _record(key: str, value: str) -> bytes:
    """An entry of the metadata of an ONNX model, field 14, as protobuf writes it."""
    return _field(14, _field(1, key.encode()) + _field(2, value.encode()))


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    digits = []
    while number > 127:
        digits.append(number & 127 | 128)
        number >>= 7
    return bytes([*digits, number])


def opened(content: bytes) -> tuple[bytes, dict[str, Any]]:
    """The program of a file that `sealed` made, and what is told of it."""
    size = len(_record(SEAL, "0" * (LENGTH + DIGEST)))
    content, seal = content[:-size], content[-size:]
    numbers = seal[-LENGTH - DIGEST :].decode("ascii", "replace")
    if seal != _record(SEAL, numbers):
        raise SealError("is damaged, or was not written by export: it has no seal")
    length, digest = numbers[:LENGTH], numbers[LENGTH:]
    if digest != _digest(content, length):
        raise SealError("is damaged: its checksum is wrong")
    end = len(content) - int(length, 16)
    told = json.loads(content[end:][content[end:].index(b'{"') :])
    if told["format"] != FORMAT:
        raise SealError(
            f"must have the format {FORMAT}, got {told['format']}; update pyneurons_yat"
        )
    return content[:end], told
