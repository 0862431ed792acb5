"""The pages without a browser: what they are made of, and what their policies forbid."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from automl_serving.page import own_files

from .conftest import Client


class Parts(HTMLParser):
    """The addresses and the inline scripts, styles and handlers of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.inline: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.addresses += [value for name in ("href", "src", "action") if (value := given.get(name))]
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        if tag == "style" or (tag == "script" and "src" not in given):
            self.inline.append(tag)


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_is_made_of_files_of_this_server_alone(client: Client, path: str) -> None:
    page = client.http.get(path)
    assert page.headers["content-type"].startswith("text/html")
    parts = Parts(page.text)
    assert parts.inline == []
    assert parts.addresses
    for address in parts.addresses:
        assert not address.startswith("/"), "the page of one model among several lies below /models/NAME/"
        assert ":" not in address
        assert client.http.get(f"/{address}").status_code == 200, address


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_a_page_may_load_from_and_send_to_its_own_server_only(client: Client, path: str) -> None:
    page = client.http.get(path)
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == "'self'"
    assert policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == "'none'"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in page.headers
    if path == "/":
        assert "unsafe" not in page.headers["content-security-policy"]
        assert policy["require-trusted-types-for"] == "'script'"


def test_pages_hold_nothing_of_the_model(client: Client) -> None:
    for path in ("/", "/docs"):
        for word in ("tenure", "gold", "Churn", "churn"):
            assert word not in client.http.get(path).text


def test_no_script_makes_markup_from_text_or_names_another_server() -> None:
    for name, content in own_files().items():
        text = content.decode()
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function"):
            assert word not in text, name
        addresses = set(re.findall(r"https?://[^\s\"'`]+", text))
        assert addresses <= {"http://www.w3.org/2000/svg"}, name  # the name of a format, which nobody asks


def test_only_files_that_belong_to_the_pages_are_served(client: Client) -> None:
    for name in ("index.html", "page.py", "..%2fpage.py", "%2e%2e/page.py", "%2fetc%2fpasswd", "", "form.js/.."):
        answer = client.http.get(f"/static/{name}", follow_redirects=False)
        assert answer.status_code == 404, name
    assert client.http.get("/static/form.js").headers["content-type"].startswith("text/javascript")
