"""Ways to damage a run file at a place of one's choice; each makes it one that cannot be trusted."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from itertools import product

import sample_runs as sample

from records.schema import Record, encode

PLACES = 10
RECORDS: list[Record] = [sample.case(case=f"lstm/{n}/float32") for n in range(PLACES)]
HEAD, *BODY, FOOT = (encode(line) for line in (sample.header(), *RECORDS, sample.footer(RECORDS)))


def packed(lines: Sequence[bytes]) -> bytes:
    """A finished run file of these lines."""
    return gzip.compress(b"".join(line + b"\n" for line in lines), mtime=0)


SOUND = packed([HEAD, *BODY, FOOT])


def inserted(line: bytes) -> Callable[[int], bytes]:
    """Before the record at that place."""
    return lambda place: packed([HEAD, *BODY[:place], line, *BODY[place:], FOOT])


def instead(change: Callable[[bytes], bytes]) -> Callable[[int], bytes]:
    """Return a damage that changes the record at that place."""
    return lambda place: packed(
        [HEAD, *BODY[:place], change(BODY[place]), *BODY[place + 1 :], FOOT]
    )


def field(**values: object) -> Callable[[int], bytes]:
    """Return the run with other values in the record at that place."""
    return instead(lambda line: json.dumps(json.loads(line) | values).encode())


def without(name: str) -> Callable[[int], bytes]:
    """A field of the record at that place."""
    return instead(
        lambda line: json.dumps({k: v for k, v in json.loads(line).items() if k != name}).encode()
    )


def number(text: bytes) -> Callable[[int], bytes]:
    """Return the run with this text as the margin."""
    return instead(lambda line: line.replace(b'"margin":0.31', b'"margin":' + text, 1))


def without_line(place: int) -> bytes:
    return packed([HEAD, *BODY[:place], *BODY[place + 1 :], FOOT])


def one_line_of_two(place: int) -> bytes:
    lines = [HEAD, *BODY, FOOT]
    return packed([*lines[: place + 1], lines[place + 1] + lines[place + 2], *lines[place + 3 :]])


def ends_there(place: int) -> bytes:
    return packed([HEAD, *BODY[:place]])


def cut_off(place: int) -> bytes:
    return SOUND[: len(SOUND) * place // PLACES]


def zeros(place: int) -> bytes:
    """Return the run with zeros, left by a file system that wrote no block."""
    size = len(SOUND) // PLACES
    return SOUND[: size * place] + b"\0" * size + SOUND[size * (place + 1) :]


DAMAGES: dict[str, Callable[[int], bytes]] = {
    "no JSON": inserted(b"{,}"),
    "a word": inserted(b"hello"),
    "a number": inserted(b"7"),
    "a list": inserted(b"[]"),
    "an empty object": inserted(b"{}"),
    "an empty line": inserted(b""),
    "spaces": inserted(b" \t"),
    "a second header": inserted(HEAD),
    "a footer too early": inserted(FOOT),
    "the first record again": inserted(BODY[0]),
    "nested without end": inserted(b'{"kind":' * 50_000),
    "cut": instead(lambda line: line[:-7]),
    "a NUL": instead(lambda line: line.replace(b"agrees", b"agr\0es")),
    "a byte that is no text": instead(lambda line: line.replace(b"torch", b"t\xffrch", 1)),
    "half of a surrogate pair": instead(lambda line: line.replace(b"torch", b"\\ud800", 1)),
    "UTF-16": instead(lambda line: line.decode().encode("utf-16")),
    "a byte order mark": instead(lambda line: b"\xef\xbb\xbf" + line),
    "single quotes": instead(lambda line: line.replace(b'"', b"'")),
    "a comma at the end": instead(lambda line: line[:-1] + b",}"),
    "something behind": instead(lambda line: line + b"}"),
    "NaN": number(b"NaN"),
    "infinity": number(b"Infinity"),
    "too large a number": number(b"1e999"),
    "a hexadecimal number": number(b"0x1f"),
    "text for a number": number(b'"0.31"'),
    "an unknown field": field(colour="red"),
    "an unknown kind": field(kind="joke"),
    "an unknown outcome": field(outcome="passed"),
    "null for a text": field(reason=None),
    "a list for an object": field(tensors=[]),
    "another backend": field(backend="jax_scan"),
    "another device": field(device="cuda"),
    "no case": without("case"),
    "no outcome": without("outcome"),
    "a line is missing": without_line,
    "two lines in one": one_line_of_two,
    "no footer": ends_there,
    "the file is cut off": cut_off,
    "zeros": zeros,
}  # fmt: skip


def all_damaged() -> dict[str, bytes]:
    """Every damage at every place, by a name that suits a file."""
    return {f"{kind.replace(' ', '-')}-{place}": DAMAGES[kind](place) for kind, place in
            product(DAMAGES, range(PLACES))}  # fmt: skip
