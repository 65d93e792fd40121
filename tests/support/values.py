"""Values as tm's words, and CBOR written by hand: a second opinion on the library's codec."""

import struct


def words(value):
    if value is None:
        return "n"
    if value is True:
        return "t"
    if value is False:
        return "f"
    if isinstance(value, int):
        if -2**63 <= value < 2**63:
            return f"i{value}"
        magnitude = abs(value)
        return "I" + ("-" if value < 0 else "") + magnitude.to_bytes((magnitude.bit_length() + 7) // 8, "big").hex()
    if isinstance(value, float):
        return "d" + struct.pack(">d", value).hex()
    if isinstance(value, (bytes, bytearray)):
        return "b" + value.hex()
    if isinstance(value, str):
        return "s" + value.encode().hex()
    if isinstance(value, (list, tuple)):
        return " ".join(["[", *map(words, value), "]"])
    if isinstance(value, dict):
        return " ".join(["{", *(words(x) for pair in value.items() for x in pair), "}"])
    raise TypeError(type(value))


def from_words(text):
    tokens = text.split()
    value, end = _read(tokens, 0)
    assert end == len(tokens), text
    return value


def _read(tokens, i):
    word, rest, i = tokens[i][0], tokens[i][1:], i + 1
    if word == "[":
        items = []
        while tokens[i] != "]":
            item, i = _read(tokens, i)
            items.append(item)
        return items, i + 1
    if word == "{":
        pairs = {}
        while tokens[i] != "}":
            key, i = _read(tokens, i)
            pairs[key], i = _read(tokens, i)
        return pairs, i + 1
    if word == "i":
        return int(rest), i
    if word == "I":
        magnitude = int(rest.lstrip("-") or "0", 16)
        return (-magnitude if rest.startswith("-") else magnitude), i
    if word == "d":
        return struct.unpack(">d", bytes.fromhex(rest))[0], i
    if word in "bs":
        data = bytes.fromhex(rest)
        return (data if word == "b" else data.decode()), i
    return {"n": None, "t": True, "f": False}[word], i


def _head(major, n):
    for size, code, form in ((24, None, None), (1 << 8, 24, ">B"), (1 << 16, 25, ">H"), (1 << 32, 26, ">I")):
        if n < size:
            return bytes([major << 5 | (n if code is None else code)]) + (struct.pack(form, n) if form else b"")
    return bytes([major << 5 | 27]) + struct.pack(">Q", n)


def cbor(value):
    """Shortest form of RFC 8949, floats as binary64."""
    if value is None:
        return b"\xf6"
    if isinstance(value, bool):
        return b"\xf5" if value else b"\xf4"
    if isinstance(value, int):
        n = value if value >= 0 else -1 - value
        if n < 1 << 64:
            return _head(0 if value >= 0 else 1, n)
        return (b"\xc2" if value >= 0 else b"\xc3") + cbor(n.to_bytes((n.bit_length() + 7) // 8, "big"))
    if isinstance(value, float):
        return b"\xfb" + struct.pack(">d", value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    if isinstance(value, (list, tuple)):
        return _head(4, len(value)) + b"".join(map(cbor, value))
    return _head(5, len(value)) + b"".join(cbor(x) for pair in value.items() for x in pair)
