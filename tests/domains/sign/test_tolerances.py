"""What deployed clients send, and what they are told: habits that the SIGN API honours."""

from uuid import uuid4

import httpx
import pytest

from tills import SIGN, Till
from world import World, said

VIOLATION = (400, "E_FAILED_SCHEMA_VALIDATION")
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b" \n", b'{"metadata":[]}', b'{"more":1}'])
async def test_an_empty_body_is_spelt_in_many_ways(world: World, body: bytes) -> None:
    till = Till(world.shop_test)
    made = await world.shop_test.put(till.path, content=body, headers=JSON)
    assert (made.status_code, made.json()["metadata"]) == (200, {})
    assert (await world.shop_test.put(till.path, content=b"")).json() == made.json()
    logout = await world.shop_test.post(f"{till.path}/admin/logout", content=body)
    assert (logout.status_code, logout.json()) == (200, {})


async def test_an_empty_array_does_not_take_the_query_for_a_body(world: World) -> None:
    till = await Till(world.shop_test).open()
    answer = await world.shop_test.put(f"{till.path}/tx/{uuid4()}?tx_revision=1&state=x", json=[])
    assert said(answer) == VIOLATION
    assert answer.json()["details"][0]["field"] == "body.state"


async def test_reading_does_not_look_at_a_body(world: World) -> None:
    till = await Till(world.shop_test).open()
    for content in (b"{}", b"[]", b"nonsense"):
        for path in (till.path, f"{SIGN}/tss", f"{till.path}/tx"):
            answer = await world.shop_test.request("GET", path, content=content, headers=JSON)
            assert answer.status_code == 200


async def test_ids_are_answered_in_lower_case(world: World) -> None:
    till = await Till(world.shop_test).open()
    reference = uuid4()
    path = f"{SIGN}/tss/{str(till.tss_id).upper()}/tx/{str(reference).upper()}"
    body = {"state": "ACTIVE", "client_id": str(till.client_id).upper()}
    answer = (await world.shop_test.put(path, json=body)).json()
    assert answer["_id"] == str(reference)
    assert answer["tss_id"] == str(till.tss_id)
    assert answer["client_id"] == str(till.client_id)


async def test_amounts_may_be_numbers_and_defaults_are_filled_in(world: World) -> None:
    till = await Till(world.shop_test).open()
    receipt = {
        "receipt_type": "RECEIPT",
        "amounts_per_vat_rate": [{"vat_rate": 19, "amount": 21.42}],
        "amounts_per_payment_type": [{"payment_type": "CASH", "amount": 21.42}],
    }
    sold = await till.sell({"standard_v1": {"receipt": receipt}})
    shown = sold["schema"]["standard_v1"]["receipt"]
    assert shown["amounts_per_vat_rate"] == [{"vat_rate": "19", "amount": "21.42"}]
    assert shown["amounts_per_payment_type"][0]["currency_code"] == "EUR"
    assert sold["qr_code_data"].split(";")[3] == "Beleg^21.42_0.00_0.00_0.00_0.00^21.42:Bar"


async def test_a_second_question_mark_is_forgiven(world: World) -> None:
    till = await Till(world.shop_test).open()
    sold = await till.sell()
    path = f"{till.path}/tx/{sold['_id']}??tx_revision=1"
    assert (await world.shop_test.get(path)).json()["revision"] == 1


async def test_metadata_are_texts_whatever_comes(world: World) -> None:
    till = Till(world.shop_test)
    await till.create()
    given = {"a": 1, "b": 2.5, "c": True, "d": "x", "e": 3.0}
    kept = {"a": "1", "b": "2.5", "c": "true", "d": "x", "e": "3"}
    path = f"{till.path}/metadata"
    assert (await world.shop_test.patch(path, json=given)).json() == kept
    gone = {"a": None, "b": "", "c": None}
    assert (await world.shop_test.patch(path, json=gone)).json() == {"d": "x", "e": "3"}
    assert (await world.shop_test.get(path)).json() == {"d": "x", "e": "3"}
    wrongs: list[object] = [{"k" * 41: "v"}, {"k": "v" * 501}, {"k": ["v"]}, {"k": {}}, ["v"]]
    for wrong in (*wrongs, {"": "v"}):
        assert said(await world.shop_test.patch(path, json=wrong)) == VIOLATION
    many = {f"k{n}": "v" for n in range(38)}
    assert (await world.shop_test.patch(path, json=many)).status_code == 200
    assert said(await world.shop_test.patch(path, json={"one": "more"})) == VIOLATION
    longest = {"k0": None, "k" * 40: "v" * 500}
    assert (await world.shop_test.patch(path, json=longest)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("PATCH", "/tss/some_tss_id", "can't parse TSS ID: invalid UUID length: 11 (some_tss_id)"),
        ("POST", "/tss/x/admin/auth", "can't parse TSS ID: invalid UUID length: 1 (x)"),
        ("PUT", "/tss/{tss}/client/x", "can't parse client ID: invalid UUID length: 1 (x)"),
        ("PUT", "/tss/x/tx/1", "can't parse TSS ID: invalid UUID length: 1 (x)"),
    ],
)
async def test_what_signs_says_that_it_cannot_parse(
    world: World, method: str, path: str, message: str
) -> None:
    url = SIGN + path.format(tss=uuid4())
    answer = await world.shop_test.request(method, url, json={})
    assert said(answer) == (400, "E_PARSER")
    assert answer.json()["message"] == message


async def test_a_transaction_is_named_by_id_or_number(world: World) -> None:
    till = await Till(world.shop_test).open()
    body = {"state": "ACTIVE", "client_id": str(till.client_id)}
    for name in ("x", "1.5", "-1", "1" * 19):
        signing = await world.shop_test.put(f"{till.path}/tx/{name}", json=body)
        assert said(signing) == (400, "E_PARSER"), name
        for below in ("", "/log", "/metadata"):
            answer = await world.shop_test.get(f"{till.path}/tx/{name}{below}")
            assert said(answer) == VIOLATION


@pytest.mark.parametrize(
    ("method", "path", "field"),
    [
        ("GET", "/tss/x", "tss_id"),
        ("PUT", "/tss/x", "tss_id"),
        ("GET", "/tss/x/metadata", "tss_id"),
        ("PATCH", "/tss/x/metadata", "tss_id"),
        ("GET", "/tss/{tss}/client/x", "client_id"),
    ],
)
async def test_what_only_reads_names_the_parameter(
    world: World, method: str, path: str, field: str
) -> None:
    url = SIGN + path.format(tss=uuid4())
    answer = await world.shop_test.request(method, url, json={})
    assert said(answer) == VIOLATION
    assert answer.json()["message"] == f'params.{field}: should match format "uuid"'


async def test_leading_a_tss_knows_no_other_field(world: World) -> None:
    till = await Till(world.shop_test).initialize()
    for body in (
        {"state": "DISABLED", "more": 1},
        {"state": "CREATED"},
        {},
        {"state": "INITIALIZED", "description": "ä"},
        {"state": "INITIALIZED", "description": "x" * 101},
    ):
        assert said(await world.shop_test.patch(till.path, json=body)) == VIOLATION
    assert (await till.send("GET", ""))["state"] == "INITIALIZED"


async def test_a_browser_may_ask_before_it_signs(world: World) -> None:
    path = f"{SIGN}/tss/{uuid4()}/tx/{uuid4()}"
    asks = {"origin": "https://till.example", "access-control-request-method": "PUT"}
    answer = await world.nobody.options(path, headers=asks)
    assert answer.status_code == 204
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "PUT" in answer.headers["access-control-allow-methods"]
    for http in (world.nobody, world.shop_test):
        refused = await http.put(path, json={}, headers={"origin": "https://till.example"})
        assert refused.headers["access-control-allow-origin"] == "*"


async def test_an_answer_carries_what_is_recorded_of_answers(world: World) -> None:
    answer = await world.shop_test.put(Till(world.shop_test).path)
    assert answer.headers["content-type"] == "application/json; charset=utf-8"
    assert len(answer.headers["request-id"]) == 32
    assert answer.json()["_version"] == "2.2.2"


async def test_a_body_of_more_than_a_mebibyte_is_too_large(world: World) -> None:
    till = await Till(world.shop_test).open()
    schema = {"standard_v1": {"other": "x" * 1_048_576}}
    body = {"state": "ACTIVE", "client_id": str(till.client_id), "schema": schema}
    answer = await world.shop_test.put(f"{till.path}/tx/{uuid4()}", json=body)
    assert answer.status_code == 413


async def test_a_token_is_refused_without_a_code(world: World) -> None:
    for token in ("", "x", "a.b.c"):
        headers = {"authorization": f"Bearer {token}"}
        answer = await world.nobody.get(f"{SIGN}/tss", headers=headers)
        assert (answer.status_code, "code" in answer.json()) == (401, False)
        assert token == "" or token not in answer.json()["message"].split()


async def test_an_idempotency_key_answers_again_what_was_signed(world: World) -> None:
    till = await Till(world.shop_test).open()
    path = f"{till.path}/tx/{uuid4()}"
    body = {"state": "ACTIVE", "client_id": str(till.client_id)}
    answers = [
        await world.shop_test.put(path, json=body, headers={"idempotency-key": "one"})
        for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotency-replayed"] == "true"


async def test_a_wrong_pin_counts_under_an_idempotency_key_as_well(world: World) -> None:
    """The key is not claimed: a claim without an answer would stay in flight."""
    till = await Till(world.shop_test).initialize()
    codes: list[httpx.Response] = []
    for _ in range(6):
        answer = await world.shop_test.post(
            f"{till.path}/admin/auth",
            json={"admin_pin": "000000"},
            headers={"idempotency-key": "one"},
        )
        codes.append(answer)
    assert [each.status_code for each in codes] == [401] * 5 + [423]
    await till.set_pin()
    await till.log_in()
