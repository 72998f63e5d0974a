"""A real git server: git's http-backend behind nginx and fcgiwrap, with a password."""

import os
import secrets
import shutil
import subprocess

import processes
import raw_http

BACKEND = "/usr/lib/git-core/git-http-backend"

_CONFIG = """
daemon off;
{user}
worker_processes 1;
error_log {dir}/error.log warn;
pid {dir}/nginx.pid;
events {{ worker_connections 256; }}
http {{
  log_format counted '$request_method $request_uri $status $remote_user $bytes_sent';
  access_log {dir}/access.log counted;
  client_body_temp_path {dir}/tmp/body;
  proxy_temp_path {dir}/tmp/proxy;
  fastcgi_temp_path {dir}/tmp/fastcgi;
  uwsgi_temp_path {dir}/tmp/uwsgi;
  scgi_temp_path {dir}/tmp/scgi;
  client_max_body_size 0;
  server {{
    listen 127.0.0.1:{port};
    auth_basic "git";
    auth_basic_user_file {dir}/htpasswd;
    fastcgi_param SCRIPT_FILENAME {backend};
    fastcgi_param GIT_PROJECT_ROOT {dir}/repositories;
    fastcgi_param GIT_HTTP_EXPORT_ALL "";
    fastcgi_param PATH_INFO $uri;
    fastcgi_param REMOTE_USER $remote_user;
    fastcgi_param REMOTE_ADDR $remote_addr;
    fastcgi_param QUERY_STRING $query_string;
    fastcgi_param REQUEST_METHOD $request_method;
    fastcgi_param CONTENT_TYPE $content_type;
    fastcgi_param CONTENT_LENGTH $content_length;
    fastcgi_param SERVER_PROTOCOL $server_protocol;
    fastcgi_read_timeout 300s;
    location / {{ fastcgi_pass unix:{dir}/fcgi.sock; }}
    location /slow/ {{ fastcgi_pass unix:{dir}/fcgi.sock; limit_rate 512k; }}
  }}
}}
"""


class GitServer:
    """Bare repositories at http://127.0.0.1:PORT/NAME, for one user with one password.

    What is below /slow/ is sent at 512 KiB a second, so that a clone takes a while.
    """

    user = "stint"

    def __init__(self, space, password=None):
        self._space, self._markers = space, 0
        self.dir = space.dir("git")
        self.repositories = space.dir("git/repositories")
        space.dir("git/tmp")
        self.password = password or "pw-" + secrets.token_hex(20)
        hashed = subprocess.run(["openssl", "passwd", "-apr1", "-stdin"], input=self.password,
                                capture_output=True, text=True, check=True).stdout.strip()
        space.file("git/htpasswd", f"{self.user}:{hashed}\n")
        self.port = processes.free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        config = _CONFIG.format(dir=self.dir, port=self.port, backend=BACKEND,
                                user="user root;" if os.getuid() == 0 else "")
        config_path = space.file("git/nginx.conf", config)
        socket = os.path.join(self.dir, "fcgi.sock")
        wrap = space.start([_program("fcgiwrap"), "-c", "4", "-s", f"unix:{socket}"],
                           "git/fcgiwrap.log")
        processes.wait_until("fcgiwrap", lambda: os.path.exists(socket), process=wrap)
        self.nginx = space.start([_program("nginx"), "-p", self.dir, "-c", config_path],
                                 "git/nginx.out")
        processes.wait_until("nginx", lambda: processes.accepts(self.port), process=self.nginx)

    def path(self, name):
        return os.path.join(self.repositories, name)

    def git(self, name, *arguments, check=True):
        """git in the bare repository itself, on the server's side."""
        done = self._space.run(["git", "-C", self.path(name), *arguments], check=check)
        return done.stdout.strip()

    def create(self, name, files, branches=()):
        """A bare repository with one commit on main, and branches at that commit."""
        space = self._space
        bare = self.path(name)
        space.run(["git", "init", "-q", "--bare", "-b", "main", bare], check=True)
        self.git(name, "config", "http.receivepack", "true")
        work = space.dir("seed-" + name.replace("/", "-"))
        space.run(["git", "init", "-q", "-b", "main", work], check=True)
        for file, text in files.items():
            with open(os.path.join(work, file), "wb") as f:
                f.write(text if isinstance(text, bytes) else text.encode())
        commit = ["git", "-C", work, "-c", "user.name=Alice", "-c", "user.email=alice@example.com"]
        space.run([*commit, "add", "."], check=True)
        space.run([*commit, "commit", "-q", "-m", "Begin"], check=True)
        refs = ["main", *[f"main:refs/heads/{b}" for b in branches]]
        space.run([*commit, "push", "-q", bare, *refs], check=True)
        shutil.rmtree(work)

    def branches(self, name):
        return self.git(name, "for-each-ref", "--format=%(refname:short)", "refs/heads").split()

    def requests(self):
        """What the server was asked so far: 'METHOD URI STATUS USER BYTES', a line each.

        nginx logs a request after it has answered it. One of ours, sent now, is logged after all
        that were answered before: there is one worker, and it does one thing at a time.
        """
        self._markers += 1
        marker = f"GET /marker/{self._markers} "
        raw_http.exchange(self.port, f"{marker}HTTP/1.0\r\n\r\n")
        processes.wait_until("nginx's log", lambda: marker in self._space.log("git/access.log"))
        lines = self._space.log("git/access.log").splitlines()
        return [line for line in lines if not line.startswith("GET /marker/")]


def _program(name):
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
    if not found:
        raise RuntimeError(f"{name} is not installed: make setup")
    return found
