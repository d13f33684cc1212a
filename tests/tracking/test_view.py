"""What is said of where a run is found."""

from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest

from credo.tracking.mlflow import view


def test_a_local_store_says_how_to_look_unless_it_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(view, "_serves", lambda run: False)
    assert view.place(f"sqlite:///{tmp_path}/mlflow.db", False, "1", "ab").splitlines()[1] == "after: credo ui"
    assert view.place("sqlite:////else/mlflow.db", False, "1", "ab").splitlines()[1] == "after: credo ui /else"
    monkeypatch.setattr(view, "_serves", lambda run: True)
    assert "after" not in view.place(f"sqlite:///{tmp_path}/mlflow.db", False, "1", "ab")
    assert "after" not in view.place("http://lab:5000", True, "1", "ab")


@pytest.mark.parametrize(("answer", "is_served"), [(200, True), (404, False)])
def test_a_store_is_served_where_the_server_has_this_very_run(
    monkeypatch: pytest.MonkeyPatch, answer: int, is_served: bool
) -> None:
    asked = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(answer)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer((view.HOST, 0), Server) as server:
        monkeypatch.setattr(view, "PORT", server.server_port)
        thread = Thread(target=server.handle_request)
        thread.start()
        told = view.place("sqlite:////else/mlflow.db", False, "1", "ab")
        thread.join()
    assert asked == ["/api/2.0/mlflow/runs/get?run_id=ab"]
    assert ("after: credo ui /else" not in told) == is_served
