"""Aim: what the documents name is there: programs' options, commands of ./dev, variables, files, headings; settings in a file are
accepted; and each example of each --help can be typed."""

import pathlib
import re
import subprocess
import sys

import pytest
from support import build, cluster, hosts
from support.pages import PAGES, blocks, prose, spans
from support.reader import Site

pytestmark = pytest.mark.plain

PROGRAMS = {"promp": ["join", "status", "drain"], "promp-node": [], "promp-broker": [],
            "promp-auth": ["init", "token", "list", "show", "revoke", "rotate", "export", "passphrase"], "promp-worker": []}
OTHERS = [p for p in (build.ROOT / "tests/README.md", *sorted((build.ROOT / "deploy").glob("*/README.md"))) if p.exists()]
OURS = re.compile(r"(?:^|[\s(]|bin/)(?<!-u )(promp(?:-\w+)?|\./dev)(?=\s|$)(.*)")
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")


def said(*args):
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True, timeout=build.scaled(20))
    assert done.returncode == 0 and done.stdout, (args, done.stderr)
    return done.stdout


@pytest.fixture(scope="module")
def helps():
    """{"promp-auth token": its --help, ...}"""
    found = {"./dev": said(build.ROOT / "dev", "help")}
    for program, commands in PROGRAMS.items():
        found[program] = said(build.BUILD / "bin" / program, "--help")
        for command in commands:
            found[f"{program} {command}"] = said(build.BUILD / "bin" / program, command, "--help")
    return found


@pytest.fixture(scope="module")
def runs():
    """{command of ./dev: what the program that it runs says of its options}"""
    survey = build.ROOT / "examples/survey/survey.py"
    return {"sim": said(build.BUILD / "bin/promp-sim", "--help"), "bench": (build.ROOT / "bench/run").read_text(),
            "run": said("/usr/bin/env", f"PYTHONPATH={build.BUILD / 'python'}", sys.executable, survey, "--help")}


def commands(text):
    """[(program, what follows it)] of a line of shell: each program of ours in it."""
    found = []
    for piece in re.split(r"\||;|&&|\$\(|<|>|\s#\s|\s{3,}", text):
        match = OURS.search(piece.strip())
        if match:
            found.append((match.group(1), match.group(2).split()))
    return found


def named(path):
    """Lines of shell of a page: of blocks, and code in its sentences."""
    lines = [line for kind, text in blocks(path) if kind.startswith("sh") for line in text.splitlines()]
    return lines + spans(path)


def wrong_in(text, helps, runs):
    """What a line of shell says that its programs' helps do not."""
    wrong = []
    for program, rest in commands(text):
        words = [w for w in rest if not w.startswith("-")]
        # A script's options are its own.
        options = rest[:rest.index("-r")] if "-r" in rest and program == "promp" else rest
        told = helps.get(program)
        if told is None:
            continue
        if program == "./dev":
            if words and not re.search(rf"^  {re.escape(words[0])}\b", told, re.M):
                wrong.append(f"./dev has no command {words[0]}")
            elif words and words[0] in runs:
                wrong += [f"./dev {words[0]} has no {o}" for o in options if OPTION.fullmatch(o) and o != "--help" and
                          o not in OPTION.findall(runs[words[0]])]
            continue
        command = next((c for c in PROGRAMS[program] if c in words), None)
        if command:
            told += helps[f"{program} {command}"]
        elif program == "promp-auth" and words and words[0].islower():
            wrong.append(f"promp-auth has no command {words[0]}")
        wrong += [f"{program} {command or ''} has no {o}" for o in options
                  if o.startswith("--") and o != "--" and o not in OPTION.findall(told) and o != "--help"]
    return wrong


def test_commands(helps):
    """Aim: a program's --help names its commands."""
    for program, names in PROGRAMS.items():
        assert [n for n in names if not re.search(rf"\b{n}\b", helps[program])] == [], program


def test_options(helps, runs):
    """Aim: each option and command that a page tells to type, or names alone, is in a --help."""
    known = set(OPTION.findall("".join(helps.values())))
    others = {"--prefix", "--scale"}  # of cmake, of compose
    wrong = []
    for path in [*PAGES, *OTHERS]:
        for text in named(path):
            wrong += [f"{path.name}: `{text}`: {w}" for w in wrong_in(text, helps, runs)]
            if path in PAGES and re.fullmatch(r"--[a-z][a-z-]*( \S+)*", text) and text.split()[0] not in known | others:
                wrong.append(f"{path.name}: {text} is no option of ours")
    assert wrong == []


def test_options_can_fail(helps, runs):
    """Aim: a mistyped option, command or part of ./dev is found."""
    for text in ("promp status --jsn", "broker$ promp-auth tokn node", "promp-auth token node --use 3 | ssh a promp-node --join -",
                 "promp-auth token node | ssh a promp-node --jion -", "./dev simm --seeds 10", "./dev sim --seds 10", "./dev run --nothing", "promp-broker --treads 2"):
        assert len(wrong_in(text, helps, runs)) == 1, text


def test_helps_of_helps(helps, runs):
    """Aim: what a --help says to type, and names elsewhere in it, is right too."""
    wrong = []
    for name, text in helps.items():
        for line in [*examples(text), *re.findall(r"[`(]((?:promp|\./dev)\S* [^`)]+)[`)]", text)]:
            wrong += [f"{name}: {line}: {w}" for w in wrong_in(line, helps, runs)]
    assert wrong == []


def sources():
    return "".join(p.read_text(errors="replace") for folder in ("lib", "auth", "broker", "node", "manager", "worker", "join", "tool",
                                                                "python", "tests", "deploy", "bench")
                   for p in (build.ROOT / folder).rglob("*") if p.suffix in (".c", ".h", ".py", ".sh", ".yaml", ".sbatch", "")
                   and p.is_file()) + (build.ROOT / "dev").read_text()


def test_variables():
    """Aim: each environment variable that a page names is one that something reads."""
    text = sources()
    for path in PAGES:
        for name in set(re.findall(r"\bPROMP_[A-Z_]*[A-Z](?=[=`\s])", " ".join(named(path)) + " ")):
            read = rf"\"{name}\"|\$\{{?{name}\b|#define {name}\b|\b{name}\("
            assert re.search(read, text), f"{path.name}: nobody reads {name}"


def anchor(heading):
    """As web pages of repositories make it of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_links():
    """Aim: each link to a file or heading of the repository leads there."""
    wrong = []
    for path in [*PAGES, *OTHERS]:
        for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
            if re.match(r"https?:", target):
                continue
            name, _, heading = target.partition("#")
            file = (path.parent / name).resolve() if name else path
            if not file.exists():
                wrong.append(f"{path.name}: {target} is not there")
            elif heading and heading not in {anchor(h) for h in re.findall(r"^#+ (.*)$", file.read_text(), re.M)}:
                wrong.append(f"{path.name}: {file.name} has no heading for #{heading}")
    assert wrong == []


def test_paths():
    """Aim: each file or folder of the repository that a page names in code is there."""
    top = {p.name for p in build.ROOT.iterdir() if not p.name.startswith(".") and p.name != "build"}
    wrong = []
    for path in PAGES:
        for text in spans(path):
            if re.fullmatch(r"[\w.\-/]+/[\w.\-/]*", text) and text.split("/")[0] in top and not (build.ROOT / text).exists():
                wrong.append(f"{path.name}: {text}")
    assert wrong == []


def test_map():
    """Aim: the README's map has a row for each folder of the repository, and none for what is not there."""
    rows = re.findall(r"^\| (`.*?`) \|", (build.ROOT / "README.md").read_text(), re.M)
    told = {name for row in rows for name in re.findall(r"`([^`]+)`", row) if not name.startswith("--")}
    folders = {p.name for p in build.ROOT.iterdir() if p.is_dir() and not p.name.startswith((".", "build", "__"))}
    folders |= {f"{p.name}/{q.name}" for p in (build.ROOT / "lib", build.ROOT / "examples") for q in p.iterdir() if q.is_dir()
                and not q.name.startswith("__")}
    folders -= {"lib", "examples"}
    told = {t for t in told if (build.ROOT / t).is_dir() or "/" in t or t in folders}
    assert folders - told == set() and all((build.ROOT / t).is_dir() for t in told)


@pytest.mark.parametrize("program", ["promp-broker", "promp-node"])
def test_settings(world, program):
    """Aim: the files of settings that a page, or the program's --help, shows are understood."""
    name = program.removeprefix("promp-") + ".zpl"
    shown = [text for path in PAGES for kind, text in blocks(path) if kind == f"zpl {name}"]
    help_text = said(build.BUILD / "bin" / program, "--help")
    shown.append("".join(line.strip() + "\n" for line in re.findall(r"^  \w+ = .*$", help_text, re.M)))
    assert all(" = " in text for text in shown)
    for number, text in enumerate(shown):
        folder = pathlib.Path(world.folder) / f"settings{number}"
        folder.mkdir(mode=0o700)
        for wrong, code in (("", None), ('colour = "red"\n', 2)):
            (folder / name).write_text(text + wrong)
            done = subprocess.run([build.BUILD / "bin" / program, "--config", folder], capture_output=True, text=True,
                                  env=world.environment, timeout=build.scaled(20))
            # Understood, and then there is no key.
            assert (done.returncode == 2) == (code == 2), f"{text}{wrong}: {done.returncode} {done.stderr}"
            assert ("CONFIG_FILE" in done.stderr) == (code == 2), done.stderr


# --- examples of --help

INIT = "broker$ promp-auth init --address tcp://broker.example:5599"
BROKER = [INIT, "broker$ promp-broker"]
NODE7 = "broker$ promp-auth token node --name node7 | ssh node7 promp-node --join - --detach"

# help -> what must be done before its examples, on which host those without a prompt are typed
BEFORE = {
    "promp": (["broker$ ln -s examples/survey/* ."], "broker"),
    "promp join": ([*BROKER, "broker$ promp-auth token manager > token; chmod 600 token", "broker$ scp token laptop:"], None),
    "promp status": (BROKER, None),
    "promp drain": ([*BROKER, NODE7], None),
    "promp-auth": ([], None),
    "promp-auth init": ([], "broker"),
    "promp-auth token": ([INIT], "broker"),
    "promp-auth list": ([INIT], "broker"),
    "promp-auth show": ([INIT], "broker"),
    "promp-auth revoke": ([*BROKER, NODE7], "broker"),
    "promp-auth rotate": ([*BROKER, NODE7, "node7$ kill PID"], "broker"),
    "promp-auth export": ([INIT], "broker"),
    "promp-broker": ([], "broker"),
    "promp-node": (BROKER, "laptop"),
}
NOT_TYPED = {
    "promp-auth passphrase": "asks at the terminal; test_auth.py has one",
    "promp-worker": "managers type it",
    "./dev": "test_dev_examples",
}


def examples(text):
    """The commands of a --help, without the remarks behind them."""
    found = []
    for first, more in re.findall(r"^examples?:(.*)\n((?: +\S.*\n)*)", text, re.M):
        lines = more.splitlines()
        if re.match(r" *(promp|\./dev|[a-z]+\$)", first):
            lines.insert(0, first)
        for line in lines:
            found.append(re.sub(r"(?<=\S) {4,}.*", "", line.strip()))
    return found


def test_all_examples_known(helps):
    """Aim: each --help has examples, and they are run below."""
    assert set(BEFORE) | set(NOT_TYPED) == set(helps)
    assert [name for name, text in helps.items() if not examples(text)] == []


def test_dev_examples(helps, runs):
    """Aim: the examples of ./dev are commands that it has, with parts and options that these have."""
    for command in examples(helps["./dev"]):
        assert wrong_in(command, helps, runs) == [] and command.startswith(("./dev", "cmake")), command


@pytest.mark.root
@pytest.mark.skipif(hosts.possible() is not None, reason=str(hosts.possible()))
@pytest.mark.parametrize("name", BEFORE)
def test_examples(world, helps, name):
    """Aim: the examples of a --help, typed where it says, work."""
    assert cluster.built()
    site = Site(world, ["broker", "node", "node7", "machine", "laptop"])
    before, host = BEFORE[name]
    try:
        for line in before:
            site.run(line)
        for command in examples(helps[name]):
            if name == "promp join" and command.startswith("laptop$"):
                site.run("laptop$ rm -r .config")  # the other way of doing it
            site.run((command if re.match(r"\w+\$ ", command) else f"{host}$ {command}").replace("/usr/lib", "examples"))
    finally:
        site.close()
