"""Runs tests one after the other, says how each went, and counts: 'N passed, M failed'."""

import sys
import time
import traceback


class Check(AssertionError):
    """What was expected, and what was there instead."""


class Skip(Exception):
    """What this machine lacks for the test."""


def expect(condition, what):
    if not condition:
        raise Check(what)


def equal(got, want, what=""):
    if got != want:
        raise Check(f"{what + ': ' if what else ''}got {got!r}, want {want!r}")


def contains(text, part, what=""):
    if part not in text:
        raise Check(f"{what + ': ' if what else ''}{part!r} is not in {text!r}")


class Suite:
    """`only`: words of the command line; tests whose names have none of them are left out."""

    def __init__(self, only=()):
        self.only = only
        self.passed, self.failed, self.skipped = 0, [], 0

    def run(self, test, *arguments):
        name = test.__name__.removeprefix("test_")
        if self.only and not any(word in name for word in self.only):
            return
        start = time.monotonic()
        try:
            test(*arguments)
        except Skip as why:
            self.skipped += 1
            print(f"skip {name}: {why}")
        except Exception as error:  # a test may fail in any way; the others still run
            self.failed.append(name)
            print(f"FAIL {name} ({time.monotonic() - start:.1f} s)")
            if isinstance(error, Check):
                print(f"     {error}")
                frame = traceback.extract_tb(error.__traceback__)
                for line in frame[1:]:
                    if "suite.py" not in line.filename:
                        print(f"     at {line.filename.rsplit('/', 1)[-1]}:{line.lineno}")
            else:
                traceback.print_exc(file=sys.stdout)
        else:
            self.passed += 1
            print(f"ok   {name} ({time.monotonic() - start:.1f} s)")
        sys.stdout.flush()

    def finish(self):
        for name in self.failed:
            print(f"failed: {name}")
        skipped = f", {self.skipped} skipped" if self.skipped else ""
        print(f"{self.passed} passed, {len(self.failed)} failed{skipped}")
        return 1 if self.failed or not self.passed else 0
