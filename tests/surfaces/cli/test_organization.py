"""The operator sets the standing of a root: rehearsed first, with a reason, and audited."""

import json
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

from service import bootstrap, run, serving

ROOMY = pytest.mark.timeout(300)
REASON = ("--reason", "Unpaid since May")


@pytest.fixture
def own_dir() -> Generator[Path]:
    path = Path(tempfile.mkdtemp(prefix="tillkeeper-standing-", dir="/var/tmp"))
    yield path
    shutil.rmtree(path)


async def status(data_dir: Path, *arguments: str) -> tuple[int, str]:
    code, out, errors = await run(data_dir, "organization", "status", *arguments)
    return code, " ".join((out + errors).replace("│", " ").split())


@ROOMY
async def test_a_root_is_suspended_and_restored_by_the_operator(own_dir: Path) -> None:
    made = await bootstrap(own_dir)
    root = made["organization_id"]
    async with serving(own_dir) as service, await service.log_in(made) as client:
        code, said = await status(own_dir, root, "suspended", *REASON, "--grace", "0s")
        assert (code, "status: - -> suspended" in said) == (0, True)
        assert "Nothing was changed" in said
        assert (await client.get("/me")).status_code == 200
        code, _ = await status(own_dir, root, "suspended", *REASON, "--grace", "0s", "--yes")
        refused = await client.get("/me")
        assert (code, refused.json()["code"]) == (0, "E_ORGANIZATION_SUSPENDED")
        assert "Unpaid since May" in refused.json()["message"]
        code, _ = await status(own_dir, root, "active", "--reason", "Paid", "--yes")
        assert (code, (await client.get("/me")).status_code) == (0, 200)
        log = (await client.get(f"/organizations/{root}/audit-log")).json()["data"]
        rows = [each for each in log if each["event"] == "organization.status_changed"]
        assert [row["details"]["reason"] for row in rows] == ["Paid", "Unpaid since May"]


@ROOMY
async def test_a_live_one_wants_its_env_and_its_name(own_dir: Path) -> None:
    code, out, errors = await run(
        own_dir, "bootstrap", "--name", "Vendor", "--email", "a@b.de", "--env", "LIVE", "--json"
    )
    assert code == 0, errors
    root = json.loads(out)["organization_id"]
    absent = "00000000-0000-4000-8000-000000000000"
    asked = (root, "archived", *REASON)
    for wrong, says in (
        (asked, "pass --env LIVE"),
        ((*asked, "--env", "LIVE", "--yes"), "confirm with --name"),
        ((*asked, "--env", "LIVE", "--yes", "--name", "vendor"), "confirm with --name"),
        ((root, "archived"), "--reason"),
        ((root, "gone", *REASON), "is not one of"),
        ((*asked, "--grace", "soon"), "--grace should be"),
        ((absent, "archived", *REASON), "no organization"),
    ):
        code, said = await status(own_dir, *wrong)
        assert (code in (1, 2), says in said) == (True, True), said
    code, said = await status(own_dir, *asked, "--env", "LIVE", "--yes", "--name", "Vendor")
    assert (code, "status: - -> archived" in said) == (0, True)
    code, said = await status(own_dir, root, "pending-deletion", *REASON, "--env", "LIVE")
    assert (code, "LIVE" in said) == (1, True)
