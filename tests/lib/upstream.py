"""An upstream that answers everything, and remembers what reached it and when."""

import http.server
import threading
import time


class Upstream:
    """`seen`: (method, path) → how often; `times`: path → when it was last reached."""

    def __init__(self):
        self.seen, self.times, lock = {}, {}, threading.Lock()
        seen, times = self.seen, self.times

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with lock:
                    seen[(self.command, self.path)] = seen.get((self.command, self.path), 0) + 1
                    times[self.path] = time.monotonic()
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            do_GET = do_POST = answer

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # a gateway dies in the middle: expected
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
