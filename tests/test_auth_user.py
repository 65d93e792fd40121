"""Aim: promp-auth as a person meets it: passphrases, help, wrong command lines, colours."""

import json
import os
import pty
import select
import signal
import time

import pytest
from support.auth import AUTH, auth, empty  # noqa: F401 - fixtures
from support.build import scaled

COMMANDS = ("init", "token", "list", "show", "revoke", "rotate", "export", "passphrase")

pytestmark = pytest.mark.sanitize

# ---------------------------------------------------------------- passphrases


@pytest.fixture
def source(tmp_path):
    """Makes a file with a passphrase."""
    def make(text, bits=0o600):
        path = tmp_path / f"pass{len(list(tmp_path.iterdir()))}"
        path.write_text(text)
        path.chmod(bits)
        return path
    return make


def test_passphrase_files(empty, source):
    """Aim: a key is locked, changed and unlocked by passphrases from files; a wrong one, an empty one, a readable file are refused."""
    one, two = source("one\n"), source("two")
    empty.run("init", "--passphrase-from", one, "--address", "tcp://h:1")
    locked = (empty.folder / "broker.cert_secret").read_text()
    assert "secret-key" not in locked and "argon2id13" in locked
    empty.token()
    assert json.loads(empty.run("show", "broker", "--json"))[0]["locked"] is True
    empty.refuses("KEY_PASSPHRASE", "passphrase", "broker", "--old-from", two, "--passphrase-from", two, code=5)
    empty.refuses("KEY_PASSPHRASE", "passphrase", "broker", "--old-from", source("\n"), "--remove", code=5)
    empty.refuses("KEY_PASSPHRASE", "passphrase", "broker", "--old-from", source("x" * 1025), "--remove", code=5)
    empty.refuses("KEY_READABLE", "passphrase", "broker", "--old-from", source("one", 0o644), "--remove", code=4)
    empty.refuses("KEY_LOCKED", "passphrase", "broker", "--remove", code=5, start_new_session=True)
    assert (empty.folder / "broker.cert_secret").read_text() == locked
    empty.run("passphrase", "broker", "--old-from", one, "--passphrase-from", two)
    assert empty.run("passphrase", "broker", "--old-from", two, "--remove") == "broker is unlocked\n"
    assert len(empty.secret()) == 40
    empty.refuses("KEY_MISSING", "passphrase", "nobody", code=3)


def test_passphrase_descriptor(auth, source):
    """Aim: a passphrase comes from a descriptor too; a locked broker's next key does not become unlocked by itself."""
    reading, writing = os.pipe()
    os.write(writing, b"from a pipe\n")
    auth.run("passphrase", "broker", "--passphrase-from", f"fd:{reading}", pass_fds=[reading])
    auth.refuses("ARGUMENT", "passphrase", "broker", "--old-from", "fd:x", "--remove", code=2)
    auth.refuses("KEY_LOCKED", "rotate", "broker", code=5, start_new_session=True)
    auth.run("rotate", "broker", "--overlap", "0", "--passphrase-from", source("next"))
    assert json.loads(auth.run("show", "broker", "--json"))[0]["locked"] is True
    auth.run("rotate", "broker", "--overlap", "0", "--no-passphrase")
    assert json.loads(auth.run("show", "broker", "--json"))[0]["locked"] is False


class Terminal:
    """promp-auth at a terminal of its own."""

    def __init__(self, auth, *args, **more):
        self.screen = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execve(AUTH, [AUTH, *args], {**auth.environment, **more})

    def until(self, text):
        deadline = time.monotonic() + scaled(30)
        while text not in self.screen:
            assert time.monotonic() < deadline, self.screen
            if select.select([self.fd], [], [], 1)[0]:
                try:
                    self.screen += os.read(self.fd, 4096).decode()
                except OSError:
                    break
        assert text in self.screen, self.screen

    def type(self, text):
        os.write(self.fd, text.encode())

    def end(self):
        try:
            while data := os.read(self.fd, 4096):
                self.screen += data.decode()
        except OSError:
            pass
        os.close(self.fd)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def test_passphrase_terminal(auth):
    """Aim: at the terminal a passphrase is asked for twice and not shown; two that differ change nothing; Ctrl-C ends it."""
    t = Terminal(auth, "passphrase", "broker")
    t.until("The new passphrase: ")
    t.type("hidden words\n")
    t.until("The same again: ")
    t.type("hidden words\n")
    assert t.end() == 0 and "hidden" not in t.screen and "broker is locked" in t.screen

    t = Terminal(auth, "passphrase", "broker", "--remove")
    t.until("Its passphrase: ")
    t.type("\x03")
    assert t.end() == -signal.SIGINT

    t = Terminal(auth, "passphrase", "broker")
    t.until("Its passphrase: ")
    t.type("hidden words\n")
    t.until("The new passphrase: ")
    t.type("a\n")
    t.until("The same again: ")
    t.type("b\n")
    assert t.end() == 5 and "not the same" in t.screen

    t = Terminal(auth, "passphrase", "broker", "--remove")
    t.until("Its passphrase: ")
    t.type("hidden words\n")
    assert t.end() == 0


# ---------------------------------------------------------------- the program


@pytest.mark.parametrize("command", COMMANDS)
def test_help(empty, command):
    """Aim: each command has a help with an example, and is in the program's; what it does not know ends with 2."""
    text = empty.run(command, "--help")
    assert text.startswith(f"promp-auth {command} - ") and "\nusage: " in text and "\nexample: " in text
    assert f"\n  {command} " in empty.run("--help")
    assert empty.run(command, "--no-such-option", code=2) == ""
    assert "--no-such-option" in empty.said and f"promp-auth {command} --help" in empty.said
    assert empty.run(command, "--config", code=2) == ""


@pytest.mark.parametrize("args", [
    (), ("no-such-command",), ("--bad", "list"), ("init", "more"), ("init", "--address", "broker:5599"), ("token",),
    ("token", "king"), ("token", "join"), ("token", "node", "manager"), ("token", "node", "--uses", "0"),
    ("token", "node", "--uses", "65536"), ("token", "node", "--uses", "1x"), ("token", "node", "--expires", "soon"),
    ("token", "node", "--expires", "2020-01-01"), ("token", "node", "--name", "../x"), ("token", "node", "--label", "a b"),
    ("token", "node", "--name", "broker"), ("token", "node", "--workers", "-1"), ("token", "node", "--bytes", "1X"),
    ("token", "node", "--bytes", "99999999T"), ("token", "node", "--address", "tcp://*:1"), ("list", "x"), ("show",),
    ("show", "a", "b"), ("revoke",), ("rotate",), ("rotate", "broker", "--overlap", "never"), ("rotate", "a", "--passphrase"),
    ("rotate", "broker", "--address", "tcp://h:1"), ("rotate", "broker", "--passphrase", "--no-passphrase"),
    ("passphrase",), ("passphrase", "../x"), ("passphrase", "a", "--remove", "--passphrase-from", "x"), ("export", "a", "b"),
])
def test_wrong_command_line(auth, args):
    """Aim: a wrong command line ends with 2, a line on standard error, and no change."""
    before = sorted(os.listdir(auth.folder / "store"))
    assert auth.run(*args, code=2) == ""
    assert auth.said.startswith("promp-auth") and auth.said.count("\n") == 1
    assert sorted(os.listdir(auth.folder / "store")) == before


def test_colours(auth):
    """Aim: colours only on a terminal, and not with NO_COLOR."""
    assert "\033" not in auth.run("list")
    t = Terminal(auth, "list")
    assert t.end() == 0 and "\033[1mNAME" in t.screen
    t = Terminal(auth, "revoke", "nobody")
    assert t.end() == 3 and "\033[31m" in t.screen
    for args in (("list",), ("revoke", "nobody")):
        t = Terminal(auth, *args, NO_COLOR="1")
        t.end()
        assert "\033" not in t.screen


@pytest.mark.plain
def test_no_core(auth):
    """Aim: the program leaves no core file and cannot be looked into, from before it has read a secret."""
    reading, writing = os.pipe()
    process = auth.start("passphrase", "broker", "--passphrase-from", f"fd:{reading}", pass_fds=[reading])
    deadline = time.monotonic() + scaled(20)
    def core_limit():
        with open(f"/proc/{process.pid}/limits") as limits:
            return next(line for line in limits if line.startswith("Max core file size")).split()[4]
    while core_limit() != "0":
        assert time.monotonic() < deadline
        time.sleep(0.01)
    if os.geteuid() != 0:
        assert os.stat(f"/proc/{process.pid}/mem").st_uid == 0
    os.close(writing)
    process.communicate(timeout=scaled(20))
    os.close(reading)


def test_host_name(empty):
    """Aim: without an address the token says this host's name and the usual port, and the user is told so."""
    empty.run("init")
    empty.token()
    assert f"tcp://{os.uname().nodename}:5599, by the name of this host" in empty.said
