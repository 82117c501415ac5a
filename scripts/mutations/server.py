"""A web server on this machine that answers as a hub, a plain server and an object store do, until it goes wrong."""

import hashlib
import json
import random
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from .contents import JSON, ODD_TEXTS, TEXT

COMMIT = hashlib.sha1(b"commit").hexdigest()

#: Bytes of a body without an end after which even this server gives up.
ENDLESS = 4_000_000_000


@dataclass
class Answer:
    """What is sent."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    #: Goes on for ever after the body.
    endless: bool = False
    #: Sent in place of everything else.
    raw: bytes | None = None


def lists(place: Path, prefix: str) -> Answer:
    """An object store's list of what lies below `prefix`."""
    folder = place / prefix
    entries = sorted(folder.iterdir()) if folder.is_dir() else []
    files = "".join(f"<Contents><Key>{escape(prefix + entry.name)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;x&quot;</ETag>"
                    f"<Size>{entry.stat().st_size}</Size><StorageClass>STANDARD</StorageClass></Contents>" for entry in entries if entry.is_file())
    folders = "".join(f"<CommonPrefixes><Prefix>{escape(prefix + entry.name)}/</Prefix></CommonPrefixes>" for entry in entries if entry.is_dir())
    text = (f'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>bucket</Name>'
            f"<Prefix>{escape(prefix)}</Prefix><KeyCount>{len(entries)}</KeyCount><MaxKeys>1000</MaxKeys><Delimiter>/</Delimiter>"
            f"<IsTruncated>false</IsTruncated>{files}{folders}</ListBucketResult>")
    return Answer(200, text.encode(), {"Content-Type": "application/xml"})


def right_answer(place: Path, address: str) -> Answer:
    """What a server without faults says."""
    parts = urlsplit(address)
    path, query = unquote(parts.path).lstrip("/"), parse_qs(parts.query)
    if path.startswith("api/"):
        text = json.dumps({"id": "org/tiny", "sha": COMMIT, "siblings": [{"rfilename": "train.jsonl"}, {"rfilename": "README.md"}]})
        return Answer(200, text.encode(), {"Content-Type": "application/json"})
    if "list-type" in query:
        return lists(place, query.get("prefix", [""])[0])
    hub = "/resolve/" in path
    file = place / ("data/lines.jsonl" if hub and path.endswith(".jsonl") else path.removeprefix("bucket/"))
    if not file.is_file():
        return Answer(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT} if hub else {})
    body = file.read_bytes()
    etag = hashlib.sha1(b"blob %d\0" % len(body) + body).hexdigest()
    return Answer(200, body, {"ETag": f'"{etag}"'} | ({"X-Repo-Commit": COMMIT} if hub else {}))


def other_status(answer: Answer, chance: random.Random) -> None:
    """Refused, moved or put off."""
    answer.status = chance.choice([204, 301, 302, 307, 400, 401, 403, 404, 416, 429, 500, 503, 600])
    answer.headers |= chance.choice([{}, {"Location": chance.choice(["", "/x", "file:///etc/hostname", "http://127.0.0.1:1/", "//", "\x7f"])},
                                     {"Retry-After": chance.choice(["0", "-1", "99999999999999999999", "soon"])}])


def other_body(answer: Answer, chance: random.Random) -> None:
    """Another text."""
    ways = JSON if answer.headers.get("Content-Type") == "application/json" else TEXT
    answer.body = chance.choice(list(ways.values()))(answer.body or b"{}", chance)


def other_header(answer: Answer, chance: random.Random) -> None:
    """A header that says something else, or nothing."""
    name = chance.choice([*answer.headers, "Content-Length", "Content-Range", "Content-Encoding", "Transfer-Encoding"])
    texts = [text for text in ODD_TEXTS if not set(text) & set("\0\n\u202e")]
    answer.headers[name] = chance.choice([*texts, "0", "18446744073709551616", "gzip", "bytes 5-4/3", "chunked", "5"])


def endless(answer: Answer, chance: random.Random) -> None:
    """A body that does not end."""
    answer.endless = True
    answer.body = chance.choice([answer.body, answer.body[:-1], b'{"sha":"', b"["])


def garbage(answer: Answer, chance: random.Random) -> None:
    """No answer, or none of this protocol."""
    answer.raw = chance.choice([b"", b"\0" * 1000, chance.randbytes(200), b"HTTP/1.1 ", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000,
                                b"HTTP/1.1 200 OK\r\nContent-Length: 9" + b"9" * 30 + b"\r\n\r\nabc", b"SSH-2.0-OpenSSH_9.6\r\n"])


DAMAGES = {"another status": other_status, "another body": other_body, "another text": other_body, "another header": other_header,
           "endless": endless, "garbage": garbage}


class Server:
    """Serves one case's folder; from one request on its answers are damaged, unless `damage` is empty."""

    def __init__(self, place: Path, damage: str, chance: random.Random) -> None:
        self.place, self.damage, self.chance = place, damage, chance
        self.first, self.once, self.asked = chance.choice([0, 0, 1, 1, 2, 3, 5]), chance.random() < 0.5, 0
        self.lock = threading.Lock()
        handler = type("Handler", (Handler,), {"owner": self})
        self.listener = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.listener.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.listener.server_port}"
        threading.Thread(target=self.listener.serve_forever, daemon=True).start()

    def answer(self, address: str) -> Answer:
        """What this request gets."""
        answer = right_answer(self.place, address)
        with self.lock:
            number, self.asked = self.asked, self.asked + 1
            if self.damage and (number == self.first or number > self.first and not self.once):
                DAMAGES[self.damage](answer, self.chance)
        return answer

    def close(self) -> None:
        """Stops listening."""
        self.listener.shutdown()
        self.listener.server_close()


class Handler(BaseHTTPRequestHandler):
    """Sends what its server answers."""

    owner: Server

    def log_message(self, *_arguments: object) -> None:
        """Says nothing."""

    def do_GET(self) -> None:
        """Sends head and body."""
        answer = self.owner.answer(self.path)
        try:
            self.send(answer)
        except (OSError, UnicodeError):
            self.close_connection = True

    do_HEAD = do_GET

    def send(self, answer: Answer) -> None:
        """Sends `answer`, as broken as it is."""
        self.close_connection = True
        if answer.raw is not None:
            self.wfile.write(answer.raw)
            return
        head = f"HTTP/1.1 {answer.status} Whatever\r\nConnection: close\r\n"
        headers = answer.headers if answer.endless else {"Content-Length": str(len(answer.body))} | answer.headers
        self.wfile.write((head + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n").encode("utf-8"))
        if self.command == "HEAD":
            return
        self.wfile.write(answer.body)
        sent = 0
        while answer.endless and sent < ENDLESS:
            sent += self.wfile.write(b" " * 1_000_000)
