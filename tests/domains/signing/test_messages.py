"""Log messages and QR texts, against what real TSS have signed and what OpenSSL reads."""

import subprocess
from base64 import b64decode
from datetime import datetime

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from receipts import REAL, split
from tillkeeper.domains.signing import system_logs
from tillkeeper.domains.signing.der import integer_octets, oid_octets, tlv
from tillkeeper.domains.signing.messages import (
    SystemLog,
    TransactionLog,
    TransactionOperation,
    finish,
    serial_number_of,
    to_be_signed,
)
from tillkeeper.domains.signing.qr import Signature, qr_code_data, written_time

POINT = b"\x04" + b"\x01" * 64
START, UPDATE, FINISH = TransactionOperation


def read(text: str) -> tuple[TransactionLog, int, Signature]:
    """Read a QR text with nothing but the standard library."""
    said = split(text)
    time_start, time_end = (
        int(datetime.fromisoformat(time).timestamp()) for time in (said.start, said.end)
    )
    data = said.process_data.encode()
    log = TransactionLog(FINISH, said.client, int(said.number), said.process_type, data)
    value, point = b64decode(said.signature), b64decode(said.key)
    return log, time_start, Signature(value, point, int(said.counter), time_end)


@pytest.mark.parametrize("text", REAL)
def test_what_a_real_tss_has_signed_is_what_ours_would_sign(text: str) -> None:
    log, _, signature = read(text)
    signed = to_be_signed(signature.point, log, signature.counter, signature.time)
    r, s = (int.from_bytes(half, "big") for half in (signature.value[:32], signature.value[32:]))
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), signature.point)
    key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))


@pytest.mark.parametrize("text", REAL)
def test_the_qr_text_is_written_as_it_was_read(text: str) -> None:
    assert qr_code_data(*read(text)) == text


@pytest.mark.parametrize(
    "changes",
    [{"client_serial_number": "a;b"}, {"process_type": ";"}, {"process_data": b"\xff"}],
)
def test_what_could_not_be_told_apart_has_no_qr_text(changes: dict[str, str]) -> None:
    log, time_start, signature = read(REAL[0])
    assert qr_code_data(log._replace(**changes), time_start, signature) is None  # type: ignore[arg-type]


def test_times_are_written_in_utc() -> None:
    assert written_time(0) == "1970-01-01T00:00:00.000Z"
    assert written_time(1_629_729_393) == "2021-08-23T14:36:33.000Z"


@given(st.integers(0, 2**63))
def test_integers_are_as_short_as_they_can_be(number: int) -> None:
    octets = integer_octets(number)
    assert int.from_bytes(octets, "big", signed=True) == number
    assert len(octets) == 1 or octets[0] or octets[1] & 0x80


@pytest.mark.parametrize(
    ("number", "octets"), [(0, "00"), (127, "7f"), (128, "0080"), (255, "00ff"), (256, "0100")]
)
def test_integers_of_transactions_are_like_those_of_real_exports(number: int, octets: str) -> None:
    assert integer_octets(number).hex() == octets


@pytest.mark.parametrize(("length", "head"), [(127, "047f"), (128, "048180"), (256, "04820100")])
def test_lengths_are_as_short_as_they_can_be(length: int, head: str) -> None:
    assert tlv(4, bytes(length)).hex() == head + "00" * length


def test_a_start_without_a_type_signs_one_blank() -> None:
    assert TransactionLog(START, "c", 1).certified.endswith(bytes.fromhex("8200830120850101"))


def test_fields_stand_in_the_order_of_the_contract() -> None:
    log = TransactionLog(UPDATE, "till", 128, "T", b"D")
    assert log.certified.hex(" ") == (
        "06 09 04 00 7f 00 07 03 07 01 01 80 11 55 70 64 61 74 65 54 72 61 6e 73 61 63 74 69 6f 6e "
        "81 04 74 69 6c 6c 82 01 44 83 01 54 85 02 00 80"
    )


SYSTEM = {
    system_logs.update_time(1, 128): "updateTime 81 01 01 82 02 00 80",
    system_logs.register_client("Setup"): "registerClient 81 05 53 65 74 75 70",
    system_logs.deregister_client("a"): "deregisterClient 81 01 61",
    system_logs.start_audit(): "startAudit",
    system_logs.exit_secure_state(): "exitSecureState",
    system_logs.configure_logging(): "configureLogging 81 0c 53 4d 41 45 52 53 2d 61 75 64 69 74 "
    "82 01 ff 83 0d 30 0b 80 06 53 4d 41 45 52 53 81 01 ff",
    system_logs.self_test(1): "selfTest 81 06 53 4d 41 45 52 53 82 01 00 83 12 45 52 52 4f 52 5f "
    "55 4e 41 55 54 48 4f 52 49 5a 45 44 84 01 01",
    system_logs.enter_secure_state(1): "enterSecureState 81 01 01",
    system_logs.unblock_user(): "unblockUser 81 08 74 72 2d 61 64 6d 69 6e 82 01 00",
    system_logs.authenticate_user(): "authenticateUser 81 08 74 72 2d 61 64 6d 69 6e 82 01 01 "
    "83 01 ff",
    system_logs.authenticate_user(is_successful=False): "authenticateUser 81 08 74 72 2d 61 64 6d "
    "69 6e 82 01 01 83 01 00",
    system_logs.initialize("a"): "initialize 81 01 61",
    system_logs.log_out(): "logOut 81 08 74 72 2d 61 64 6d 69 6e 82 01 00",
    system_logs.disable_secure_element(1): "disableSecureElement 81 01 01",
}


@pytest.mark.parametrize(("log", "expected"), SYSTEM.items())
def test_a_system_operation_says_what_the_contract_tells(log: SystemLog, expected: str) -> None:
    name, _, content = expected.partition(" ")
    assert (log.operation, log.content.hex(" ")) == (name, content)


@pytest.mark.parametrize(
    ("dotted", "name"),
    [
        ("0.4.0.127.0.7.1.1.4.1.3", "0.4.0.127.0.7.1.1.4.1.3"),
        ("1.2.840.10045.4.3.2", "ecdsa-with-SHA256"),
        ("2.5.4.3", "commonName"),
    ],
)
def test_object_identifiers_are_what_openssl_reads(dotted: str, name: str) -> None:
    assert name in parse(tlv(6, oid_octets(dotted)))


@pytest.mark.parametrize("log", [TransactionLog(FINISH, "c" * 70, 1, "T", b"d" * 300), *SYSTEM])
def test_openssl_parses_every_message(log: TransactionLog | SystemLog) -> None:
    message = finish(to_be_signed(POINT, log, 2**31, 1_700_000_000), b"s" * 64)
    parsed = parse(message)
    assert parsed.count("d=1") >= 9
    assert "INTEGER           :02" in parsed
    assert f"{serial_number_of(POINT)}".upper() in parsed
    assert "INTEGER           :80000000" in parsed


def parse(der: bytes) -> str:
    command = ["openssl", "asn1parse", "-inform", "DER"]
    done = subprocess.run(command, input=der, capture_output=True, check=True)  # noqa: S603 - our own words
    return done.stdout.decode()


def test_file_names_are_flat_and_say_what_is_inside() -> None:
    log = TransactionLog(UPDATE, "a/b ../c", 7)
    assert log.file_name(12, 99) == "Unixt_99_Sig-12_Log-Tra_No-7_Update_Client-a_b .._c.log"
    assert system_logs.log_out().file_name(1, 2) == "Unixt_2_Sig-1_Log-Sys_logOut.log"
