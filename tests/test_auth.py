"""Aim: promp-auth, driven as its user drives it: keys, tokens, store; two at once, killed, on a full disk, among hostile files."""

import fcntl
import json
import os
import random
import re
import resource
import signal
import subprocess
import time

import pytest
from support.auth import Auth, auth, empty, mode  # noqa: F401 - fixtures
from support.build import ERR, scaled

pytestmark = pytest.mark.sanitize

Z85 = r"[0-9a-zA-Z.\-:+=^!/*?&<>()\[\]{}@%$#]{40}"


# ---------------------------------------------------------------- init, folders


def test_init(empty):
    """Aim: init makes a key and a store with safe rights whatever the umask, says the public key only, and does so once."""
    out = empty.run("init", preexec_fn=lambda: os.umask(0))
    key = re.fullmatch(rf"broker's public key: ({Z85})\n", out).group(1)
    assert mode(empty.folder) == 0o700
    assert mode(empty.folder / "store") == 0o700
    assert mode(empty.folder / "broker.cert") == 0o644
    assert mode(empty.folder / "broker.cert_secret") == 0o600
    assert empty.secret() not in out
    before = (empty.folder / "broker.cert_secret").read_bytes()
    empty.refuses("KEY_EXISTS", "init", code=6)
    assert (empty.folder / "broker.cert_secret").read_bytes() == before
    assert json.loads(empty.run("show", "broker", "--json"))[0]["key"] == key
    assert f'public-key = "{key}"' in empty.run("export")
    assert "secret" not in empty.run("export", "broker")


def test_folder(tmp_path):
    """Aim: --config goes before PROMP_CONFIG, this before XDG_CONFIG_HOME, this before HOME; --config works on both sides."""
    a = Auth(tmp_path / "unused")
    a.environment = {"HOME": str(tmp_path / "home")}
    a.run("init")
    assert (tmp_path / "home/.config/promp/broker.cert").exists()
    a.environment["XDG_CONFIG_HOME"] = str(tmp_path / "xdg")
    a.run("init")
    assert (tmp_path / "xdg/promp/broker.cert").exists()
    a.environment["PROMP_CONFIG"] = str(tmp_path / "config")
    a.run("init")
    assert (tmp_path / "config/broker.cert").exists()
    a.run("--config", tmp_path / "given", "init")
    a.run("show", "broker", "--config", tmp_path / "given")
    assert (tmp_path / "given/broker.cert").exists()
    a.environment = {}
    a.refuses("ARGUMENT", "list", code=2)


@pytest.mark.parametrize("home", ["file/home", "file", "link/home", "x" * 300])
def test_folder_that_cannot_be_made(tmp_path, home):
    """Aim: init, which makes the key, says which folder it cannot make, not that there is no key."""
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    a = Auth(tmp_path / "unused")
    a.environment["XDG_CONFIG_HOME"] = str(tmp_path / home)
    del a.environment["PROMP_CONFIG"]
    assert str(tmp_path) in a.refuses("SYSTEM", "init", code=1)


def test_home_that_cannot_be_made(tmp_path):
    """Aim: likewise where the home is missing, in a folder where nobody may make one."""
    a = Auth(tmp_path / "unused")
    a.environment = {"HOME": "/sys/nonexistent"}
    assert "/sys/nonexistent" in a.refuses("SYSTEM", "init", code=1)


def test_nothing_there(empty):
    """Aim: before init every other command says that there is no key, and makes none."""
    for args in (("token", "node"), ("list",), ("show", "broker"), ("show", "x"), ("revoke", "x"), ("rotate", "broker"),
                 ("rotate", "x"), ("export",), ("passphrase", "broker")):
        empty.refuses("KEY_MISSING", *args, code=3)
    assert not empty.folder.exists()


# ---------------------------------------------------------------- tokens, keys


def test_token_to_key(auth):
    """Aim: a token lets in as many as it says, with what it says, and is used up then; the list tells all of it."""
    token = auth.token("node", "--uses", 2, "--label", "gpu", "--label", "big", "--workers", 7, "--bytes", "2G",
                       "--key-expires", "2099-01-01")
    assert "broker tcp://broker.example:5599" in auth.said
    assert auth.join(token, "alpha") == "alpha"
    assert auth.join(token, "alpha") == "alpha-2"
    assert auth.join(token, "gamma") == ERR["TOKEN_USED"]
    alpha, alpha2, entry = auth.list()
    assert (alpha["name"], alpha["role"], alpha["state"]) == ("alpha", "node", "valid")
    assert (alpha["workers"], alpha["bytes"], alpha["labels"]) == (7, 2 << 30, ["gpu", "big"])
    assert (alpha["expires"], alpha["revoked"], alpha["token"]) == ("2099-01-01T00:00:00Z", None, entry["key"])
    assert alpha["key"] != alpha2["key"]
    assert (entry["role"], entry["grants"], entry["uses"], entry["used"], entry["state"]) == ("join", "node", 2, 2, "used up")
    lines = auth.run("list").splitlines()
    assert [line[lines[0].index("STATE"):].split("  ")[0] for line in lines] == ["STATE", "valid", "valid", "used up"]
    assert "2 of 2" in lines[3] and "2147483648" in lines[1] and not any(line.endswith(" ") for line in lines)
    shown = auth.run("show", "alpha")
    assert "labels:   gpu big" in shown and f"with {entry['name']}" in shown


def test_expired(auth):
    """Aim: a token is refused from its second on, and so is a key."""
    token = auth.token("manager", "--expires", "2s", "--name", "short")
    lasting = auth.token("manager", "--key-expires", "1s")
    assert auth.join(lasting, "m") == "m"
    deadline = time.monotonic() + scaled(20)
    while auth.names(state="expired") != ["m", *(e["name"] for e in auth.list() if e.get("as") == "short")]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert auth.join(token) == ERR["TOKEN_EXPIRED"]
    assert auth.run("token", "node", "--expires", "0", code=2) == ""


def test_mistyped_token(auth):
    """Aim: a wrong character is told as such, something else as something else."""
    token = auth.token()
    assert auth.join(token[:40] + ("a" if token[40] != "a" else "b") + token[41:]) == ERR["TOKEN_CHECKSUM"]
    assert auth.join(token[:-9] + "\n") == ERR["TOKEN_CHECKSUM"]
    assert auth.join("hello\n") == ERR["TOKEN_FORMAT"]
    assert auth.join(" " + token) == "joiner"


def test_foreign_token(auth, tmp_path):
    """Aim: another broker's token is unknown here."""
    other = Auth(tmp_path / "other")
    other.run("init")
    assert auth.join(other.token()) == ERR["ACCESS_UNKNOWN"]


def test_token_secret_is_nowhere(auth):
    """Aim: the store does not hold what a token's owner has: its files do not contain the token's bytes or text."""
    token = auth.token().strip()
    for path in (auth.folder / "store").iterdir():
        text = path.read_text()
        assert token[7:] not in text and "secret" not in text


def test_revoke(auth):
    """Aim: revoking ends a key or token, is repeated without harm, and knows what does not exist."""
    token = auth.token("node", "--uses", 9)
    assert auth.join(token, "a") == "a"
    assert auth.join(token, "b") == "b"
    assert auth.run("revoke", "a") == "a is revoked\n"
    assert auth.run("revoke", "a") == "a was revoked before\n"
    assert auth.names(state="revoked") == ["a"]
    assert auth.join(token, "a") == "a"
    auth.refuses("NOT_FOUND", "revoke", "nobody", code=3)
    assert auth.run("revoke", *[e["name"] for e in auth.list() if e["role"] == "join"])
    assert auth.join(token, "c") == ERR["TOKEN_REVOKED"]
    assert auth.names(state="valid") == ["a", "b"]


def test_rotate_name(auth):
    """Aim: an identity gets a new key by a token; the old one lasts for the overlap; with 0 it ends at once."""
    assert auth.join(auth.token("node", "--label", "x"), "n") == "n"
    token = auth.run("rotate", "n", "--overlap", "1h")
    assert "name n" in auth.said
    assert auth.join(token, "other") == "n"
    old, new = sorted((e for e in auth.list() if e["name"] == "n"), key=lambda e: e["expires"] is None)
    assert old["state"] == new["state"] == "valid" and old["expires"] and new["expires"] is None
    assert new["labels"] == ["x"] and old["key"] != new["key"]
    exported = auth.run("export", "n")
    assert new["key"] in exported or old["key"] in exported
    token = auth.run("rotate", "n", "--overlap", "0")
    assert {e["key"]: e["state"] for e in auth.list() if e["name"] == "n"}[new["key"]] == "expired"
    assert auth.join(token) == "n"
    auth.refuses("NOT_FOUND", "rotate", "nobody", code=3)


def test_rotate_broker(auth):
    """Aim: the next key waits for the end of the overlap, new tokens carry both; with 0 it is used at once."""
    old = json.loads(auth.run("show", "broker", "--json"))[0]
    short = auth.token()
    auth.run("rotate", "broker", "--overlap", "1h")
    both = json.loads(auth.run("show", "broker", "--json"))[0]
    assert both["key"] == old["key"] and both["next"] and both["change"]
    assert len(auth.token()) > len(short)
    auth.run("rotate", "broker", "--overlap", "1s")
    nearer = json.loads(auth.run("show", "broker", "--json"))[0]
    assert nearer["next"] != both["next"] or nearer["key"] != both["key"]
    deadline = time.monotonic() + scaled(20)
    while json.loads(auth.run("show", "broker", "--json"))[0]["key"] == old["key"]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    auth.run("rotate", "broker", "--overlap", "0")
    last = json.loads(auth.run("show", "broker", "--json"))[0]
    assert last["next"] is None and last["key"] not in (old["key"], nearer["next"])
    assert mode(auth.folder / "broker.cert_secret") == 0o600
    assert f'"{last["key"]}"' in (auth.folder / "broker.cert").read_text()


def test_export(auth, tmp_path):
    """Aim: --to writes the certificates of the broker and of every valid key, and nothing secret."""
    token = auth.token("node", "--uses", 3)
    for name in "abc":
        auth.join(token, name)
    auth.run("revoke", "b")
    auth.run("export", "--to", tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a.cert", "broker.cert", "c.cert"]
    assert all("secret" not in p.read_text() for p in (tmp_path / "out").iterdir())
    auth.refuses("NOT_FOUND", "export", "b", code=3)


# ---------------------------------------------------------------- what others may have done


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o660, 0o666])
def test_readable_secret(auth, bits):
    """Aim: a secret that others can read is refused by its number; the command that needs no secret goes on not using it."""
    (auth.folder / "broker.cert_secret").chmod(bits)
    auth.refuses("KEY_READABLE", "token", "node", code=4)
    auth.refuses("KEY_READABLE", "show", "broker", code=4)
    (auth.folder / "broker.cert_secret").chmod(0o600)
    auth.token()


def test_writable_folder(auth):
    """Aim: a folder that others can write is not used, neither that of the keys nor that of the store."""
    for folder in (auth.folder, auth.folder / "store"):
        folder.chmod(0o770)
        auth.refuses("KEY_FOLDER", "list", code=4)
        auth.refuses("KEY_FOLDER", "token", "node", code=4)
        folder.chmod(0o700)
    auth.token()


@pytest.mark.root
def test_foreign_folder(auth):
    """Aim: a folder of another user is not used, not even by root."""
    os.chown(auth.folder, 12345, 12345)
    auth.refuses("KEY_FOLDER", "list", code=4)


def test_hostile_files(auth):
    """Aim: broken, huge, foreign and strange files in the store cost nobody else anything; list tells of each and ends with 4."""
    auth.join(auth.token(), "good")
    store = auth.folder / "store"
    good = next(p for p in store.iterdir() if '"good"' in p.read_text())
    (store / "copy.cert").write_bytes(good.read_bytes())
    (store / ("0" * 64 + ".cert")).write_bytes(good.read_bytes())
    (store / "garbage.cert").write_bytes(os.urandom(4000))
    (store / "huge.cert").write_bytes(b"#" * 1000000)
    (store / "typo.cert").write_text(good.read_text().replace("created", "craeted"))
    os.mkfifo(store / "pipe.cert")
    (store / "folder.cert").mkdir()
    (store / "loop.cert").symlink_to("loop.cert")
    assert [e["name"] for e in auth.list(code=4) if e["role"] == "node"] == ["good"]
    assert len(re.findall(f"{ERR['STORE_ENTRY']} STORE_ENTRY: .*\\.cert: ", auth.said)) == 8
    assert auth.join(auth.token(), "next") == "next"
    good.chmod(0o666)
    assert "good" not in [e["name"] for e in auth.list(code=4)]


@pytest.mark.parametrize("text", ["", "curve\n", "\0" * 100, "curve\n    public-key = \"x\"\n", "#" * 20000])
def test_broken_key(auth, text):
    """Aim: a broken key of the broker is told with its file, by its number."""
    (auth.folder / "broker.cert_secret").write_text(text)
    assert "broker.cert_secret" in auth.refuses("KEY_FORMAT", "token", "node", code=4)


# ---------------------------------------------------------------- two at once, killed, full


def test_many_at_once(auth):
    """Aim: promp-auth started many times at once loses nobody's change."""
    for _ in range(3):
        running = [auth.start("token", "node", "--name", f"n{i}") for i in range(8)]
        assert all(p.wait(timeout=scaled(60)) == 0 for p in running)
        for p in running:
            p.communicate()
    assert sorted(e["as"] for e in auth.list()) == sorted(f"n{i}" for i in range(8) for _ in range(3))


def test_two_inits(empty):
    """Aim: of inits at once one makes the key, the others find it there; it is one whole pair."""
    running = [empty.start("init") for _ in range(6)]
    codes = sorted(p.wait(timeout=scaled(60)) for p in running)
    for p in running:
        p.communicate()
    assert codes == [0, 6, 6, 6, 6, 6]
    empty.token("node", "--address", "tcp://h:1")


def test_waits_for_the_lock(auth):
    """Aim: while somebody changes the store, the next one waits, and goes on when the lock is free."""
    auth.join(auth.token(), "a")
    with open(auth.folder / "lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = auth.start("revoke", "a")
        with pytest.raises(subprocess.TimeoutExpired):
            waiting.wait(timeout=0.5)
        assert auth.names(state="valid") == ["a"]
    assert waiting.wait(timeout=scaled(20)) == 0
    waiting.communicate()
    assert "a" in auth.names(state="revoked")


def test_killed(auth):
    """Aim: killed at any moment, promp-auth leaves a store that loads whole: what was there is there, what it had answered
    is in it, and the next one cleans up behind it."""
    lucky = random.Random(1)
    auth.join(auth.token("admin", "--name", "anchor"))
    start = time.monotonic()
    auth.token()
    usual = time.monotonic() - start
    answered = []
    for i in range(40):
        kind = i % 3
        args = (("token", "node", "--name", f"k{i}"), ("rotate", "broker", "--overlap", lucky.choice(("0", "1h"))),
                ("rotate", "anchor", "--overlap", "30d"))[kind]
        process = auth.start(*args)
        time.sleep(lucky.uniform(0, usual))
        process.send_signal(signal.SIGKILL)
        out, _ = process.communicate(timeout=scaled(20))
        if kind == 0 and out.endswith("\n"):
            answered.append(f"k{i}")
        assert auth.names(name="anchor", state="valid") == ["anchor"]
        shown = json.loads(auth.run("show", "broker", "--json"))[0]
        assert auth.said == "" and shown["key"]
    tokens = [e.get("as") for e in auth.list()]
    assert set(answered) <= set(tokens)
    auth.token()
    assert not [p for p in [*auth.folder.iterdir(), *(auth.folder / "store").iterdir()] if p.name.startswith(".")]


def test_killed_init(tmp_path):
    """Aim: an init killed at any moment can be done again, and what it had made is kept."""
    lucky = random.Random(2)
    usual = 0.02 * scaled(1)
    for i in range(20):
        a = Auth(tmp_path / f"k{i}")
        process = a.start("init")
        time.sleep(lucky.uniform(0, usual))
        process.kill()
        process.communicate(timeout=scaled(20))
        before = (a.folder / "broker.cert_secret").read_bytes() if (a.folder / "broker.cert_secret").exists() else None
        again = a.start("init")
        again.communicate(timeout=scaled(20))
        assert again.returncode in (0, 6)
        assert before in (None, (a.folder / "broker.cert_secret").read_bytes())
        a.token("node", "--address", "tcp://h:1")


def test_file_may_not_grow(auth):
    """Aim: where nothing can be written, the change fails with a number and the store stays as it was."""
    auth.join(auth.token(), "a")
    before = {p.name: p.read_bytes() for p in (auth.folder / "store").iterdir()}

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    # Standard output is a pipe, so only files are hit.
    for args in (("revoke", "a"), ("token", "node"), ("rotate", "broker", "--overlap", "0"), ("rotate", "a")):
        auth.refuses("SYSTEM", *args, code=1, preexec_fn=limit)
    assert {p.name: p.read_bytes() for p in (auth.folder / "store").iterdir()} == before
    assert auth.names(state="valid", name="a") == ["a"]


@pytest.mark.root
def test_full_disk(tmp_path):
    """Aim: on a full disk the change fails as DISK_FULL and the store stays whole; with room again it works."""
    place = tmp_path / "disk"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "none", place]).returncode != 0:
        pytest.skip("may not mount")
    try:
        a = Auth(place / "keys")
        a.run("init", "--address", "tcp://h:1")
        a.join(a.token(), "a")
        before = a.list()
        with open(place / "fill", "wb", buffering=0) as fill, pytest.raises(OSError):
            while True:
                fill.write(b"x" * 4096)
        a.refuses("DISK_FULL", "token", "node", code=1)
        a.refuses("DISK_FULL", "revoke", "a", code=1)
        a.refuses("DISK_FULL", "rotate", "broker", "--overlap", "0", code=1)
        assert a.list() == before
        (place / "fill").unlink()
        assert a.run("revoke", "a") == "a is revoked\n"
    finally:
        subprocess.run(["umount", place], check=True)


def test_nobody_reads_the_token(auth):
    """Aim: a token that cannot be written is a failure, and it is told how to end it."""
    with open("/dev/full", "w") as full:
        process = auth.start("token", "node", stdout=full)
        _, said = process.communicate(timeout=scaled(20))
    assert process.returncode == 1
    name = re.search(r"promp-auth revoke (token-\w+) ends it", said).group(1)
    assert f"{ERR['DISK_FULL']} DISK_FULL" in said
    auth.run("revoke", name)
