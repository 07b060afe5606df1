"""The program with which anybody checks a draw: each way of cheating, and each bad input."""

import ast
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chalicelib.domain import draw_record
from chalicelib.static import verify_draw
from tests.unit.static.records import FIRST, OTHER_DAY, SECOND, THIRD, Published, chain, entry, offer, receipt

pytestmark = pytest.mark.slow

Cheat = Callable[[list[Published]], object]
Run = Callable[..., tuple[int, str]]
SOURCE = Path(verify_draw.__file__).read_text("utf-8")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: object) -> tuple[int, str]:
        code = verify_draw.main([str(word) for word in words])
        return code, capsys.readouterr().out

    return call


@pytest.fixture
def draws() -> list[Published]:
    return chain()


def write(draws: list[Published], folder: Path) -> Path:
    for draw in draws:
        draw.write(folder)
    return folder / draws[-1].week


# A good record


def test_a_good_record_is_shown_with_what_promise_and_root_add(
    draws: list[Published], run: Run, tmp_path: Path
) -> None:
    folder = write(draws, tmp_path)
    promise, root = (("--" + name, draws[-1].record[name]) for name in ("promise", "root"))
    code, output = run(folder)
    assert code == 0
    assert "only consistent, not shown to be fixed beforehand" in output
    assert "not shown: that each entry is a person" in output
    assert f"{SECOND}: {len(draws[1].entries)} entries, 4 seats, 0 offers: as the rule says" in output
    assert run(folder, *promise)[1].count("without --root it is not shown") == 1
    assert run(folder, *root)[1].count("without --promise it is not shown") == 1
    code, output = run(folder, *promise, "--root", root[1].upper())
    assert code == 0
    assert "the ones that your promise and root fixed" in output
    assert "only consistent" not in output


def test_the_first_draw_needs_no_other_record(draws: list[Published], run: Run, tmp_path: Path) -> None:
    assert run(write(draws[:1], tmp_path))[0] == 0


def test_what_a_reader_should_know_is_noted(draws: list[Published], run: Run, tmp_path: Path) -> None:
    draws[1].record["promised_at"] = draws[1].record["closes"]
    code, output = run(write(draws[:2], tmp_path))
    assert (code, output.count("Note: ")) == (0, 2)
    assert "the promise was made after the window had closed" in output
    assert "1 winners did not get their seat" in output
    assert "there is no outside source of randomness" in run(write(chain(), tmp_path))[1]


# Each way of cheating. Where it says "covered up", everything that follows from the change is computed again.


def change_entry(draw: Published, number: int, old: str, new: str) -> None:
    assert old in draw.entries[number]
    draw.entries[number] = draw.entries[number].replace(old, new)


def cheat_waited(draws: list[Published]) -> None:
    number = next(number for number, line in enumerate(draws[-1].entries) if ";1;" in line)
    change_entry(draws[-1], number, ";1;", ";2;")
    draws[-1].cover()


def cheat_new_receipt(draws: list[Published]) -> None:
    draws[-1].entries = sorted([*draws[-1].entries, entry(99, 3, "any")])
    draws[-1].cover()


def cheat_share(draws: list[Published], *, promise: bool = False) -> None:
    draws[-1].record["seniority_percent"] = 100
    if promise:
        draws[-1].record["promise"] = draw_record.promise(draws[-1].record)
    draws[-1].cover()


def cheat_seed(draws: list[Published], *, commitment: bool = False) -> None:
    draws[-1].record["seed"] = "ab" * 32
    if commitment:
        draws[-1].record["commitment"] = verify_draw.sha256(bytes.fromhex("ab" * 32)).hex()
    draws[-1].cover()


def cheat_round(draws: list[Published]) -> None:
    draws[-1].record["beacon"]["round"] += 1


def cheat_swap(lines: list[str], first: int = 0, second: int = 1) -> None:
    """Exchange the receipts of two ranks."""
    fields = [line.split(";") for line in lines]
    fields[first][1], fields[second][1] = fields[second][1], fields[first][1]
    lines[:] = [";".join(parts) for parts in fields]


def cheat_winner_again(draws: list[Published]) -> None:
    winner = draws[0].ranks()[0]
    draws[-1].entries = sorted([*draws[-1].entries, entry(winner.receipt, 0, "any")])
    draws[-1].cover()


def cheat_left_again(draws: list[Published]) -> None:
    left = draws[0].waiting()[0]
    draws[-1].entries = sorted([*draws[-1].entries, entry(left.receipt, 1, "any")])
    draws[-1].cover()


def cheat_record(draws: list[Published], **fields: object) -> None:
    draws[-1].record |= fields


def cheat_late(draws: list[Published]) -> None:
    """Publish late, and keep the round that was known by then."""
    draws[-1].record |= {"frozen_at": "2024-07-14T00:00:00+02:00", "late": True}


def cheat_beacon(draws: list[Published], **fields: object) -> None:
    draws[-1].record["beacon"] |= fields
    draws[-1].record["promise"] = draw_record.promise(draws[-1].record)


def cheat_offers(draws: list[Published], *lines: tuple[str, int]) -> None:
    """Publish other offers: of each, what happened, and at which place of those that wait."""
    waiting = draws[-1].waiting()
    draws[-1].offers = [offer(draws[-1], 5, what, waiting[place]) for what, place in lines]


def cheat_offer_to_winner(draws: list[Published]) -> None:
    draws[-1].offers = [offer(draws[-1], 5, draws[-1].seats[0], draws[-1].ranks()[0])]


def cheat_offer_past_unassigned(draws: list[Published]) -> None:
    draws[-1].offers += [offer(draws[-1], 5, draws[-1].seats[0], draws[-1].waiting()[0])]


def cheat_offer_preference(draws: list[Published]) -> None:
    """Offer a seat in the morning to the first rank, which wants the afternoon only."""
    draw = draws[-1]
    draw.entries = sorted([*draw.entries, *(entry(n, 0, f"{OTHER_DAY[SECOND]}-pm") for n in range(30, 40))])
    draw.cover()
    wants = {line.split(";")[0]: line.split(";")[2] for line in draw.entries}
    first = next(
        result
        for result in draw.waiting()
        if wants[result.receipt].endswith("pm") and "any" not in wants[result.receipt]
    )
    draw.offers = [offer(draw, 5, draw.seats[0], first)]


def cheat_unassigned_later(draws: list[Published]) -> None:
    draws[-1].offers = [
        offer(draws[-1], 0, draws[-1].seats[0], draws[-1].waiting()[0]),
        offer(draws[-1], 0, "unassigned", draws[-1].ranks()[0]),
    ]


SEAT, OTHER_SEAT, PAST_SEAT = "2024-07-30T09:15/001", "2024-08-06T09:15/001", "2024-07-13T09:15/001"
CHEATS: dict[str, tuple[Cheat, str]] = {
    "an entry added": (lambda d: d[-1].entries.append(f"zz{receipt(7)[2:]};0;any"), "other numbers"),
    "an entry dropped": (lambda d: d[-1].entries.pop(), "other numbers"),
    "an entry replaced": (
        lambda d: d[-1].entries.__setitem__(-1, f"zz{receipt(7)[2:]};0;any"),
        "the root is not that of the published entries",
    ),
    "a preference changed": (lambda d: change_entry(d[-1], 0, "any", f"{OTHER_DAY[SECOND]}-am"), "the root is not"),
    "a seat of the list changed": (lambda d: d[-1].seats.__setitem__(0, "2024-07-30T09:00/001"), "the root is not"),
    "a weight, covered up": (cheat_waited, "lost 1 draws according to the earlier records, not 2"),
    "a new receipt with a weight, covered up": (cheat_new_receipt, "lost 0 draws according to the earlier records"),
    "a share, covered up": (cheat_share, "the promise is not that of these rules"),
    "a rank": (lambda d: cheat_swap(d[-1].results), "the result at rank 1 must be"),
    "a seat": (lambda d: d[-1].results.__setitem__(0, d[-1].results[0][:-20] + "-"), "the result at rank 1 must be"),
    "results that end too soon": (lambda d: d[-1].results.pop(), "results are published for"),
    "another round": (cheat_round, "the round that decides is 9367912, not 9367913"),
    "another seed, covered up": (cheat_seed, "the seed is not the one that the commitment fixed"),
    "another seed and commitment": (lambda d: cheat_seed(d, commitment=True), "the promise is not that of these rules"),
    "other randomness": (
        lambda d: cheat_record(d, randomness="ab" * 32),
        "the randomness is not that of the signature",
    ),
    "the code of another version": (lambda d: cheat_record(d, code="9"), "the promise is not that of these rules"),
    "another chain": (lambda d: cheat_beacon(d, chain="ab" * 32), "neither drand's quicknet nor a commitment"),
    "another beacon": (lambda d: cheat_beacon(d, kind="dice"), "neither drand's quicknet nor a commitment"),
    "late, with the round of those in time": (cheat_late, "the round that decides is 9368812"),
    "late, and silent about it": (
        lambda d: cheat_record(d, frozen_at="2024-07-13T23:35:01+02:00"),
        "must say whether the lists were published late: True",
    ),
    "frozen before the close": (
        lambda d: cheat_record(d, frozen_at="2024-07-13T23:15:59+02:00"),
        "a minute had passed",
    ),
    "drawn before the round": (
        lambda d: cheat_record(d, drawn_at="2024-07-13T23:44:59+02:00"),
        "it was drawn before the round",
    ),
    "a winner in the next draw": (cheat_winner_again, "got or was offered a seat, or left, after an earlier draw"),
    "somebody who left in the next draw": (cheat_left_again, "got or was offered a seat, or left"),
    "an offer out of turn": (lambda d: cheat_offers(d, (SEAT, 1)), "out of turn"),
    "an offer past a winner without a seat": (cheat_offer_past_unassigned, "out of turn"),
    "an offer of a half-day that is not wanted": (cheat_offer_preference, "out of turn"),
    "an offer to a winner": (cheat_offer_to_winner, "has a seat, or has had an offer, or has left"),
    "a second offer": (lambda d: cheat_offers(d, (SEAT, 0), (SEAT, 0)), "has a seat, or has had an offer"),
    "an offer to who left": (lambda d: cheat_offers(d, ("left", 0), (SEAT, 0)), "has a seat, or has had an offer"),
    "an offer of another week": (lambda d: cheat_offers(d, (OTHER_SEAT, 0)), "is of another week"),
    "an offer to another receipt": (
        lambda d: d[-1].offers.append(offer(d[-1], 5, SEAT, d[-1].waiting()[0])[:-26] + receipt(99)),
        "does not have the rank",
    ),
    "an offer to no rank": (
        lambda d: d[-1].offers.append(f"2024-07-14T09:00:00+02:00;{SEAT};999;{receipt(1)}"),
        "does not have the rank 999",
    ),
    "offers in another order of time": (
        lambda d: d[-1].offers.append(offer(d[-1], -1, "left", d[-1].waiting()[0])),
        "not in the order of time",
    ),
    "an offer that is older than the one before": (
        lambda d: d[-1].offers.extend(offer(d[-1], 9 - n, "left", d[-1].waiting()[n]) for n in range(2)),
        "not in the order of time",
    ),
    "an offer of a seat that was over": (
        lambda d: d[-1].offers.append(f"2024-07-30T09:15:00+02:00;{SEAT};2;{d[-1].ranks()[1].receipt}"),
        "when it was over",
    ),
    "a winner without a seat after an offer": (cheat_unassigned_later, "had no seat that could be withheld"),
    "a loser as a winner without a seat": (lambda d: cheat_offers(d, ("unassigned", 0)), "had no seat that could be"),
}


@pytest.mark.parametrize("name", CHEATS)
def test_cheating_is_caught(name: str, run: Run, tmp_path: Path) -> None:
    draws = chain()[:2]
    cheat, message = CHEATS[name]
    cheat(draws)
    code, output = run(write(draws, tmp_path))
    verdict = output.splitlines()[-1]
    assert (code, verdict[:7], message in verdict) == (1, "WRONG: ", True), output


def test_lists_that_are_published_20_minutes_after_the_close_are_not_late(run: Run, tmp_path: Path) -> None:
    draws = chain()[:2]
    draws[-1].record["frozen_at"] = "2024-07-13T23:35:00+02:00"
    assert run(write(draws, tmp_path))[0] == 0


def replace_all(draw: Published) -> None:
    """Replace a record together with its promise and its root, so that it contradicts nothing in itself."""
    draw.entries = draw.entries[1:]
    draw.record["seniority_percent"] = 0
    draw.record["promise"] = draw_record.promise(draw.record)
    draw.cover()


def test_a_record_that_was_replaced_with_promise_and_root_is_caught_by_who_kept_one(run: Run, tmp_path: Path) -> None:
    draws = chain()[:1]
    kept = dict(draws[0].record)
    replace_all(draws[0])
    folder = write(draws, tmp_path)
    assert run(folder)[0] == 0
    for name in ("promise", "root"):
        code, output = run(folder, f"--{name}", kept[name])
        assert (code, f"WRONG: the {name} that you gave is not that of {FIRST}\n") == (1, output)


@pytest.mark.parametrize("place", [0, 1])
def test_an_earlier_record_that_was_replaced_is_caught_by_the_next_one(place: int, run: Run, tmp_path: Path) -> None:
    draws = chain()
    replace_all(draws[place])
    code, output = run(write(draws, tmp_path))
    assert (code, f"the record of {draws[place].week} was changed" in output) == (1, True), output


def test_an_earlier_record_with_another_result_is_caught(run: Run, tmp_path: Path) -> None:
    draws = chain()
    cheat_swap(draws[0].results)
    assert run(write(draws, tmp_path))[1].startswith(f"WRONG: {FIRST}: the result at rank 1 must be")


def test_the_promise_of_another_week_is_named(run: Run, tmp_path: Path) -> None:
    draws = chain()
    code, output = run(write(draws, tmp_path), "--promise", draws[0].record["promise"])
    assert (code, f"not that of {THIRD}: it is that of {FIRST}" in output) == (1, True)


def test_a_missing_record_is_caught(run: Run, tmp_path: Path) -> None:
    draws = chain()
    folder = write(draws[1:], tmp_path)
    code, output = run(folder)
    assert (code, f"the record before {SECOND} is missing" in output) == (2, True)
    write([draws[0], draws[2]], tmp_path / "gap")
    assert run(tmp_path / "gap" / THIRD)[0] == 1
    draws[2].record["previous"] = None
    code, output = run(write(draws, tmp_path / "new"))
    assert (code, "says that no draw was before it" in output) == (1, True)


# What drand signed


def test_a_signature_of_another_round_is_caught(run: Run, tmp_path: Path) -> None:
    draws = chain()[:1]
    draws[0].record["beacon"]["signature"] = chain()[1].record["beacon"]["signature"]
    draws[0].record["randomness"] = chain()[1].record["randomness"]
    draws[0].cover()
    code, output = run(write(draws, tmp_path))
    assert (code, "is not drand's signature of round 5928395" in output) == (1, True)


@pytest.mark.parametrize("signature", [f"80{'00' * 46}04", "ff" * 48, f"c0{'00' * 47}"])
def test_what_is_no_point_of_the_group_is_no_signature(signature: str) -> None:
    assert verify_draw.verify(123, bytes.fromhex(signature)) is False


def test_without_a_library_the_program_says_that_it_did_not_check_the_signature(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("py_arkworks_bls12381", "py_ecc"):
        monkeypatch.setitem(sys.modules, name, None)
    code, output = run(write(chain()[:1], tmp_path))
    assert (code, "the signature of drand was NOT checked" in output) == (0, True)
    assert f"https://api.drand.sh/{draw_record.DRAND_CHAIN}/public/5928395" in output


def test_py_ecc_verifies_the_signature_too() -> None:
    pytest.importorskip("py_ecc")
    beacon = chain()[0].record["beacon"]
    signature = bytes.fromhex(beacon["signature"])
    for number, expected in ((beacon["round"], True), (beacon["round"] + 1, False)):
        message = verify_draw.sha256(number.to_bytes(8, "big"))
        assert verify_draw.verify_with_py_ecc(message, signature) is expected


def test_the_randomness_of_a_draw_without_a_beacon_is_its_root(run: Run, tmp_path: Path) -> None:
    draws = chain()
    draws[-1].record["randomness"] = "ab" * 32
    draws[-1].draw()
    assert "the randomness is not the root" in run(write(draws, tmp_path))[1]


# Bad input


def bad(name: str, content: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / f"{name}.txt").write_bytes(content)


GOOD = chain()[0]
ENTRIES = GOOD.text("entries").encode()
LINES = ENTRIES.splitlines(keepends=True)
BAD: dict[str, tuple[Callable[[Path], object], int, str]] = {
    "a line twice": (bad("entries", LINES[0] + ENTRIES), 1, "not sorted, or has a line twice"),
    "a receipt twice": (bad("entries", LINES[0].replace(b";0;", b";1;") + ENTRIES), 1, "has a line twice"),
    "unsorted": (bad("entries", b"".join(LINES[::-1])), 1, "not sorted"),
    "unsorted seats": (bad("seats", GOOD.text("seats").encode() + b"2024-04-02T09:15/001\n"), 1, "not sorted"),
    "a seat of another week": (bad("seats", b"2024-04-09T09:15/001\n"), 1, "is not in the week 2024-W14"),
    "a malformed seat": (bad("seats", b"2024-04-02 09:15/001\n"), 1, "line 1 of the list of seats is malformed"),
    "an empty line": (bad("entries", b"\n" + ENTRIES), 1, "line 1 of the list of entries is malformed: ''"),
    "no line feed at the end": (bad("entries", ENTRIES[:-1]), 1, "does not end with a line feed"),
    "Windows line ends": (bad("entries", ENTRIES.replace(b"\n", b"\r\n")), 1, "line 1 of the list of entries"),
    "UTF-16": (bad("entries", ENTRIES.decode().encode("utf-16")), 1, "is not ASCII"),
    "a byte order mark": (bad("entries", b"\xef\xbb\xbf" + ENTRIES), 1, "is not ASCII"),
    "Latin-1": (bad("entries", ENTRIES.replace(b"any", b"\xe9ny", 1)), 1, "is not ASCII"),
    "a receipt in capitals": (bad("entries", LINES[0].upper()), 1, "line 1 of the list of entries is malformed"),
    "a waited with a zero before": (bad("entries", ENTRIES.replace(b";0;", b";00;")), 1, "is malformed"),
    "a half-day without seats": (bad("entries", ENTRIES.replace(b"-02-am", b"-03-am")), 1, "a half-day without seats"),
    "a million lines and one": (bad("entries", b"x\n" * 1_000_001), 2, "has more than 1000000 lines"),
    "no offers": (lambda folder: (folder / "offers.txt").unlink(), 2, "offers.txt"),
    "a malformed offer": (bad("offers", b"2024-04-01;left;1\n"), 1, "line 1 of the list of offers is malformed"),
    "no such moment": (
        bad("offers", f"2024-13-01T09:00:00+02:00;left;1;{receipt(1)}\n".encode()),
        1,
        "'2024-13-01T09:00:00+02:00' is no moment",
    ),
    "a control character": (bad("results", b"1;\x1b[2J;-\n" * 10), 1, r"\x1b[2J"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_list_gets_a_clear_refusal(name: str, run: Run, tmp_path: Path) -> None:
    folder = write(chain()[:1], tmp_path)
    spoil, code, message = BAD[name]
    spoil(folder)
    ended, output = run(folder)
    assert (ended, message in output) == (code, True), output
    assert output.isascii()


RECORD = json.dumps(GOOD.record)


def without(name: str) -> str:
    return json.dumps({key: value for key, value in GOOD.record.items() if key != name})


def with_(**fields: object) -> str:
    return json.dumps(GOOD.record | fields)


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [
        (RECORD.encode("utf-16"), 2, "as JSON in UTF-8"),
        (b"<!doctype html>", 2, "as JSON in UTF-8"),
        (b"[1]", 2, "not the record of a draw"),
        (b"[" * 100_000, 2, "as JSON in UTF-8"),
        (b'{"a": NaN}', 2, "NaN"),
        (b'{"draws": []}', 2, "not the record of a draw"),
        (b" " * 1_000_001, 2, "longer than 1000000 bytes"),
        (RECORD.replace('"week"', '"week": "2024-W15", "week"').encode(), 2, "a field is there twice"),
        (with_(week=SECOND).encode(), 1, f"{FIRST}: this is the record of another week, {SECOND}"),
        (with_(root=GOOD.record["root"].upper()).encode(), 1, "the field root is missing or malformed"),
        (with_(closes="2024-03-16").encode(), 1, "the field closes is missing or malformed"),
        (with_(closes="2024-03-16T11:59:09+99:00").encode(), 1, "is no moment"),
        (with_(seniority_percent=True).encode(), 1, "the field seniority_percent is not a number"),
        (with_(entries=-1).encode(), 1, "the field entries is not a number"),
        (without("frozen_at").encode(), 1, "the field frozen_at is missing"),
        (without("seed").encode(), 1, "the field seed is missing"),
        (without("promise").encode(), 1, "the field promise is missing"),
        (without("root").encode(), 2, "its entries are not frozen yet"),
    ],
)
def test_a_bad_record_gets_a_clear_refusal(content: bytes, code: int, message: str, run: Run, tmp_path: Path) -> None:
    folder = write(chain()[:1], tmp_path)
    (folder / "record.json").write_bytes(content)
    ended, output = run(folder)
    assert (ended, message in output) == (code, True), output


def test_a_window_that_closes_before_it_opens_is_wrong(run: Run, tmp_path: Path) -> None:
    draws = chain()[:1]
    draws[0].record["opens"] = draws[0].record["closes"]
    draws[0].record["promise"] = draw_record.promise(draws[0].record)
    assert "the window closes before it opens" in run(write(draws, tmp_path))[1]


def test_a_draw_that_is_not_drawn_or_void_has_no_result_to_check(run: Run, tmp_path: Path) -> None:
    draws = chain()[:1]
    for name in ("seed", "randomness", "drawn_at"):
        del draws[0].record[name]
    code, output = run(write(draws, tmp_path))
    assert (code, "it is not drawn yet. What is published so far is consistent" in output) == (2, True)
    draws[0].record["void"] = "the seed is lost"
    code, output = run(write(draws, tmp_path))
    assert (code, "the draw was declared void ('the seed is lost')" in output) == (2, True)


@pytest.mark.parametrize("words", [["none"], ["http://x/2024-W14", "--root", "abc"], []])
def test_wrong_arguments_end_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code: object = verify_draw.main(words)
    except SystemExit as ended:
        code = ended.code
    assert code == 2
    assert "".join(capsys.readouterr())


# The program itself


def test_it_shares_no_code_with_the_service_and_imports_only_the_standard_library_and_libraries_for_signatures() -> (
    None
):
    nodes = list(ast.walk(ast.parse(SOURCE, feature_version=(3, 8))))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}
    others = {name.partition(".")[0] for name in names} - sys.stdlib_module_names
    assert others == {"py_arkworks_bls12381", "py_ecc"}


def test_its_functions_are_short() -> None:
    functions = [node for node in ast.walk(ast.parse(SOURCE)) if isinstance(node, ast.FunctionDef)]
    assert [node.name for node in functions if (node.end_lineno or 0) - node.lineno >= 40] == []
