"""The checker: what is whole passes, what was changed in any way does not."""

import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import load_der_x509_certificate
from msgspec import json

from receipts import REAL
from simulated import BEGAN, FINISH, START, TILL, SimulatedTse, simulate
from tillkeeper.core.signing_units import Algorithm
from tillkeeper.domains.exports.archive import Entry
from tillkeeper.domains.signing import certificates, system_logs
from tillkeeper.domains.signing.messages import (
    TransactionLog,
    finish,
    to_be_signed,
)
from tillkeeper.surfaces.cli import tse_qr
from tillkeeper.surfaces.cli.main import tillkeeper
from tillkeeper.surfaces.cli.tse_export import Tampered, verify_export
from tillkeeper.surfaces.cli.tse_messages import read_message

Change = Callable[[list[Entry]], Iterable[Entry]]
MESSAGES = 12 + 3 * 2 + 2 + 2


@pytest.fixture(scope="module")
async def tse() -> SimulatedTse:
    made = await simulate()
    await made.trade(3)
    return made


@pytest.mark.parametrize("algorithm", list(Algorithm))
async def test_a_whole_export_verifies(tmp_path: Path, algorithm: Algorithm) -> None:
    tse = await simulate(algorithm)
    await tse.trade(3)
    found = verify_export(await tse.export(tmp_path / "export.tar"))
    assert (found.messages, found.transactions, found.open_transactions) == (22, 3, 0)
    assert (found.first_counter, found.last_counter, found.certificates) == (1, 22, 3)
    assert "simulator, not certified" in found.subject
    assert "simulator, not certified" in found.manufacturer


@pytest.mark.parametrize("algorithm", list(Algorithm))
async def test_openssl_verifies_every_message_too(tmp_path: Path, algorithm: Algorithm) -> None:
    tse = await simulate(algorithm)
    await tse.trade(2)
    key = load_der_x509_certificate(tse.chain[0]).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.pem").write_bytes(pem)
    digest = {Algorithm.P256: "-sha256", Algorithm.P384: "-sha384"}[algorithm]
    command = ["openssl", "dgst", digest, "-verify", "key.pem", "-signature", "value", "signed"]
    for entry in tse.entries:
        message = read_message(entry.content)
        half = algorithm.size_bytes
        r, s = message.signature[:half], message.signature[half:]
        value = encode_dss_signature(int.from_bytes(r, "big"), int.from_bytes(s, "big"))
        (tmp_path / "value").write_bytes(value)
        (tmp_path / "signed").write_bytes(message.signed)
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)  # noqa: ASYNC221, S603 - our own words
        assert done.stdout == b"Verified OK\n", entry.name


def without(number: int) -> Change:
    return lambda entries: [each for at, each in enumerate(entries) if at != number]


def with_content(number: int, change: Callable[[bytes], bytes]) -> Change:
    def changed(entries: list[Entry]) -> list[Entry]:
        entries[number] = entries[number]._replace(content=change(entries[number].content))
        return entries

    return changed


def renamed(number: int, old: str, new: str) -> Change:
    def changed(entries: list[Entry]) -> list[Entry]:
        name = entries[number].name
        assert old in name
        entries[number] = entries[number]._replace(name=name.replace(old, new))
        return entries

    return changed


CHANGES: dict[str, tuple[Change, int, str]] = {
    "a message is missing": (without(14), 15, "it follows 14: the messages between"),
    "a message stands there twice": (lambda all_: [*all_, all_[7]], 7, "is there twice|used twice"),
    "a signature was changed": (
        with_content(13, lambda der: der[:-1] + bytes([der[-1] ^ 1])),
        13,
        "its signature is wrong",
    ),
    "data was changed": (
        with_content(13, lambda der: der.replace(b"21.42", b"11.42")),
        13,
        "its signature is wrong",
    ),
    "something follows": (with_content(9, lambda der: der + b"\x00"), 9, "something follows"),
    "it is cut off": (with_content(9, lambda der: der[:-1]), 9, "cut off"),
    "it is empty": (with_content(9, lambda _: b""), 9, "has element"),
    "the name has another counter": (renamed(12, "Sig-13", "Sig-99"), 12, "its name says"),
    "the name has another time": (renamed(12, f"_{BEGAN + 13}_", "_1_"), 12, "its name says"),
    "the name has another client": (renamed(12, "ERS 1_a", "ERS 2"), 12, "its name says"),
    "the name has another operation": (renamed(12, "_Start_", "_Finish_"), 12, "its name says"),
    "the name is none": (renamed(12, "Unixt_", "Unix_"), 12, "does not belong"),
}


@pytest.mark.parametrize("what", CHANGES)
async def test_the_first_bad_member_is_named(tse: SimulatedTse, tmp_path: Path, what: str) -> None:
    change, number, sentence = CHANGES[what]
    path = await tse.export(tmp_path / "export.tar", change=change)
    bad = list(change(list(tse.entries)))[number if "missing" not in what else number - 1]
    with pytest.raises(Tampered, match=sentence) as caught:
        verify_export(path)
    assert str(caught.value).startswith(f"{bad.name}: ")


async def test_no_byte_of_an_export_can_be_changed(tse: SimulatedTse, tmp_path: Path) -> None:
    """But for what info.csv says, which nobody signs. Every 61st byte, over all of it."""
    path = await tse.export(tmp_path / "export.tar")
    whole = path.read_bytes()
    free = range(512, 512 + 512)
    for at in range(0, len(whole), 61):
        if at in free:
            continue
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(Tampered):
            verify_export(path)
    path.write_bytes(whole)
    verify_export(path)


async def test_an_export_that_breaks_off_is_not_whole(tse: SimulatedTse, tmp_path: Path) -> None:
    path = await tse.export(tmp_path / "export.tar")
    whole = path.read_bytes()
    for length in (0, 100, 512, 5000, len(whole.rstrip(b"\x00"))):
        path.write_bytes(whole[:length])
        with pytest.raises(Tampered):
            verify_export(path)


async def test_members_may_stand_in_any_order(tse: SimulatedTse, tmp_path: Path) -> None:
    path = await tse.export(tmp_path / "export.tar", change=lambda all_: list(reversed(all_)))
    assert verify_export(path).messages == MESSAGES


async def test_a_filtered_export_may_have_gaps_and_nothing_double(
    tse: SimulatedTse, tmp_path: Path
) -> None:
    one = await tse.export(
        tmp_path / "one.tar", change=lambda all_: [e for e in all_ if "_No-2_" in e.name]
    )
    with pytest.raises(Tampered, match="missing"):
        verify_export(await tse.export(tmp_path / "gap.tar", change=without(14)))
    verify_export(tmp_path / "gap.tar", is_filtered=True)
    assert verify_export(one, is_filtered=True).transactions == 1
    double = await tse.export(tmp_path / "two.tar", change=lambda all_: [*all_, all_[3]])
    with pytest.raises(Tampered, match="twice"):
        verify_export(double, is_filtered=True)


async def test_an_export_may_begin_in_the_middle(tse: SimulatedTse, tmp_path: Path) -> None:
    """Then a transaction that goes on may have begun before it."""
    path = await tse.export(tmp_path / "late.tar", change=lambda all_: all_[13:])
    found = verify_export(path)
    assert (found.first_counter, found.transactions) == (14, 2)


async def signing(*logs: TransactionLog) -> SimulatedTse:
    tse = await simulate()
    for log in logs:
        await tse.sign(log)
    return tse


@pytest.mark.parametrize(
    ("logs", "sentence"),
    [
        ([(START, 2)], "transaction 2 follows 0"),
        ([(START, 1), (START, 3)], "transaction 3 follows 1"),
        ([(START, 1), (START, 1)], "transaction 1 begins again"),
        ([(START, 1), (START, 2), (START, 1)], "transaction 1 begins again"),
        ([(FINISH, 1)], "transaction 1 is not open"),
        ([(START, 1), (FINISH, 1), (FINISH, 1)], "transaction 1 is not open"),
        ([(START, 1), (FINISH, 2)], "transaction 2 is not open"),
    ],
)
async def test_transactions_begin_in_turn_and_end_once(
    tmp_path: Path, logs: list[tuple[str, int]], sentence: str
) -> None:
    """All of it is signed: it is the TSE itself that does what it must not."""
    tse = await signing(*(TransactionLog(word, TILL, number) for word, number in logs))  # type: ignore[arg-type]
    with pytest.raises(Tampered, match=sentence) as caught:
        verify_export(await tse.export(tmp_path / "export.tar"))
    assert str(caught.value).startswith(tse.entries[-1].name)


async def test_a_clock_that_was_set_back_is_found(tmp_path: Path) -> None:
    tse = await signing(TransactionLog(START, TILL, 1))
    tse.time -= 10
    late = await tse.sign(TransactionLog(FINISH, TILL, 1))
    with pytest.raises(Tampered, match="older than message 1") as caught:
        verify_export(await tse.export(tmp_path / "export.tar"))
    assert str(caught.value).startswith(late.name)


async def test_a_counter_that_was_used_twice_is_found(tmp_path: Path) -> None:
    tse = await signing(TransactionLog(START, TILL, 1))
    tse.counter -= 1
    again = await tse.sign(system_logs.log_out())
    with pytest.raises(Tampered, match="signature counter 1 was used twice") as caught:
        verify_export(await tse.export(tmp_path / "export.tar"))
    assert str(caught.value).startswith(again.name)


async def test_what_another_tse_has_signed_is_found(tse: SimulatedTse, tmp_path: Path) -> None:
    other = await signing(TransactionLog(START, TILL, 1))
    mixed = replace(tse, entries=[*other.entries, *tse.entries[1:]])
    with pytest.raises(Tampered, match="another TSE has signed it"):
        verify_export(await mixed.export(tmp_path / "export.tar"))


async def test_an_own_signature_under_anothers_name_is_found(
    tse: SimulatedTse, tmp_path: Path
) -> None:
    """The message names the TSE, but a key of one's own has signed it."""
    forger = await simulate()
    log = TransactionLog(START, TILL, 1)
    signed = to_be_signed(tse.key.point, log, 1, BEGAN)
    value = await forger.unit.sign(forger.owner, forger.key.sealed, signed)
    entry = Entry(log.file_name(1, BEGAN), finish(signed, value), BEGAN)
    forged = replace(tse, entries=[entry])
    with pytest.raises(Tampered, match="its signature is wrong"):
        verify_export(await forged.export(tmp_path / "export.tar"))


async def test_the_chain_must_be_whole_and_right(tse: SimulatedTse, tmp_path: Path) -> None:
    other = (await simulate()).chain
    signer, issuer, root = tse.chain
    for chain, sentence in (
        ([signer, issuer], "issuer is missing"),
        ([signer, root], "issuer is missing"),
        ([issuer, root], "0 certificates of a TSE"),
        ([signer, issuer, root, other[0]], "2 certificates of a TSE"),
        (other, "another TSE has signed it"),
        ([signer, *other[1:]], "issuer is missing"),
        ([*tse.chain, root], "is there twice"),
    ):
        path = await tse.export(tmp_path / "export.tar", chain=chain)
        with pytest.raises(Tampered, match=sentence):
            verify_export(path)


@pytest.mark.parametrize(
    ("is_authority", "sentence"), [("no", "may not issue certificates"), ("yes", "may not sign")]
)
async def test_keys_are_used_for_what_they_are_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_authority: str, sentence: str
) -> None:
    """All signatures are right: the certificates give their keys the wrong use."""
    usage = certificates._usage(is_authority=is_authority == "yes")  # noqa: SLF001 - to swap it
    monkeypatch.setattr(certificates, "_usage", lambda **_: usage)
    tse = await signing(TransactionLog(START, TILL, 1))
    with pytest.raises(Tampered, match=sentence):
        verify_export(await tse.export(tmp_path / "export.tar"))


async def test_a_message_outside_the_life_of_the_certificate_is_found(tmp_path: Path) -> None:
    for time in (BEGAN - 2 * 86_400, BEGAN + 366 * 86_400):
        tse = await simulate()
        tse.time = time
        await tse.sign(system_logs.log_out())
        with pytest.raises(Tampered, match="certificate was not valid"):
            verify_export(await tse.export(tmp_path / "export.tar"))


async def test_an_expired_certificate_still_vouches_for_what_was_signed_then(
    tmp_path: Path,
) -> None:
    long_ago = datetime.now(UTC) - timedelta(days=2000)
    tse = await simulate(now=long_ago)
    tse.time = int(long_ago.timestamp())
    await tse.trade(1)
    assert verify_export(await tse.export(tmp_path / "export.tar")).messages


@pytest.mark.parametrize("info", [b"", b"description", b'"a:","b"\n', b'"\xff:","","","","",""'])
async def test_info_is_the_one_line_that_it_should_be(
    tse: SimulatedTse, tmp_path: Path, info: bytes
) -> None:
    with pytest.raises(Tampered, match=r"info\.csv"):
        verify_export(await tse.export(tmp_path / "export.tar", info=info))


def invoke(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(tillkeeper, ["tse", *arguments])
    return done.exit_code, done.stdout, done.stderr


async def test_the_command_verifies_an_export(tse: SimulatedTse, tmp_path: Path) -> None:
    path = await tse.export(tmp_path / "export.tar")
    code, out, _ = invoke("verify", str(path))
    assert code == 0
    assert "signature counters 1 to 22" in out
    assert "nothing is missing" in out
    code, out, _ = invoke("verify", "--json", str(path))
    assert code == 0
    assert json.decode(out)["is_whole"] is True
    assert json.decode(out)["messages"] == MESSAGES


async def test_the_command_names_what_is_bad_and_ends_with_1(
    tse: SimulatedTse, tmp_path: Path
) -> None:
    path = await tse.export(tmp_path / "export.tar", change=without(14))
    code, out, err = invoke("verify", str(path))
    assert (code, out) == (1, "")
    assert tse.entries[15].name in err
    code, out, _ = invoke("verify", "--json", str(path))
    assert code == 1
    assert tse.entries[15].name in json.decode(out)["reason"]
    assert invoke("verify", "--filtered", str(path))[0] == 0
    assert invoke("verify", str(tmp_path / "none.tar"))[0] == 2


def test_the_checker_runs_without_the_rest(tmp_path: Path) -> None:
    """Copied elsewhere it needs Python and `cryptography`."""
    package = tmp_path / "tillkeeper"
    for folder in ("", "surfaces", "surfaces/cli"):
        (package / folder).mkdir()
        (package / folder / "__init__.py").touch()
    for file in Path(tse_qr.__file__).parent.glob("tse_*.py"):
        shutil.copy(file, package / "surfaces/cli")
    program = (
        "import sys; from tillkeeper.surfaces.cli import tse_export, tse_qr; "
        "tse_qr.verify_qr(sys.argv[1]); "
        "print([name for name in sys.modules if name.startswith(('msgspec', 'rich', 'asyncpg'))])"
    )
    environment = {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", program, REAL[0]]
    done = subprocess.run(command, env=environment, capture_output=True, check=True)  # noqa: S603 - our own words
    assert done.stdout == b"[]\n"
