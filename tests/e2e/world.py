"""What the tests share: one git server, one Stint, and how to ask whether anything got through."""

import contextlib
import os
import random

import agent as agents
import git_server
import stint_server
from suite import equal

# The same server once more, for tokens that are signed as anybody can verify them.
RS256 = """\
---
upstream: git-rs256
kind: git
url: {url}
sensitivity: internal
inject: {{credential: git-password, as: basic, username: {user}}}
token_alg: RS256
"""

README = "repository", "demo/readme.git"
FETCH, PUSH, DELETE = "git.fetch", "git.push", "git.ref.delete"


class World:
    def __init__(self, space):
        self.space = space
        self.git = git_server.GitServer(space)
        self.git.create("demo/readme.git", {"README.md": "# Readme\n\nThis is teh readme.\n"},
                        ["old-idea"])
        self.git.create("demo/other.git", {"README.md": "# Other\n"}, ["old-idea"])
        # 8 MiB that do not compress, sent at 512 KiB a second.
        self.git.create("slow/big.git", {"noise.bin": random.Random(7).randbytes(8 << 20)})
        self.stint = stint_server.StintServer(space)
        directory = self.stint.write_resources(
            self.git, names=("coder", "helper"),
            extra=RS256.format(url=self.git.url, user=self.git.user))
        self.stint.cli("apply", "-f", directory, "--yes")
        self.url = self.stint.gateway + "/u/git/demo/readme.git"
        self._count = 0

    def scratch(self, name):
        """A directory of its own for one test."""
        self._count += 1
        return self.space.dir(f"scratch/{self._count}-{name}")

    def server_files(self):
        """All that the server wrote, but its root key and socket."""
        paths = [os.path.join(self.space.path, "serve.log")]
        for folder, _, names in os.walk(self.stint.home):
            paths += [os.path.join(folder, n) for n in names]
        return [p for p in paths if os.path.isfile(p)]

    @contextlib.contextmanager
    def upstream_sees(self, count):
        """The git server is asked this many times within the block."""
        before = len(self.git.requests())
        yield
        seen = self.git.requests()[before:]
        equal(len(seen), count, f"requests that reached the git server {seen}")

    def sh(self, script, allow, seconds=60, env=None, **options):
        """A shell script inside `stint run`, in a directory of its own."""
        directory = self.scratch("run")
        done = self.stint.run(["sh", "-eu", "-c", f"cd {directory}\n{script}"],
                              allow=allow, seconds=seconds, env=env, **options)
        done.directory = directory
        return done

    def open_agent(self, actions=(FETCH,), repository="demo/readme.git", name="coder", **task):
        """An agent with a task and a token for git, and the gateway's nonce."""
        agent = self.stint.agent(name)
        agent.open_task("check what an agent may do",
                        [agents.grant("git", actions, [repository])],
                        self.stint.idp.id_token(self.stint.alice), **task)
        agent.learn_nonce(self.url + "/info/refs?service=git-upload-pack")
        return agent

    def bob(self):
        return ["--id-token-file", self.stint.id_token_file(self.stint.bob)]

    def alice(self):
        return ["--id-token-file", self.stint.id_token_file(self.stint.alice)]

    def asked(self, task):
        """The ids of what people were asked about a task, oldest first."""
        return [e["approval"] for e in self.stint.events(kind="approval.requested", task=task)]


def reason(response):
    """Why a problem document says no."""
    return response.json()["reason"]
