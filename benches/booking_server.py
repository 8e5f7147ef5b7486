"""What an integrator writes over a weekend to sell seats for pass Culture: the steps of a booking as plainly as Python does them, nothing durable.

Peer of the gateway's booking route. Reads the message (JSON inside a JSON string), checks the HMAC over the inner text, remembers the booking's
fingerprint in a dict, sells at a vendor over a kept connection, answers tickets. A second message of one booking gets the first one's answer. A crash
forgets everything. Standard library only.

Usage: booking_server.py PORT HMAC_KEY VENDOR_HOST:PORT        PORT 0 takes a free one; "listening on PORT" is printed once it answers

The vendor takes POST /sale {"show", "quantity", "reference"} and answers 201 {"tickets": [{"barcode", "seat"}], "remaining"} or 409 {"remaining"}.
"""

import hashlib
import hmac
import http.client
import json
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MAX_BODY_BYTES = 64 * 1024
VENDOR_TIMEOUT_SECONDS = 6.0


class Bookings:
    """One answer per fingerprint; whoever comes second waits for the first."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.known: dict[tuple, tuple[threading.Event, list]] = {}

    def once(self, fingerprint: tuple, sell) -> tuple[int, dict]:
        with self.lock:
            first = fingerprint not in self.known
            done, answer = self.known.setdefault(fingerprint, (threading.Event(), []))
        if not first:
            done.wait(VENDOR_TIMEOUT_SECONDS + 1)
            return answer[0] if answer else (503, {"error": "unclear"})
        try:
            answer.append(sell())
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
            # Perhaps sold, perhaps not: what the gateway repairs is lost here.
            answer.append((503, {"error": "unclear"}))
        finally:
            done.set()
        return answer[0]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # one packet for head and body
    key: bytes
    vendor: str
    bookings: Bookings
    threads = threading.local()

    def do_POST(self) -> None:
        try:
            length = int(self.headers.get("Content-Length", ""))
        except ValueError:
            length = -1
        if not 0 <= length <= MAX_BODY_BYTES:
            # What follows cannot be told from the next request.
            self.close_connection = True
            return self.answer(413, {"error": "length"})
        body = self.rfile.read(length)
        try:
            inner = json.loads(body)
            text = inner.encode()
        except (ValueError, AttributeError):
            return self.answer(400, {"error": "not a JSON string"})
        signature = hmac.new(self.key, text, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(signature.encode(), self.headers.get("PassCulture-Signature", "").encode()):
            return self.answer(401, {"error": "signature"})
        try:
            message = json.loads(inner)
            fingerprint = tuple(
                message[field] for field in ("stock_id", "user_email", "booking_creation_date", "booking_quantity")
            )
            show, quantity = message["stock_id_at_provider"], message["booking_quantity"]
            answer = self.bookings.once(fingerprint, lambda: self.sell(show, quantity))
        except (ValueError, KeyError, TypeError):
            return self.answer(400, {"error": "not a booking"})
        return self.answer(*answer)

    def sell(self, show: str, quantity: int) -> tuple[int, dict]:
        order = json.dumps({"show": show, "quantity": quantity, "reference": uuid.uuid4().hex})
        connection = getattr(self.threads, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection(self.vendor, timeout=VENDOR_TIMEOUT_SECONDS)
            self.threads.connection = connection
        try:
            connection.request("POST", "/sale", order, {"Content-Type": "application/json"})
            response = connection.getresponse()
            sale = json.loads(response.read())
        except BaseException:
            self.threads.connection = None
            connection.close()
            raise
        if response.status == 409:
            remaining = int(sale["remaining"])
            error = "not_enough_seats" if remaining else "sold_out"
            return 409, {"error": error, "remainingQuantity": remaining}
        if response.status != 201 or len(sale["tickets"]) != quantity:
            raise ValueError("no sale")
        return 200, {"tickets": sale["tickets"], "remainingQuantity": sale["remaining"]}

    def answer(self, status: int, body: dict) -> None:
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 1024
    daemon_threads = True


def main(port: str, key: str, vendor: str) -> None:
    Handler.key, Handler.vendor, Handler.bookings = key.encode(), vendor, Bookings()
    server = Server(("127.0.0.1", int(port)), Handler)
    print(f"listening on {server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:4])
