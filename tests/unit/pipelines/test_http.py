"""Whatever a server answers ends in an answer that was asked for, or in a sentence."""

from typing import Any

import pytest

from interlock_pipelines.errors import BadInput, PipelineError, Refused, Unavailable
from interlock_pipelines.http import Http

URL = "https://mlflow.example/api"


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (400, Refused, "Check what was asked for"),
        (401, Refused, "account 'trainer' may not do this"),
        (403, Refused, "account 'trainer' may not do this"),
        (302, Refused, "answered 302"),
        (500, Unavailable, "Look at the server's log"),
        (503, Unavailable, "Look at the server's log"),
    ],
)
def test_a_status_becomes_a_sentence(
    server: Any, status: int, kind: type[PipelineError], said: str
) -> None:
    server.handler = lambda *_: server.answer(status)
    with pytest.raises(kind, match=said) as caught:
        Http("MLflow", ("trainer", "hunter2")).send("GET", URL)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b'{"error_code": "X", "message": "the name is taken\\n."}',
        b'{"errors": [{"code": "X", "message": "the name is taken\\n."}]}',
    ],
)
def test_what_mlflow_or_a_registry_says_is_shown_and_not_obeyed(server: Any, body: bytes) -> None:
    server.handler = lambda *_: server.answer(409, body)
    with pytest.raises(Refused, match=r"\(the name is taken\\n\)"):
        Http("MLflow").send("POST", URL)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"", b'{"errors": []}', b'{"message": 7}'])
def test_an_error_without_a_message_is_told_without_one(server: Any, body: bytes) -> None:
    server.handler = lambda *_: server.answer(404, body)
    with pytest.raises(Refused, match="answered 404"):
        Http("MLflow").send("POST", URL)


@pytest.mark.parametrize("body", [b"<html>", b"[]", b""])
def test_a_login_page_is_no_answer(server: Any, body: bytes) -> None:
    server.handler = lambda *_: server.answer(200, body, Content_Type="text/html")
    with pytest.raises(Unavailable, match="answered text/html where a JSON object"):
        Http("MLflow").json("GET", URL)


def test_the_account_goes_along(server: Any) -> None:
    server.handler = lambda *_: server.answer(200)
    Http("MLflow", ("trainer", "a:b")).json("POST", URL, {"x": 1})
    ((method, url, body, headers),) = server.asked
    assert (method, url, body) == ("POST", URL, b'{"x": 1}')
    assert headers["Authorization"] == "Basic dHJhaW5lcjphOmI="


@pytest.mark.parametrize("url", ["mlflow.example", "http://[", "nowhere:/x"])
def test_what_is_no_address_is_a_bad_argument(url: str) -> None:
    with pytest.raises((BadInput, Unavailable), match="address"):
        Http("MLflow").send("GET", url)
