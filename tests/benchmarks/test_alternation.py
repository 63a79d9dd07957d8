"""A pair's processes take turns: never both at once, and neither waits for one that has gone."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import pytest

from benchmarks.timing.alternation import Alternation, Pipes
from benchmarks.timing.sampling import AlternatingSampling

Work = Callable[[Alternation, Callable[[str], None]], None]


def together(first: Work, second: Work) -> list[str]:
    """Run both as threads and return their messages in order; each closes its pipes at its end."""
    to_first, to_second = os.pipe(), os.pipe()
    said: list[str] = []

    def work(own: Work, name: str, pipes: Pipes) -> None:
        try:
            own(Alternation(pipes), lambda what: said.append(f"{name} {what}"))
        finally:
            os.close(pipes.receives)
            os.close(pipes.sends)

    threads = [
        threading.Thread(target=work, args=(first, "a", Pipes(True, to_first[0], to_second[1]))),
        threading.Thread(target=work, args=(second, "b", Pipes(False, to_second[0], to_first[1]))),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=20)
    assert not any(thread.is_alive() for thread in threads), (
        f"both wait for each other after {said}"
    )
    return said


def samples(count: int, rows: str = "1") -> Work:
    """Return this many samples of every row."""

    def work(alternation: Alternation, say: Callable[[str], None]) -> None:
        for row in rows:
            with alternation.row():
                say(f"begins {row}")
                for number in range(count):
                    alternation.hand_over()
                    say(f"{row}.{number}")

    return work


def test_samples_stand_beside_each_other() -> None:
    said = together(samples(3), samples(3))
    assert said == ["a begins 1", "b begins 1", *(f"{who} 1.{n}" for n in range(3) for who in "ab")]


def test_who_has_more_to_do_goes_on_alone_and_the_next_row_begins_together() -> None:
    def one_then_three(alternation: Alternation, say: Callable[[str], None]) -> None:
        samples(1, "1")(alternation, say)
        samples(3, "2")(alternation, say)

    in_turn = ["a begins 2", "b begins 2", *(f"{who} 2.{n}" for n in range(3) for who in "ab")]
    for first, second in ((one_then_three, samples(3, "12")), (samples(3, "12"), one_then_three)):
        said = together(first, second)
        assert sorted(said[:6]) == sorted(["a begins 1", "b begins 1", *(
            f"{who} 1.{n}" for who, work in (("a", first), ("b", second))
            for n in range(1 if work is one_then_three else 3))]), said  # fmt: skip
        assert said[6:] == in_turn


def test_a_row_that_fails_does_not_keep_the_other() -> None:
    def fails(alternation: Alternation, say: Callable[[str], None]) -> None:
        with pytest.raises(RuntimeError), alternation.row():
            raise RuntimeError
        samples(1, "2")(alternation, say)

    for first, second in ((fails, samples(1, "12")), (samples(1, "12"), fails)):
        said = together(first, second)
        assert said[-4:] == ["a begins 2", "b begins 2", "a 2.0", "b 2.0"], said
        assert len(said) == 6, "the other has its first row"


def test_a_process_that_is_gone_is_not_waited_for() -> None:
    def gone(alternation: Alternation, say: Callable[[str], None]) -> None:
        say("ends")

    for first, second in ((gone, samples(2, "12")), (samples(2, "12"), gone)):
        said = [what for what in together(first, second) if "ends" not in what]
        assert len(said) == 6, "all samples of both rows"


@pytest.mark.parametrize("both", [(3, 8), (8, 3), (4, 4)])
def test_both_take_the_smaller_number(both: tuple[int, int]) -> None:
    def of(number: int) -> Work:
        def work(alternation: Alternation, say: Callable[[str], None]) -> None:
            for shift in (0, 10):  # what was agreed in one row is no matter in the next
                with alternation.row():
                    say(str(alternation.agree_on(number + shift)))
                    alternation.hand_over()

        return work

    least = min(both)
    said = [int(what.split()[1]) for what in together(of(both[0]), of(both[1]))]
    assert said == [least, least, least + 10, least + 10]


def test_alone_everything_is_done_at_once() -> None:
    alternation = Alternation(None)
    assert not alternation.paired
    with alternation.row():
        alternation.hand_over()
        assert alternation.agree_on(5) == 5


def test_pipes_are_passed_as_text() -> None:
    for pipes in (Pipes(True, 3, 6), Pipes(False, 10, 4)):
        assert Pipes.parse(str(pipes)) == pipes
    for text in ("", "1,2", "a,b,c"):
        with pytest.raises(ValueError, match=r"unpack|literal"):
            Pipes.parse(text)


@pytest.mark.parametrize(("seconds", "theirs", "rounds"), [(1e-4, 100, 100), (1e-4, 30, 30), (0.04, 100, 16),
                                                           (1.0, 100, 8), (0.04, 8, 8)])  # fmt: skip
def test_long_calls_have_fewer_samples(
    seconds: float, theirs: int, rounds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.timing.sampling._seconds", lambda call: seconds)
    calls: list[None] = []
    alternation = Alternation(None)
    monkeypatch.setattr(alternation, "agree_on", lambda number: min(number, theirs))
    turn = AlternatingSampling(alternation, lambda: calls.append(None), one_processor=True)
    assert turn.count_samples(0.4) == rounds
    turn.before_sample()
    assert len(calls) == 1, "one that does not count"
