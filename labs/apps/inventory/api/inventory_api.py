"""Inventory's API: what is in the warehouse, over HTTP and JSON. Settings come from the environment alone."""

import json
import os
import re
import signal
import socket
import sys
import threading
import time
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg2
from psycopg2.pool import PoolError, ThreadedConnectionPool

VERSION = "1.0"
MAX_BODY = 64 * 1024


def setting_number(env, name, default):
    text = env.get(name, default)
    try:
        return float(text) if "." in text else int(text)
    except ValueError:
        sys.exit(f"setting {name}: {text!r} is not a number")


class Settings:
    def __init__(self, env):
        self.port = setting_number(env, "PORT", "8080")
        self.database = {
            "host": env.get("DATABASE_HOST", "127.0.0.1"),
            "port": setting_number(env, "DATABASE_PORT", "5432"),
            "dbname": env.get("DATABASE_NAME", "inventory"),
            "user": env.get("DATABASE_USER", "inventory"),
            "password": env.get("DATABASE_PASSWORD", ""),
        }
        self.warehouse = env.get("WAREHOUSE_NAME", "unnamed warehouse")
        self.greeting = env.get("GREETING", "Welcome")
        # Where each movement is also written down as CSV; empty: nowhere.
        self.export_dir = env.get("EXPORT_DIR", "")
        # How long requests are still taken after SIGTERM, until load balancers have noticed.
        self.drain_seconds = setting_number(env, "DRAIN_SECONDS", "0")


class Problem(Exception):
    """An answer that is not 2xx."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


class Database:
    """Connections are made when first needed: the API starts, and says what is wrong, without a database."""

    def __init__(self, settings):
        self.settings = settings
        self.pool = None
        self.lock = threading.Lock()
        # More threads than connections wait here rather than fail.
        self.free = threading.BoundedSemaphore(8)

    def run(self, work):
        """Calls work(cursor) in a transaction; reconnects once if the server dropped an idle connection."""
        with self.free:
            for attempt in (1, 2):
                try:
                    return self._transaction(work)
                except (psycopg2.OperationalError, psycopg2.InterfaceError, PoolError) as error:
                    self._reset()
                    if attempt == 2:
                        where = "{host}:{port}".format(**self.settings.database)
                        reason = str(error).strip().splitlines()[0] if str(error).strip() else "no connection"
                        raise Problem(503, f"database at {where}: {reason}") from error

    def _transaction(self, work):
        with self.lock:
            if self.pool is None:
                self.pool = ThreadedConnectionPool(1, 8, connect_timeout=3, **self.settings.database)
            pool = self.pool
        connection = pool.getconn()
        broken = True
        try:
            with connection, connection.cursor() as cursor:
                result = work(cursor)
            broken = False
            return result
        except Problem:
            broken = False
            raise
        finally:
            pool.putconn(connection, close=broken)

    def _reset(self):
        with self.lock:
            self.pool = None


ITEM_COLUMNS = "id, sku, name, location, quantity, reorder_at"


def as_item(row):
    return dict(zip(ITEM_COLUMNS.split(", "), row))


def text(body, field, longest):
    value = body.get(field)
    if not isinstance(value, str) or not value.strip() or len(value) > longest:
        raise Problem(400, f"`{field}` must be a text of 1 to {longest} characters")
    return value.strip()


def number(body, field, least, most):
    value = body.get(field)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise Problem(400, f"`{field}` must be a whole number from {least} to {most}")
    return value


class Inventory:
    def __init__(self, settings):
        self.settings = settings
        self.database = Database(settings)
        self.draining = False

    def health(self):
        if self.draining:
            raise Problem(503, "shutting down")
        self.database.run(lambda cursor: cursor.execute("SELECT 1"))
        return {"status": "ok"}

    def whoami(self):
        in_pod = "KUBERNETES_SERVICE_HOST" in os.environ
        return {
            "hostname": socket.gethostname(),
            "runsOn": "Kubernetes pod" if in_pod else "virtual machine",
            "version": VERSION,
            "warehouse": self.settings.warehouse,
            "greeting": self.settings.greeting,
            "database": "{host}:{port}".format(**self.settings.database),
        }

    def items(self):
        def work(cursor):
            cursor.execute(f"SELECT {ITEM_COLUMNS} FROM items ORDER BY sku")
            return [as_item(row) for row in cursor.fetchall()]

        return {"items": self.database.run(work)}

    def add(self, body):
        values = (
            text(body, "sku", 20),
            text(body, "name", 80),
            text(body, "location", 20),
            number(body, "quantity", 0, 1_000_000),
        )

        def work(cursor):
            cursor.execute(
                "INSERT INTO items (sku, name, location, quantity) VALUES (%s, %s, %s, %s) "
                f"ON CONFLICT (sku) DO NOTHING RETURNING {ITEM_COLUMNS}",
                values,
            )
            row = cursor.fetchone()
            if row is None:
                raise Problem(409, f"there is an item {values[0]} already")
            return as_item(row)

        return self.database.run(work)

    def adjust(self, item_id, body):
        delta = number(body, "delta", -1_000_000, 1_000_000)
        reason = body.get("reason", "")
        if not isinstance(reason, str) or len(reason) > 80:
            raise Problem(400, "`reason` must be a text of at most 80 characters")

        def work(cursor):
            cursor.execute("SELECT quantity FROM items WHERE id = %s FOR UPDATE", (item_id,))
            row = cursor.fetchone()
            if row is None:
                raise Problem(404, f"there is no item {item_id}")
            if row[0] + delta < 0:
                raise Problem(409, f"only {row[0]} in stock")
            cursor.execute(
                f"UPDATE items SET quantity = quantity + %s WHERE id = %s RETURNING {ITEM_COLUMNS}", (delta, item_id)
            )
            item = as_item(cursor.fetchone())
            cursor.execute(
                "INSERT INTO movements (item_id, delta, reason) VALUES (%s, %s, %s)", (item_id, delta, reason)
            )
            # Inside the transaction: stock that can't be written down doesn't move.
            self.write_down(item, delta, reason)
            return item

        return self.database.run(work)

    def write_down(self, item, delta, reason):
        if not self.settings.export_dir:
            return
        path = os.path.join(self.settings.export_dir, "movements.csv")
        stamp = datetime.now(timezone.utc).isoformat(timespec="seconds")
        line = f'{stamp},{item["sku"]},{delta},{item["quantity"]},"{reason.replace(chr(34), "")}"\n'
        try:
            with open(path, "a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            raise Problem(507, f"could not write to {self.settings.export_dir}: {error.strerror}") from error


class Handler(BaseHTTPRequestHandler):
    server_version = f"inventory/{VERSION}"
    timeout = 30
    app = None

    def do_GET(self):
        routes = {
            "/healthz": self.app.health,
            "/livez": lambda: {"status": "ok"},
            "/items": self.app.items,
            "/whoami": self.app.whoami,
        }
        route = routes.get(self.path.split("?")[0])
        self.reply(200, route or self.nothing_here)

    def do_POST(self):
        path = self.path.split("?")[0]
        adjust = re.fullmatch(r"/items/(\d{1,9})/adjust", path)
        if path == "/items":
            self.reply(201, lambda: self.app.add(self.body()))
        elif adjust:
            self.reply(200, lambda: self.app.adjust(int(adjust.group(1)), self.body()))
        else:
            self.reply(404, self.nothing_here)

    def nothing_here(self):
        raise Problem(404, f"nothing at {self.path.split('?')[0]}")

    def body(self):
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > MAX_BODY:
            raise Problem(413, f"a body has at most {MAX_BODY} bytes")
        try:
            body = json.loads(self.rfile.read(int(length)))
        except ValueError as error:
            raise Problem(400, "the body is not JSON") from error
        if not isinstance(body, dict):
            raise Problem(400, "the body must be a JSON object")
        return body

    def reply(self, status, work):
        try:
            answer = work()
        except Problem as problem:
            status, answer = problem.status, {"error": str(problem)}
        except Exception as error:  # the client gets an answer whatever happens
            log(f"error: {type(error).__name__}: {error}")
            status, answer = 500, {"error": "internal error, see the log"}
        payload = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.send_header("X-Served-By", socket.gethostname())
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, format, *args):
        if self.path != "/healthz" and self.path != "/livez":
            log(f"{self.client_address[0]} {format % args}")


def log(message):
    stamp = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
    print(f"{stamp} {message}", flush=True)


class Server(ThreadingHTTPServer):
    request_queue_size = 128
    # Ending waits for the requests that are being answered.
    daemon_threads = False


def main():
    settings = Settings(os.environ)
    Handler.app = Inventory(settings)
    try:
        server = Server(("", settings.port), Handler)
    except OSError as error:
        log(f"could not listen on port {settings.port}: {error.strerror}")
        return 1

    def stop():
        log(f"asked to end: no more requests in {settings.drain_seconds:g} s, then the last ones are finished")
        Handler.app.draining = True
        time.sleep(settings.drain_seconds)
        server.shutdown()

    def on_signal(*_):
        if not Handler.app.draining:
            threading.Thread(target=stop).start()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    log(f"{settings.warehouse}: listening on port {settings.port}, database " + Handler.app.whoami()["database"])
    server.serve_forever(poll_interval=0.2)
    server.server_close()
    log("ended")
    return 0


if __name__ == "__main__":
    sys.exit(main())
