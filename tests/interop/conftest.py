"""One `stint serve` for the whole run."""

import types

import pytest
import wire  # first: it finds tests/lib

import processes
import stint_server

ALONE = """\
@id("interop-alone")
@because("The coder may work with no human behind it.")
permit (principal == Agent::"coder", action == Action::"task.open", resource)
when { context.task.autonomous };
@id("interop-edge")
@because("A verifier at the edge works with no human behind it.")
permit (principal == Agent::"edge", action == Action::"task.open", resource)
when { context.task.autonomous };
"""
# Nothing is called there: the suite stops at the authorization server.
NOWHERE = types.SimpleNamespace(url="http://127.0.0.1:9", user="stint", password="test-password")


@pytest.fixture(scope="session")
def stint():
    with processes.Workspace("stint-interop-") as space:
        server = stint_server.StintServer(space)
        directory = server.write_resources(NOWHERE, names=("coder", "helper", "edge"),
                                           verifiers=("edge",))
        space.file("resources/alone.cedar", ALONE)
        server.cli("apply", "-f", directory, "--yes")
        yield server


@pytest.fixture
def ask(stint):
    return wire.Ask(stint)


@pytest.fixture
def nothing_opens(stint):
    """The test must leave the log without another task or token."""
    def count():
        return [len(stint.events(kind=kind)) for kind in ("task.opened", "token.minted")]
    before = count()
    yield
    assert count() == before
