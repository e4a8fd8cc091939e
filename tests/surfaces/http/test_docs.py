"""The API reference is served whole from here, and serves nothing else."""

import re
from pathlib import Path

import pytest

from tillkeeper.surfaces.http import docs

DOCUMENTS = {"Management API": "/docs/management.json", "SIGN API": "/docs/sign.json"}
STATIC = Path(docs.__file__).with_name("static")
OWN = ("docs.js", "docs.css", "favicon.svg")
SVG = "http://www.w3.org/2000/svg"


@pytest.fixture
def static(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in for the static directory, before `make setup`; a secret lies beside it."""
    directory = tmp_path / "static"
    directory.mkdir()
    for name in OWN:
        (directory / name).write_bytes((STATIC / name).read_bytes())
    (tmp_path / "secret.txt").write_text("secret")
    monkeypatch.setattr(docs, "_STATIC", directory)
    return directory


@pytest.fixture
def vendored(static: Path) -> Path:
    """Stand in for the static directory, after `make setup`."""
    vendor = static / "vendor"
    vendor.mkdir()
    (vendor / "scalar.js").write_text("// the UI")
    (vendor / "scalar.LICENSE.txt").write_text("MIT")
    (vendor / ".stamp").touch()
    return static


def assert_names_no_outside_address(text: str) -> None:
    assert not re.search(r"https?:|[\"'(=]\s*//", text.replace(SVG, "")), text


@pytest.mark.usefixtures("vendored")
def test_the_page_offers_every_document_and_names_no_outside_address() -> None:
    page = docs.reference_page(DOCUMENTS).decode()
    assert all(title in page and path in page for title, path in DOCUMENTS.items())
    assert_names_no_outside_address(page)


@pytest.mark.usefixtures("vendored")
def test_every_asset_the_page_asks_for_is_served() -> None:
    page = docs.reference_page(DOCUMENTS).decode()
    names = re.findall(r'(?:src|href)="/docs/static/([^"]+)"', page)
    assert sorted(names) == ["docs.css", "docs.js", "favicon.svg", "vendor/scalar.js"]
    assert all(docs.static_file(name) for name in names)


@pytest.mark.usefixtures("vendored")
def test_the_page_has_no_inline_script_or_style() -> None:
    page = docs.reference_page(DOCUMENTS).decode()
    assert re.findall(r"<script[^>]*>([^<]*)</script>", page) == ["", ""]
    assert not re.search(r"<style|\sstyle=|\son\w+=", page)


@pytest.mark.usefixtures("vendored")
def test_a_title_cannot_leave_its_attribute() -> None:
    page = docs.reference_page({'"><script>': "/docs/sign.json"}).decode()
    assert '"><script>' not in page


@pytest.mark.usefixtures("static")
def test_without_the_vendored_ui_the_page_says_make_setup_and_links_the_documents() -> None:
    page = docs.reference_page(DOCUMENTS).decode()
    assert "make setup" in page
    assert "<script" not in page
    assert all(f'href="{path}"' in page for path in DOCUMENTS.values())


@pytest.mark.parametrize("name", OWN)
def test_our_own_assets_name_no_outside_address(name: str) -> None:
    asset = docs.static_file(name)
    assert asset is not None
    assert_names_no_outside_address(asset[0].decode())


@pytest.mark.usefixtures("vendored")
@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("docs.js", "text/javascript; charset=utf-8"),
        ("docs.css", "text/css; charset=utf-8"),
        ("favicon.svg", "image/svg+xml"),
        ("vendor/scalar.js", "text/javascript; charset=utf-8"),
        ("vendor/scalar.LICENSE.txt", "text/plain; charset=utf-8"),
    ],
)
def test_an_asset_carries_its_media_type(name: str, media_type: str) -> None:
    asset = docs.static_file(name)
    assert asset is not None
    assert asset[1] == media_type


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "vendor",
        "vendor/",
        "vendor/.stamp",
        "vendor/absent.js",
        "absent.js",
        "DOCS.JS",
        "./docs.js",
        "docs.js/",
        "docs.js\0",
        "../secret.txt",
        "vendor/../../secret.txt",
        "vendor/../docs.js",
        "..%2fsecret.txt",
        "..\\secret.txt",
    ],
)
@pytest.mark.usefixtures("vendored")
def test_any_other_name_is_not_there(name: str) -> None:
    assert docs.static_file(name) is None


def test_an_absolute_path_is_not_there(vendored: Path) -> None:
    assert docs.static_file(str(vendored / "docs.js")) is None


def test_the_policy_allows_only_ourselves() -> None:
    rules = dict(rule.split(" ", 1) for rule in docs.CONTENT_SECURITY_POLICY.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == "'self'"
    assert rules["connect-src"] == "'self'"
    # Inline styles and data: images load nothing from elsewhere; scripts may be neither.
    assert rules.pop("style-src") == "'self' 'unsafe-inline'"
    assert rules.pop("img-src") == "'self' data:"
    assert set(rules.values()) == {"'self'", "'none'"}
