"""Modules for workers on other hosts: what a worker of a cluster misses it imports from its manager. No broker is needed here:
such a worker is started by a local node, in a folder where it finds nothing of its manager's."""

import os
import sys
import textwrap

import pytest
from conftest import PACKAGE, PYTHON
from support import build

# A manager whose workers think that they are in a cluster.
AFAR = """
import os, sys
from Pro.MP import *
from Pro import _find, _place

class Afar(ProManager):
    def startWorkers(self, n, *, env=None, modules=True, python=None):
        argv, variables, folder, extra, limit = self._for_nodes(({}, None, None, None, None), env, python, modules, 0, n)[1:6]
        node = {b"PATH": os.environb[b"PATH"], **{k: v for k, v in os.environb.items() if k.startswith(b"PROMP_")}}
        node.update(v.split(b"=", 1) for v in variables)
        node[b"PROMP_PYTHON"] = os.fsencode(sys.executable)
        return self._core.start(_find.program("promp-worker"), argv, [k + b"=" + v for k, v in node.items()], NODE, extra, limit, n)

    def startWorker(self, **options):
        ids = self.startWorkers(1, **options)
        assert ids, self.lastError()
        return ids[0]

NODE = os.environ["NODE_FOLDER"]
"""

CALL = AFAR + """
import textwrap

def finish(m):
    while m.isBusy():
        m.wait()
        m.processMessages()

def call(m, w, code, function="f", args=()):
    if os.path.exists(code):
        m.executePythonFunction(w, code, function, list(args), True)
    else:
        m.evalPythonFunction(w, textwrap.dedent(code), function, list(args), True)
    finish(m)
    error = m.takeError(w)
    return (error.kind, str(error), error.traceback) if error else m.takeResult(w)
"""


@pytest.fixture
def project(world):
    """project(files): writes them below a folder with a main script, runs it; what it printed."""
    folder, node = world.folder / "project", world.folder / "node"
    folder.mkdir()
    node.mkdir()

    def call(main, files=(), env=(), code=0):
        for name, text in dict(files).items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")
        (folder / "afar.py").write_text(CALL)
        (folder / "main.py").write_text("from afar import *\n" + textwrap.dedent(main))
        p = world.popen([PYTHON, str(folder / "main.py")], stdout=-1, stderr=-1, text=True,
                        env={"PYTHONPATH": str(PACKAGE), "NODE_FOLDER": str(node), **dict(env)})
        out, err = p.communicate(timeout=build.scaled(60))
        assert p.returncode == code, out + err
        assert err == "", err
        return out

    call.folder, call.node = folder, node
    return call


def test_import(project):
    """Aim: modules, packages, submodules, relative imports and namespace packages come from the script's folder, once each, with
    the manager's paths; the worker's path has nothing of the manager's host, and what is nowhere is a ModuleNotFoundError."""
    out = project("""
        m = Afar()
        w = m.startWorker()
        print(call(m, w, '''
            def f():
                import sys, os
                import one, pack.deep.leaf, space.inner, pack
                assert one.value == pack.deep.leaf.value == 5 and pack.deep.leaf.same is one
                # Of a package all comes from the manager: its host's path may be a path here, too.
                loaders = {type(m.__loader__).__module__ for m in (one, pack, pack.deep, pack.deep.leaf, space.inner)}
                assert loaders == {"Pro._import"}, loaders
                assert space.inner.value == 6 and pack.__name__ == "pack" and pack.deep.__package__ == "pack.deep"
                try: import nowhere
                except ModuleNotFoundError as e: missing = str(e), e.name
                try: import pack.nowhere
                except ModuleNotFoundError as e: missing += (str(e), e.name)
                return [one.__file__, pack.__file__, pack.deep.leaf.__file__, missing, sys.path, os.getcwd(), [m for m in sys.modules if m == "afar"]]
        '''))
        """, {"one.py": "value = 5", "pack/__init__.py": "", "pack/deep/__init__.py": "", "space/inner.py": "value = 6",
              "pack/deep/leaf.py": "from ..deep import twig\nimport one as same\nvalue = twig.value",
              "pack/deep/twig.py": "value = 5"})
    one, pack, leaf, missing, path, cwd, afar = eval(out)
    folder = str(project.folder)
    assert [one, pack, leaf] == [folder + "/one.py", folder + "/pack/__init__.py", folder + "/pack/deep/leaf.py"]
    assert missing == ["No module named 'nowhere'", "nowhere", "No module named 'pack.nowhere'", "pack.nowhere"]
    assert not [p for p in path if not p or p.startswith((folder, str(PACKAGE)))] and path and cwd == str(project.node) and not afar


def test_what_is_not_offered(project):
    """Aim: hidden folders, byte code, folders and files that cannot be imported, and links out of the folder are not in the index; links
    within are; what is installed on the worker's host goes first."""
    outside = project.folder.parent / "outside"
    outside.mkdir()
    (outside / "secret.py").write_text("value = 1")
    (project.folder / "out").symlink_to(outside)
    (project.folder / "secret.py").symlink_to(outside / "secret.py")
    (project.folder / "near.py").symlink_to("real.py")
    (project.folder / "looped").symlink_to(project.folder)
    out = project("""
        from Pro._modules import find_sources
        print(sorted(find_sources(os.path.dirname(__file__))[0]))
        m = Afar()
        print(call(m, m.startWorker(), "def f():\\n import near, json\\n return [near.value, hasattr(json, 'loads')]"))
        """, {"real.py": "value = 3", ".git/a.py": "", "python3.11/a.py": "", "a-b.py": "", "sub/ok.py": "", "data.txt": "",
              "__pycache__/x.py": "", "sub/.hidden.py": "", "json.py": "1/0"})
    names, values = out.splitlines()
    assert eval(names) == ["afar.py", "json.py", "main.py", "near.py", "real.py", "sub/ok.py"] and values == "[3, True]"


def test_scripts(project):
    """Aim: a script that is executed finds what is beside it, in the folder of the main script, below it, or elsewhere, there its own
    first, and only while it runs; __file__ is its path here, the node's folder of that name is not looked at."""
    other = project.folder.parent / "other"
    out = project(f"""
        other = {str(other)!r}
        m = Afar()
        w = m.startWorker()
        for script in ("near.py", "sub/below.py", "odd-name/odd.py", other + "/far.py"):
            print(call(m, w, os.path.join(os.path.dirname(__file__), script)))
        print(call(m, w, "def f():\\n import beside_far"))
        print(call(m, w, "def f():\\n import beside, shared_name\\n return [beside.value, shared_name.value]"))
        """, {"near.py": "import beside\ndef f(): return [beside.value, __file__]", "beside.py": "value = 'beside'",
              "sub/below.py": "import beside_below, beside\ndef f(): return [beside_below.value, beside.value]",
              "sub/beside_below.py": "value = 'below'",
              "odd-name/odd.py": "import beside_odd\ndef f(): return [beside_odd.value]", "odd-name/beside_odd.py": "value = 'odd'",
              "shared_name.py": "value = 'main'",
              "../other/shared_name.py": "value = 'other'", "../other/beside_far2.py": "value = 'far'",
              "../other/far.py": "import beside_far2, shared_name\ndef f(): return [beside_far2.value, shared_name.value]",
              "../other/beside_far.py": ""})
    lines = [eval(line) for line in out.splitlines()]
    assert lines[:4] == [["beside", str(project.folder / "near.py")], ["below", "beside"], ["odd"], ["far", "other"]]
    assert lines[4][0] == "ModuleNotFoundError" and lines[5] == ["beside", "other"]  # as on one host: it was imported


def test_tracebacks(project):
    """Aim: tracebacks show the lines of modules and scripts of the manager, also where the worker's host has another file of that
    name; a SyntaxError of a module shows its line; sources may have any encoding."""
    trap = project.folder / "trap.py"
    out = project(f"""
        m = Afar()
        w = m.startWorker()
        script = os.path.join(os.path.dirname(__file__), "script.py")
        m.executePythonFunction(w, script, "f", [], True)
        finish(m)
        print(repr(m.takeError(w).traceback))
        print(repr(call(m, w, "def f():\\n import wrong")[2]))
        open({str(trap)!r}, "w").write("the node's\\n" * 9)
        open(script, "w").write("the node's\\n" * 9)
        m.evalPythonFunction(w, "import traceback, trap\\ndef f():\\n try: trap.spring()\\n except ZeroDivisionError: return traceback.format_exc()", "f", [], True)
        finish(m)
        print(repr(m.takeResult(w)))
        """, {"trap.py": "# coding: latin-1\n\ndef spring():\n    return 1 / 0  # spring\n", "wrong.py": "\nif wrong  # syntax\n",
              "script.py": "import trap\ndef f():\n    trap.spring()  # here\n"})
    first, second, third = (eval(line) for line in out.splitlines())
    assert "trap.spring()  # here" in first and "return 1 / 0  # spring" in first and f'File "{trap}", line 4, in spring' in first
    assert "if wrong  # syntax" in second and "wrong.py" in second
    assert "return 1 / 0  # spring" in third and "node's" not in third


def test_changed(project):
    """Aim: a module that was changed after the first start is an ImportError that says so, for each new worker, and one that is gone,
    too; what a worker has had before stays the same for those after it."""
    out = project("""
        m = Afar()
        w = m.startWorker()
        here = os.path.dirname(__file__)
        code = "def f(name):\\n import importlib\\n return importlib.import_module(name).value"
        print(call(m, w, code, "f", ["old"]))
        for name in ("old", "new"):
            with open(os.path.join(here, name + ".py"), "w") as file: file.write("value = 'changed'")
        os.remove(os.path.join(here, "gone.py"))
        v = m.startWorker()
        for name in ("old", "new", "gone"):
            print(call(m, v, code, "f", [name])[:2] if name != "old" else call(m, v, code, "f", [name]))
        """, {"old.py": "value = 'as it was'", "new.py": "value = 'as it was, too'", "gone.py": ""})
    lines = out.splitlines()
    assert lines[:2] == ["as it was"] * 2
    assert eval(lines[2])[0] == "ImportError" and "new.py was changed since" in lines[2] and "'new'" in lines[2]
    assert eval(lines[3])[0] == "ImportError" and "No such file" in lines[3]


def test_limits(project):
    """Aim: deep folders, too many files and sources that are too long are left out, nearest first, and a miss says that there are more."""
    (project.folder / "long.py").write_text("#" * (4 << 20))
    for i in range(20):
        path = project.folder.joinpath(*["d"] * i)
        path.mkdir(exist_ok=True)
        (path / "here.py").write_text("")
    out = project("""
        from Pro import _modules
        found, cut = _modules.find_sources(os.path.dirname(__file__))
        print(cut, "long.py" in found, max(name.count("/") for name in found))
        m = Afar()
        print(call(m, m.startWorker(), "def f():\\n import afar_away"))
        print(call(m, m.startWorker(), "def f():\\n import here, d.d.here\\n return 1"))
        _modules.MOST_FILES = 5
        found, cut = _modules.find_sources(os.path.dirname(__file__))
        print(cut, sorted(found))
        _modules.MOST_FILES, _modules.MOST_FOLDERS = 100, 2
        found, cut = _modules.find_sources(os.path.dirname(__file__))
        print(cut, sorted(found))
        """)
    lines = out.splitlines()
    assert lines[0] == "True False 15"
    error = eval(lines[1])
    assert error[0] == "ModuleNotFoundError" and "not all are offered" in error[1] and str(project.folder) in error[1]
    assert lines[2] == "1"
    assert lines[3] == "True ['afar.py', 'd/d/here.py', 'd/here.py', 'here.py', 'main.py']"
    assert lines[4] == "True ['afar.py', 'd/here.py', 'here.py', 'main.py']"


def test_off(project):
    """Aim: with modules=False nothing is shared and nothing comes; names of the package's own containers are refused, and not shown."""
    out = project("""
        m = Afar()
        w = m.startWorker(modules=False)
        print(call(m, w, "def f():\\n import one")[:2], call(m, w, os.path.join(os.path.dirname(__file__), "script.py"))[:2])
        w = m.startWorker()
        print(call(m, w, "def f():\\n import one\\n return one.value"))
        from Pro.Core import NTContainer
        from Pro._modules import name_of
        c = NTContainer()
        c.setData(b"x")
        name = name_of(os.path.dirname(__file__))
        assert m._core.shares(name) and not m.hasSharedContainer(name)
        for f in (lambda: m.shareContainer(name, c), lambda: m.unshareContainer(name)):
            try: f()
            except ValueError as e: print(e)
        print(call(m, w, "from Pro.MP import *\\ndef f(name):\\n return proWorkerObject().getSharedContainer(name)", "f", [name])[:2])
        m.shareContainer(".promp", c)
        assert m.hasSharedContainer(".promp")
        """, {"one.py": "value = 1", "script.py": "import one\ndef f(): pass"})
    lines = out.splitlines()
    assert lines[0].count("No module named 'one'") == 2 and lines[1] == "1"
    assert lines[2:4] == ["names that begin with '.promp/' are reserved"] * 2
    assert "ValueError" in lines[4]


def test_levels(project):
    """Aim: a worker that is a manager passes on what it gets: its workers import from the same folders, and scripts of the first
    manager's host can be executed by their path, __file__ or one beside it."""
    out = project("""
        m = Afar()
        m.setOptions(ProMPOpt_RedirectOutput)
        w = m.startWorker(env={"NODE_FOLDER": NODE})
        m.executePythonScript(w, os.path.join(os.path.dirname(__file__), "..", "other", "level.py"))
        finish(m)
        print(m.takeError(w))
        m.executePythonScript(w, os.path.join(os.path.dirname(__file__), "level.py"))
        finish(m)
        print(m.takeError(w))
        """, dict.fromkeys(("level.py", "../other/level.py"), """
        import os, one
        from Pro.MP import *
        from afar import *
        here = os.path.dirname(__file__)
        print(proWorkerProcessLevel(), one.value, os.path.basename(here), flush=True)
        if proWorkerProcessLevel() < 3:
            m = Afar()
            m.setOptions(ProMPOpt_RedirectOutput)
            w = m.startWorker(env={"NODE_FOLDER": NODE})
            m.executePythonScript(w, __file__)
            finish(m)
            print(m.takeError(w), flush=True)
            m.executePythonScript(w, os.path.join(here, "beside.py"))
            finish(m)
            print(m.takeError(w), flush=True)
        """) | {"one.py": "value = 'main'", "../other/one.py": "value = 'other'",
                **dict.fromkeys(("beside.py", "../other/beside.py"), "import one; print('beside', one.value, flush=True)")})

    def said(folder, value, level=1, first=None):
        head = [f"{level} {first or value} {folder}"]
        return head + (said(folder, value, level + 1) + ["None", f"beside {value}", "None"] if level < 3 else [])

    # The first worker had imported the module of the first script, as it would have on one host.
    assert out.splitlines() == [*said("other", "other"), "None", *said("project", "main", first="other"), "None"]


def test_plugins(project):
    """Aim: pkgutil lists the modules of a package, inspect shows sources, reload and runpy work, importlib.resources is refused, not wrong."""
    out = project("""
        m = Afar()
        print(call(m, m.startWorker(), '''
            def f():
                import pkgutil, inspect, importlib, runpy, pack, one
                import importlib.resources as resources
                found = [(i.name, i.ispkg) for i in pkgutil.iter_modules(pack.__path__, "pack.")]
                walked = [i.name for i in pkgutil.walk_packages(pack.__path__, "pack.")]
                try: data = resources.files(pack).joinpath("data.txt").read_text()
                except OSError as e: data = "refused"
                return [found, walked, inspect.getsource(one.function), importlib.reload(one).value, runpy.run_module("one")["value"], data,
                        importlib.util.find_spec("nowhere") is None]
        '''))
        """, {"pack/__init__.py": "", "pack/a.py": "", "pack/b/__init__.py": "", "pack/b/c.py": "", "pack/data.txt": "data",
              "one.py": "value = 1\ndef function():\n    return 2\n"})
    found, walked, source, again, ran, data, none = eval(out)
    assert found == [["pack.a", False], ["pack.b", True]] and walked == ["pack.a", "pack.b", "pack.b.c"]
    assert source == "def function():\n    return 2\n" and (again, ran, data, none) == (1, 1, "refused", True)


def test_threads_and_children(project):
    """Aim: many threads that import at the same time each get their modules; a forked child gets what was there, and else a
    ModuleNotFoundError; variables with None are not there."""
    out = project("""
        os.environ["PROMP_MARK"] = "x"
        m = Afar()
        w = m.startWorker(env={"ADDED": "1", "PROMP_MARK": None})
        print(call(m, w, '''
            def f():
                import importlib, os, threading
                from concurrent.futures import ThreadPoolExecutor
                with ThreadPoolExecutor(16) as pool:
                    values = list(pool.map(lambda i: importlib.import_module("m%d" % (i % 40)).value, range(200)))
                read, write = os.pipe()
                if not os.fork():
                    try:
                        import m3
                        import other
                    except ModuleNotFoundError as e: os.write(write, str(e).encode())
                    os._exit(0)
                os.wait()
                return [values == [i % 40 for i in range(200)], os.read(read, 100), os.environ.get("ADDED"), os.environ.get("PROMP_MARK")]
        '''))
        """, {**{f"m{i}.py": f"value = {i}" for i in range(40)}, "other.py": ""})
    assert out == "[True, b\"No module named 'other'\", '1', None]\n"


def test_package_beside(tmp_path):
    """Aim: promp-worker finds the package of its own installation without any variable, behind the options it is given, and says what
    it needs; --help shows it."""
    import subprocess

    program = str(build.BUILD / "bin" / "promp-worker")
    env = {"PATH": os.environ["PATH"], "PROMP_PYTHON": PYTHON}
    done = subprocess.run([program, "--package", "--", "-X", "dev"], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 1 and "NOT_A_WORKER" in done.stderr or "not started as a worker" in done.stderr
    done = subprocess.run([program, "--package", "--python", "/nowhere/python3"], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 4 and "/nowhere/python3" in done.stderr
    assert "--package" in subprocess.run([program, "--help"], capture_output=True, text=True).stdout
