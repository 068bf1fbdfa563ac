"""The shop: answers over the socket that it is given. Each visit is counted in redis and in PostgreSQL, and greeted from
memcached. Restarted when one of them goes away, it connects again."""
import http.server
import os
import socket
import threading
import time

import psycopg2


def tell(message):
    """The service's word to who supervises it (sd_notify)."""
    address = os.environ.get("NOTIFY_SOCKET")
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.sendto(message.encode(), address.replace("@", "\0", 1))


class Lines:
    """A connection that speaks in lines."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        self.file = self.socket.makefile("rb")

    def ask(self, words):
        self.socket.sendall(words.encode() + b"\r\n")
        return self.answer()

    def answer(self):
        line = self.file.readline().decode().strip()
        if not line:
            raise ConnectionError("it has closed the connection")
        return line


class Shop(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            text = visit()
        except Exception as error:  # its data are gone: another start finds them again
            print("a visit failed:", error, flush=True)
            os._exit(1)
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def address_string(self):
        return "nginx"

    def log_message(self, *words):
        pass


def visit():
    by_redis = redis.ask("INCR visits").lstrip(":")
    with database, database.cursor() as cursor:
        cursor.execute("INSERT INTO visits DEFAULT VALUES RETURNING id")
        by_database = cursor.fetchone()[0]
    greeting = "Welcome"
    if memcached.ask("get greeting").startswith("VALUE"):
        greeting = memcached.answer()
        memcached.answer()
    else:
        memcached.ask(f"set greeting 0 0 {len('Welcome again')}\r\nWelcome again")
    return f"{greeting}. redis counts {by_redis}, PostgreSQL {by_database}.\n"


def heartbeat():
    while True:
        tell("WATCHDOG=1")
        time.sleep(2)


redis = Lines("run/redis/socket")
memcached = Lines("run/memcached/socket")
database = psycopg2.connect(host=os.path.abspath("run/postgres"), user="shop", dbname="shop")
with database, database.cursor() as once:
    once.execute("CREATE TABLE IF NOT EXISTS visits (id serial PRIMARY KEY, at timestamptz DEFAULT now())")

server = http.server.HTTPServer("shop", Shop, bind_and_activate=False)
server.socket = socket.socket(fileno=3)  # the socket that is held for it: LISTEN_FDS
server.address_family = socket.AF_UNIX
threading.Thread(target=heartbeat, daemon=True).start()
tell("READY=1\nSTATUS=open")
server.serve_forever()
