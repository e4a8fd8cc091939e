"""`tillkeeper audit`: a running service seals by itself, and its audit is verified elsewhere."""

import asyncio
import json
import shutil
import tempfile
from collections.abc import Generator
from pathlib import Path

import httpx
import pytest

from service import bootstrap, run, serving
from world import KEY, Json


@pytest.fixture
def own_dir() -> Generator[Path]:
    path = Path(tempfile.mkdtemp(prefix="tillkeeper-audit-", dir="/var/tmp"))
    yield path
    shutil.rmtree(path)


async def test_an_installation_is_sealed_exported_and_verified_offline(own_dir: Path) -> None:
    made = await bootstrap(own_dir)
    async with serving(own_dir) as service:
        async with await service.log_in(made) as client:
            proof = await _make_a_key_and_prove_it(client, made["organization_id"])
        code, out, errors = await run(own_dir, "audit", "verify")
        assert code == 0, errors
        assert out.startswith("Whole: ")
    file = own_dir / "audit.jsonl"
    code, out, errors = await run(own_dir, "audit", "export", str(file))
    assert code == 0, errors
    key = proof["public_keys"][0]["public_key"]
    seal = proof["seal"]
    kept = f"{seal['number']}:{seal['hash']}"
    offline = ("audit", "verify", str(file), "--public-key", key, "--kept", kept)
    code, out, errors = await run(own_dir / "elsewhere", *offline)
    assert code == 0, errors
    assert "0 not sealed yet" in out
    written = file.read_text("utf-8")
    file.write_text(written.replace("till-1", "till-2"), "utf-8")
    code, _, errors = await run(own_dir / "elsewhere", *offline)
    assert code == 1
    assert "was changed after it was sealed" in errors
    assert errors.startswith("Row ")


async def _make_a_key_and_prove_it(client: httpx.AsyncClient, organization_id: str) -> Json:
    path = f"/organizations/{organization_id}"
    created = await client.post(f"{path}/api-keys", json=KEY)
    assert created.status_code == 200, created.text
    log = (await client.get(f"{path}/audit-log", params={"limit": 1})).json()
    proof = f"{path}/audit-log/{log['data'][0]['_id']}/proof"
    async with asyncio.timeout(20):
        # The service seals five times a second; until then the answer asks for patience.
        while (answer := await client.get(proof)).status_code != 200:
            assert answer.json()["code"] == "E_AUDIT_ROW_NOT_SEALED"
    found: Json = answer.json()
    return found


async def test_a_proof_is_verified_offline(own_dir: Path) -> None:
    made = await bootstrap(own_dir)
    async with serving(own_dir) as service, await service.log_in(made) as client:
        proof = await _make_a_key_and_prove_it(client, made["organization_id"])
    file = own_dir / "proof.json"
    file.write_text(json.dumps(proof, indent=2), "utf-8")
    code, out, errors = await run(own_dir / "elsewhere", "audit", "verify", str(file))
    assert code == 0, errors
    assert "is under seal" in out
    file.write_text(json.dumps(proof).replace("till-1", "till-2"), "utf-8")
    code, _, errors = await run(own_dir / "elsewhere", "audit", "verify", str(file))
    assert code == 1
    assert "was changed after it was sealed" in errors


async def test_a_restore_is_declared_and_verified(own_dir: Path) -> None:
    await bootstrap(own_dir)
    code, out, errors = await run(own_dir, "audit", "restored")
    assert code == 0, errors
    assert "begins a new epoch" in out
    assert "0 TSS go on" in out
    code, out, errors = await run(own_dir, "audit", "verify")
    assert code == 0, errors
    assert out.startswith("Whole: 3 rows under 2 seals, 0 not sealed yet")


async def test_a_counter_cannot_be_sent_beyond_what_it_holds(own_dir: Path) -> None:
    for numbers in ("-1", "1000000001"):
        code, _, errors = await run(own_dir, "audit", "restored", "--skip", numbers)
        assert code == 2
        assert "--skip" in errors


async def test_what_is_no_export_is_no_export(own_dir: Path) -> None:
    file = own_dir / "other.txt"
    file.write_text("something else", "utf-8")
    code, _, errors = await run(own_dir, "audit", "verify", str(file))
    assert code == 2
    assert "neither an export nor a proof" in errors
