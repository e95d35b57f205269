"""Asks from within the pod network, on behalf of the lab server, which reaches it through the API server alone.

GET /http?url=U&times=N        asks N times, each on a fresh connection, and no more after a failure;
                               JSON {"answers": […]}
GET /tcp?host=H&port=P         knocks once; JSON {"state": "open" | "refused" | "silent" | "unknown" | …}
GET /follow?url=U&who=F        asks again and again; a line of JSON four times a second, until the connection ends
GET /burst?seconds=S           asks more often for a while, for those that follow
"""

import http.client
import json
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

PATIENCE_SECONDS = 2.0
FIRST_PATIENCE_SECONDS = (0.2, 0.3, 0.5, 2.0)
MAX_BODY = 256 * 1024
CALM_PER_SECOND, BURST_PER_SECOND = 5, 40
SLOW_SECONDS = 1.0
LINE_SECONDS = 0.25

burst_until = 0.0
burst_began = threading.Event()


def ask(url, patience=PATIENCE_SECONDS):
    """One request without a retry. Its error is the short name that an administrator knows."""
    began = time.monotonic()
    parts = urlsplit(url)
    answer = {}
    connection = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=patience)
    try:
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", path or "/", headers={"Connection": "close"})
        response = connection.getresponse()
        answer = {"status": response.status, "body": response.read(MAX_BODY).decode(errors="replace")}
    except ConnectionRefusedError:
        answer["error"] = "connection refused"
    except ConnectionResetError:
        answer["error"] = "connection reset"
    except (TimeoutError, socket.timeout):
        answer["error"] = "no answer"
    except socket.gaierror:
        answer["error"] = "name not known"
    except (OSError, http.client.HTTPException) as error:
        answer["error"] = type(error).__name__
    finally:
        connection.close()
    answer["ms"] = round((time.monotonic() - began) * 1000)
    return answer


def ask_several(url, times):
    """The first question is put again when it is lost: a Service's address drops packets until each node knows it."""
    answers = [ask(url, FIRST_PATIENCE_SECONDS[0])]
    for patience in FIRST_PATIENCE_SECONDS[1:]:
        if answers[0].get("error") != "no answer":
            break
        answers = [ask(url, patience)]
    while len(answers) < times and answers[-1].get("status") == 200:
        answers.append(ask(url))
    return answers


def knock(host, port):
    try:
        socket.create_connection((host, port), PATIENCE_SECONDS).close()
        return "open"
    except ConnectionRefusedError:
        return "refused"
    except (TimeoutError, socket.timeout):
        return "silent"
    except socket.gaierror:
        return "unknown"
    except OSError as error:
        return error.strerror or "error"


class Follower:
    """Asks at a steady pace, each time in a thread of its own, so that one slow answer delays no other question."""

    def __init__(self, url, who, control):
        self.url, self.who, self.control = url, who, control
        self.lock = threading.Lock()
        self.ended = False
        self.waiting = {}
        self.clear()

    def clear(self):
        self.count, self.failures, self.names, self.control_failures = 0, [], set(), 0

    def ask_once(self):
        asker = threading.get_ident()
        with self.lock:
            self.waiting[asker] = time.monotonic()
        try:
            self.ask_both()
        finally:
            with self.lock:
                del self.waiting[asker]

    def ask_both(self):
        # The control tells an outage from a host that is too slow for anybody.
        control = ask(self.control)
        answer = ask(self.url)
        name = None
        try:
            name = json.loads(answer.get("body", "")).get(self.who)
        except (ValueError, AttributeError):
            pass
        failure = answer.get("error") or (None if answer["status"] == 200 else f"status {answer['status']}")
        with self.lock:
            self.count += 1
            if control.get("status") != 200 or control["ms"] > SLOW_SECONDS * 1000:
                self.control_failures += 1
            elif failure:
                self.failures.append(failure)
            if name:
                self.names.add(str(name))

    def pace(self):
        while not self.ended:
            threading.Thread(target=self.ask_once, daemon=True).start()
            if time.monotonic() < burst_until:
                time.sleep(1 / BURST_PER_SECOND)
            else:
                burst_began.wait(1 / CALM_PER_SECOND)

    def line(self):
        with self.lock:
            oldest = min(self.waiting.values(), default=time.monotonic())
            line = {
                "waitingMs": round((time.monotonic() - oldest) * 1000),
                "asked": self.count,
                "failures": self.failures,
                "who": sorted(self.names),
                "unfair": self.control_failures,
            }
            self.clear()
        return line


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        parts = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        route = {
            "/control": lambda: {"status": "ok"},
            "/http": lambda: {"answers": ask_several(query["url"], int(query.get("times", 1)))},
            "/tcp": lambda: {"state": knock(query["host"], int(query["port"]))},
            "/burst": lambda: burst(float(query["seconds"])),
        }.get(parts.path)
        if parts.path == "/follow":
            self.follow(query)
        elif route:
            self.send(200, route())
        else:
            self.send(404, {"error": "nothing here"})

    def send(self, status, answer):
        payload = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def follow(self, query):
        self.send_response(200)
        self.send_header("Content-Type", "application/jsonl")
        self.send_header("Connection", "close")
        self.end_headers()
        self.close_connection = True
        own = f"http://127.0.0.1:{self.server.server_port}/control"
        follower = Follower(query["url"], query.get("who", "hostname"), own)
        threading.Thread(target=follower.pace, daemon=True).start()
        try:
            while True:
                time.sleep(LINE_SECONDS)
                self.wfile.write((json.dumps(follower.line()) + "\n").encode())
                self.wfile.flush()
        except OSError:
            pass
        finally:
            follower.ended = True

    def log_message(self, *_):
        pass


def burst(seconds):
    global burst_until
    burst_until = time.monotonic() + min(seconds, 60)
    burst_began.set()
    burst_began.clear()
    return {}


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


Server(("", int(sys.argv[1])), Handler).serve_forever()
