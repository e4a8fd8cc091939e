"""Receipts: what a key has signed passes, and no other spelling of it."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from msgspec import json

from receipts import REAL, split
from simulated import BEGAN, FINISH, TILL, simulate
from tillkeeper.core.signing_units import Algorithm
from tillkeeper.domains.signing.messages import TransactionLog, serial_number_of
from tillkeeper.domains.signing.qr import Signature, qr_code_data
from tillkeeper.surfaces.cli.main import tillkeeper
from tillkeeper.surfaces.cli.tse_der import Wrong
from tillkeeper.surfaces.cli.tse_messages import read_message
from tillkeeper.surfaces.cli.tse_qr import verify_qr


@pytest.mark.parametrize("text", REAL)
def test_the_receipts_of_real_tse_verify(text: str) -> None:
    found = verify_qr(text)
    assert (found.client, found.process_data) == (split(text).client, split(text).process_data)


@given(st.sampled_from(REAL), st.data())
def test_no_letter_of_a_receipt_can_be_changed(text: str, data: st.DataObject) -> None:
    """But for the time of the start, which nobody signs."""
    start = split(text).start
    at = data.draw(st.integers(0, len(text) - 1))
    first = text.index(start)
    if first <= at < first + len(start):
        return
    letter = data.draw(st.characters(exclude_characters=text[at] + "\r\n"))
    with pytest.raises(Wrong):
        verify_qr(text[:at] + letter + text[at + 1 :])


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.replace("V0;", "V1;"),
        lambda t: t.replace(";1;", ";01;"),
        lambda t: t.replace("unixTime", "utcTime"),
        lambda t: t.replace("SHA256", "SHA384"),
        lambda t: t.replace(".000Z", ".000+00:00"),
        lambda t: t[: t.rindex(";")],
        lambda t: t + ";",
        lambda t: t[:0],
        lambda t: t.replace("Beleg^", "\udcff"),
    ],
)
def test_another_spelling_is_refused(change: Callable[[str], str]) -> None:
    for text in REAL:
        with pytest.raises(Wrong):
            verify_qr(change(text))


@pytest.mark.parametrize("algorithm", list(Algorithm))
async def test_our_own_receipts_verify(algorithm: Algorithm) -> None:
    tse = await simulate(algorithm)
    log = TransactionLog(FINISH, TILL, 7, "Kassenbeleg-V1", b"Beleg^0.00_0.00_0.00_0.00_0.00^")
    value = read_message((await tse.sign(log)).content).signature
    text = qr_code_data(log, BEGAN, Signature(value, tse.key.point, tse.counter, tse.time))
    assert text is not None
    found = verify_qr(text)
    assert (found.transaction_number, found.serial_number) == (7, serial_number_of(tse.key.point))


def invoke(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(tillkeeper, ["tse", "qr", *arguments])
    return done.exit_code, done.stdout, done.stderr


def test_the_command_verifies_a_receipt() -> None:
    for text in REAL:
        code, out, _ = invoke(text)
        assert code == 0
        assert split(text).process_data in out
        assert invoke(text.replace("Unbar", "Bar"))[0] == 1
    serial = json.decode(invoke("--json", REAL[0])[1])["serial_number"]
    assert invoke("--serial", serial.upper(), REAL[0])[0] == 0
    code, _, err = invoke("--serial", serial, REAL[1])
    assert code == 1
    assert "Another TSE" in err
