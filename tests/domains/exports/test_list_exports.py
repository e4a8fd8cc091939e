"""Exports are listed, ordered, filtered and labelled like everything of the SIGN API."""

from uuid import uuid4

import pytest

from tills import SIGN, Till
from world import Json, World, said


@pytest.fixture
async def till(world: World) -> Till:
    opened = await Till(world.shop_live).open()
    for start_date in (1, 2, 3):
        await opened.send("PUT", f"/export/{uuid4()}", {}, start_date=start_date)
    return opened


async def test_a_list_has_what_a_list_has(till: Till) -> None:
    listed: Json = (await till.http.get(f"{SIGN}/export")).json()
    assert (listed["_type"], listed["count"], listed["_env"]) == ("EXPORT_LIST", 3, "LIVE")
    assert {each["state"] for each in listed["data"]} == {"PENDING"}
    assert set(listed["data"][0]) == {
        "_id",
        "_type",
        "_env",
        "_version",
        "tss_id",
        "state",
        "metadata",
        "time_request",
    }


@pytest.mark.parametrize("name", ["states", "states[]", "states[0]", "states%5B0%5D"])
async def test_states_are_asked_for_in_every_spelling(till: Till, name: str) -> None:
    first = (await till.send("GET", "/export"))["data"][0]["_id"]
    await till.send("DELETE", f"/export/{first}")
    cancelled = (await till.http.get(f"{till.path}/export?{name}=CANCELLED")).json()
    assert [each["_id"] for each in cancelled["data"]] == [first]


@pytest.mark.parametrize(
    "by", ["state", "time_request", "time_start", "time_end", "time_expiration", "time_error"]
)
async def test_every_order_is_an_order(till: Till, by: str) -> None:
    asked = [
        [
            each["_id"]
            for each in (await till.send("GET", "/export", order_by=by, order=way))["data"]
        ]
        for way in ("asc", "desc")
    ]
    assert asked[0] == asked[1][::-1]


async def test_an_export_of_another_tss_is_not_found(world: World, till: Till) -> None:
    other = await Till(world.shop_live).open()
    export_id = (await till.send("GET", "/export"))["data"][0]["_id"]
    answer = await other.http.get(f"{other.path}/export/{export_id}")
    assert said(answer) == (404, "E_EXPORT_NOT_FOUND")
    assert (await other.send("GET", "/export"))["count"] == 0


async def test_labels_are_merged_and_taken_away(till: Till) -> None:
    path = f"/export/{(await till.send('GET', '/export'))['data'][0]['_id']}/metadata"
    assert await till.send("PATCH", path, {"LastExported": 7, "by": "me"}) == {
        "LastExported": "7",
        "by": "me",
    }
    assert await till.send("PATCH", path, {"by": None}) == {"LastExported": "7"}
    assert await till.send("GET", path) == {"LastExported": "7"}


async def test_a_file_is_not_there_before_it_is_made(till: Till) -> None:
    export_id = (await till.send("GET", "/export"))["data"][0]["_id"]
    answer = await till.http.get(f"{till.path}/export/{export_id}/file")
    assert said(answer) == (404, "E_EXPORT_NOT_COMPLETED")
