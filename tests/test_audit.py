import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

import audit


@pytest.fixture
def database():
    """Give the address of a database that knows of one version of click."""

    class Database(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            is_known = ({"name": "click", "ecosystem": "PyPI"}, "8.0.0")
            results = [
                {"vulns": [{"id": "PYSEC-1"}]} if (q["package"], q["version"]) == is_known else {}
                for q in asked
            ]
            body = json.dumps({"results": results}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Database) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/querybatch"
        server.shutdown()
        thread.join()


def test_every_line_of_a_file_is_a_pin_or_an_error():
    text = "# why\n\nclick==8.0.0\nruff[x]==1.0 ; python_version < '3.12'  # more\n"
    assert audit.pins(text) == [("click", "8.0.0"), ("ruff", "1.0")]
    with pytest.raises(ValueError, match="line 2: expected NAME==VERSION, got 'ruff>=1'"):
        audit.pins("click==8.0.0\nruff>=1\n")


def test_versions_with_known_vulnerabilities_are_named(database, tmp_path, capsys):
    pinned = tmp_path / "constraints.txt"
    pinned.write_text("click==8.0.0\nruff==1.0\n")
    assert audit.main(["--database", database, str(pinned)]) == 1
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("click 8.0.0: PYSEC-1")
    assert last == "2 pinned versions, 1 with known vulnerabilities"
    pinned.write_text("click==8.0.1\n")
    assert audit.main(["--database", database, str(pinned)]) == 0


def test_our_own_pins_are_asked_for(database, capsys):
    assert audit.main(["--database", database]) == 0
    assert int(capsys.readouterr().out.split()[0]) > 50


def test_without_a_database_nothing_is_said_to_be_fine(capsys):
    assert audit.main(["--database", "http://127.0.0.1:9/v1/querybatch"]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "got [Errno" in said.err
    assert "nothing was checked" in said.err
