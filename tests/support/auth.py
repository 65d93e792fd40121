"""promp-auth and a folder of keys, as tests use them."""

import json
import os
import re
import stat
import subprocess

import pytest

from .build import BUILD, ERR, scaled

AUTH = str(BUILD / "bin" / "promp-auth")
JOIN = str(BUILD / "tests" / "auth_join")


class Auth:
    """A folder of keys, and promp-auth for it."""

    def __init__(self, folder):
        self.folder = folder
        self.environment = {"PATH": os.environ["PATH"], "PROMP_CONFIG": str(folder), "HOME": "/nonexistent"}
        self.environment.update({k: v for k, v in os.environ.items() if k.endswith("SAN_OPTIONS")})

    def start(self, *args, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        options.setdefault("env", self.environment)
        return subprocess.Popen([AUTH, *map(str, args)], stdout=options.pop("stdout", subprocess.PIPE),
                                stderr=subprocess.PIPE, text=True, **options)

    def run(self, *args, code=0, **options):
        """What it prints; its last complaint is in self.said."""
        process = self.start(*args, **options)
        out, self.said = process.communicate(timeout=scaled(60))
        assert "Sanitizer" not in self.said, self.said
        assert process.returncode == code, f"{args}: {process.returncode}\n{out}{self.said}"
        return out

    def refuses(self, error, *args, code, **options):
        """It ends with this exit code and the number and name of this error; nothing is on standard output."""
        assert self.run(*args, code=code, **options) == ""
        assert f"promp-auth: {ERR[error]} {error}: " in self.said, self.said
        return self.said

    def token(self, role="node", *args):
        out = self.run("token", role, *args)
        assert re.fullmatch(r"promp1:[\w-]+\n", out)
        assert "promp1:" not in self.said
        return out

    def join(self, token, name="joiner"):
        """The name that the joiner got, or the number of the error."""
        done = subprocess.run([JOIN, self.folder, name], input=token, text=True, capture_output=True,
                              timeout=scaled(60), env=self.environment)
        assert "Sanitizer" not in done.stderr, done.stderr
        return done.stdout.strip() if done.returncode == 0 else int(done.stderr.split()[0])

    def list(self, **options):
        return json.loads(self.run("list", "--json", **options))

    def names(self, **wanted):
        return [e["name"] for e in self.list() if all(e[k] == v for k, v in wanted.items())]

    def secret(self):
        """The broker's secret key."""
        return re.search(r'secret-key = "(.*)"', (self.folder / "broker.cert_secret").read_text()).group(1)


@pytest.fixture
def empty(tmp_path):
    return Auth(tmp_path / "keys")


@pytest.fixture
def auth(empty):
    empty.run("init", "--address", "tcp://broker.example:5599")
    return empty


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)
