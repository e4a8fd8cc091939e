"""Numbers that a TSE left out after a restore: said by itself they pass, otherwise not."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from simulated import FINISH, START, TILL, SimulatedTse, simulate
from tillkeeper.domains.exports.archive import Entry
from tillkeeper.domains.signing import system_logs
from tillkeeper.domains.signing.messages import TransactionLog
from tillkeeper.surfaces.cli.main import tillkeeper
from tillkeeper.surfaces.cli.tse_export import Tampered, verify_export


async def sell(tse: SimulatedTse, number: int) -> None:
    await tse.sign(TransactionLog(START, TILL, number))
    await tse.sign(TransactionLog(FINISH, TILL, number))


async def leave_out(
    tse: SimulatedTse, number: int, before: int, *, last: int | None = None
) -> None:
    """Go on so many numbers further, and say which were the last ones."""
    said = tse.counter if last is None else last
    tse.counter += number
    await tse.sign(system_logs.skip_numbers(said, before, before + number))


async def restored(*, is_first: bool = False) -> SimulatedTse:
    """Sell twice, with a restore in between or before."""
    tse = await simulate()
    if is_first:
        await leave_out(tse, 1000, 0)
        await sell(tse, 1001)
    else:
        await sell(tse, 1)
        await leave_out(tse, 1000, 1)
    await sell(tse, 1002)
    return tse


@pytest.mark.parametrize("is_first", [True, False])
async def test_what_the_tse_says_to_have_left_out_is_not_missing(
    tmp_path: Path, *, is_first: bool
) -> None:
    tse = await restored(is_first=is_first)
    found = verify_export(await tse.export(tmp_path / "export.tar"))
    assert (found.left_out, found.transactions, found.messages) == (1000, 2, 5)
    late = await tse.export(tmp_path / "late.tar", change=lambda entries: entries[2:])
    assert verify_export(late).transactions == 1


async def test_the_command_says_how_many_are_left_out(tmp_path: Path) -> None:
    path = await (await restored()).export(tmp_path / "export.tar")
    done = CliRunner().invoke(tillkeeper, ["tse", "verify", str(path)])
    assert done.exit_code == 0
    assert "1,000 numbers, after a restore" in done.stdout
    assert "but what the TSE itself says to have left out" in done.stdout


async def test_without_its_message_the_gap_is_a_gap(tmp_path: Path) -> None:
    tse = await restored()

    def unsaid(entries: list[Entry]) -> list[Entry]:
        return [each for each in entries if "skipNumbers" not in each.name]

    with pytest.raises(Tampered, match="it follows 2: the messages between are missing"):
        verify_export(await tse.export(tmp_path / "export.tar", change=unsaid))


async def test_what_is_missing_before_what_was_left_out_is_missing(tmp_path: Path) -> None:
    """Whoever takes the last messages before a restore away is not covered by what it says."""
    tse = await restored()

    def cut(entries: list[Entry]) -> list[Entry]:
        return [entries[0], *entries[2:]]

    with pytest.raises(Tampered, match="it leaves out what follows 2, and the last is 1"):
        verify_export(await tse.export(tmp_path / "export.tar", change=cut))


async def test_transactions_go_on_where_the_message_says(tmp_path: Path) -> None:
    tse = await simulate()
    await sell(tse, 1)
    await leave_out(tse, 1000, 1)
    await sell(tse, 2)
    with pytest.raises(Tampered, match="transaction 2 begins again, or after its successor"):
        verify_export(await tse.export(tmp_path / "export.tar"))


@pytest.mark.parametrize(
    ("before", "number", "last", "sentence"),
    [
        (0, 1000, None, "leaves out transactions, and the last is 1"),
        (1, 1000, 1, "leaves out what follows 1, and the last is 2"),
        (1, 1000, 5000, "leaves out what follows 5000, and the last is 2"),
    ],
)
async def test_the_message_says_what_was_before(
    tmp_path: Path, before: int, number: int, last: int | None, sentence: str
) -> None:
    tse = await simulate()
    await sell(tse, 1)
    await leave_out(tse, number, before, last=last)
    with pytest.raises(Tampered, match=sentence) as caught:
        verify_export(await tse.export(tmp_path / "export.tar"))
    assert str(caught.value).startswith(tse.entries[-1].name)


@pytest.mark.parametrize("transactions", [-1, 1001])
async def test_no_more_transactions_are_left_out_than_signatures(
    tmp_path: Path, transactions: int
) -> None:
    tse = await simulate()
    await sell(tse, 1)
    tse.counter += 1000
    await tse.sign(system_logs.skip_numbers(2, 1, 1 + transactions))
    with pytest.raises(Tampered, match="leaves out transactions"):
        verify_export(await tse.export(tmp_path / "export.tar"))
