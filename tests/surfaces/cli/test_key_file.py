"""Secrets go only into a file that is for its owner, ours, of this env and of this run."""

import stat
from pathlib import Path

import pytest

from tillkeeper.core.env import Env
from tillkeeper.surfaces.cli.key_file import COLUMNS, KeyFileRefusal, open_key_file

HEADER = ",".join(COLUMNS) + "\n"
ROW = "c-0,Shop,1,k,s,TEST\n"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "keys.csv"


def done_in(path: Path) -> set[str]:
    with open_key_file(path, Env.TEST) as keys:
        return keys.done


def written(path: Path, content: str, mode: int = 0o600) -> Path:
    path.write_text(content)
    path.chmod(mode)
    return path


def test_only_the_owner_can_read_a_new_file(out: Path) -> None:
    assert done_in(out) == set()
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert out.read_text() == HEADER


@pytest.mark.parametrize(
    ("mode", "content", "sentence"),
    [
        (0o640, HEADER, "run chmod 600"),
        (0o604, "", "run chmod 600"),
        (0o600, "name;key\n", "does not begin with external_id"),
        (0o600, "a note without an end", "does not begin with external_id"),
        (0o600, HEADER + ROW.replace("TEST", "LIVE"), "holds keys that are not TEST"),
    ],
)
def test_a_file_that_is_not_right_for_secrets_is_refused_and_left_alone(
    out: Path, mode: int, content: str, sentence: str
) -> None:
    with pytest.raises(KeyFileRefusal, match=sentence):
        done_in(written(out, content, mode))
    assert out.read_text() == content


def test_what_is_there_is_done(out: Path) -> None:
    assert done_in(written(out, HEADER + ROW)) == {"c-0"}


@pytest.mark.parametrize("cut", ["c-1,Shop,2,k,ab", "c"])
def test_a_line_cut_off_by_a_crash_is_not_done_and_goes_away(out: Path, cut: str) -> None:
    assert done_in(written(out, HEADER + ROW + cut)) == {"c-0"}
    assert out.read_text() == HEADER + ROW


def test_a_header_cut_off_by_a_crash_is_written_again(out: Path) -> None:
    assert done_in(written(out, HEADER[:9])) == set()
    assert out.read_text() == HEADER


def test_a_link_is_not_followed(out: Path) -> None:
    out.symlink_to(out.with_name("elsewhere"))
    with pytest.raises(KeyFileRefusal, match="cannot be opened"):
        done_in(out)


def test_a_second_run_at_the_same_time_is_refused(out: Path) -> None:
    with open_key_file(out, Env.TEST), pytest.raises(KeyFileRefusal, match="Another run"):
        done_in(out)
