"""The stubs (.pyi) and the modules agree: the same names, methods and parameters; every public thing has a docstring."""

import ast
import importlib
import inspect
import re
import shutil
import subprocess
import sys

import pytest
from conftest import PACKAGE
from support import build

SOURCE = build.ROOT / "python" / "Pro"
MODULES = ["Core", "MP"]


@pytest.fixture(autouse=True)
def path(monkeypatch):
    if sys.version_info < (3, 11):
        pytest.skip("the package needs Python 3.11")
    monkeypatch.syspath_prepend(str(PACKAGE))


def stub_of(name):
    return ast.parse((SOURCE / f"{name}.pyi").read_text())


def public(names):
    return {n for n in names if not n.startswith("_")}


def parameters(function):
    """[(name, kind, has a default)] of a function in a stub."""
    a = function.args
    positional = [p.arg for p in a.posonlyargs + a.args]
    found = [(n, "positional", i >= len(positional) - len(a.defaults)) for i, n in enumerate(positional)]
    if a.vararg:
        found.append((a.vararg.arg, "*", False))
    found += [(p.arg, "keyword", d is not None) for p, d in zip(a.kwonlyargs, a.kw_defaults)]
    if a.kwarg:
        found.append((a.kwarg.arg, "**", False))
    return found


def real_parameters(function):
    kinds = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.KEYWORD_ONLY: "keyword", inspect.Parameter.VAR_KEYWORD: "**"}
    return [(p.name, kinds.get(p.kind, "positional"), p.default is not p.empty)
            for p in inspect.signature(function).parameters.values()]


@pytest.mark.parametrize("name", MODULES)
def test_names(name):
    """Aim: __all__ of stub and module are equal, sorted the same, and all that the stub has is there."""
    module, stub = importlib.import_module("Pro." + name), stub_of(name)
    told = next(ast.literal_eval(n.value) for n in stub.body if isinstance(n, ast.Assign) and n.targets[0].id == "__all__")
    assert told == module.__all__
    defined = public(n.name for n in stub.body if isinstance(n, (ast.ClassDef, ast.FunctionDef)))
    defined |= public(n.target.id for n in stub.body if isinstance(n, ast.AnnAssign))
    assert defined == set(module.__all__)
    assert (SOURCE / "py.typed").exists() and (PACKAGE / "Pro" / f"{name}.pyi").exists()


@pytest.mark.parametrize("name", MODULES)
def test_signatures(name):
    """Aim: every function and method has the parameters that its stub says, and no public one lacks in the stub."""
    module, stub = importlib.import_module("Pro." + name), stub_of(name)
    for node in stub.body:
        if isinstance(node, ast.FunctionDef):
            assert parameters(node) == real_parameters(getattr(module, node.name)), node.name
        if not isinstance(node, ast.ClassDef) or node.name.startswith("_"):
            continue
        cls = getattr(module, node.name)
        methods = [f for f in node.body if isinstance(f, ast.FunctionDef) and not f.decorator_list]
        if sys.version_info < (3, 12):  # the buffer protocol has no name there
            methods = [f for f in methods if f.name != "__buffer__"]
        for f in methods:
            assert parameters(f) == real_parameters(inspect.getattr_static(cls, f.name)), (node.name, f.name)
        base = set(dir(cls.__mro__[1])) if cls.__mro__[1] in (list, RuntimeError) else set()
        real = public(n for n in dir(cls) if inspect.isfunction(inspect.getattr_static(cls, n))) - base
        told = public(f.name for c in [node, *(n for n in stub.body if isinstance(n, ast.ClassDef) and
                                               n.name in {b.__name__ for b in cls.__mro__})] for f in c.body
                      if isinstance(f, ast.FunctionDef))
        assert real <= told, node.name


@pytest.mark.parametrize("name", MODULES)
def test_docstrings(name):
    """Aim: module, classes, functions, methods and properties say what they do."""
    module = importlib.import_module("Pro." + name)
    lacking = [] if module.__doc__ else [name]
    for n in module.__all__:
        thing = getattr(module, n)
        if isinstance(thing, int):
            continue
        lacking += [n] * (not thing.__doc__)
        if inspect.isclass(thing):
            members = {m: inspect.getattr_static(thing, m) for m in dir(thing)}
            lacking += [n + "." + m for m, f in members.items()
                        if not m.startswith("_") and (inspect.isfunction(f) or isinstance(f, property)) and not f.__doc__]
    assert not lacking


def test_origins():
    """Aim: where a thing comes from is said in the words that help("Pro") explains."""
    package = importlib.import_module("Pro")
    assert all(text in package.__doc__ for text in ("Cerbero Suite", '"Reference: ..."', '"Source: ours"'))
    said = set()
    for name in MODULES:
        module = importlib.import_module("Pro." + name)
        for thing in (getattr(module, n) for n in module.__all__):
            for member in [thing, *(inspect.getattr_static(thing, m) for m in dir(thing) if inspect.isclass(thing))]:
                said |= set(re.findall(r"Source: .*", getattr(member, "__doc__", None) or ""))
    assert said == {"Source: ours.", "Source: published scripts for Cerbero Suite."}


def test_mypy(tmp_path):
    """Aim: a type checker accepts the stubs and finds wrong calls."""
    mypy = shutil.which("mypy")
    if mypy is None:
        pytest.skip("mypy is not installed")
    (tmp_path / "good.py").write_text("from Pro.MP import *\nm = ProManager()\nw: int = m.startWorker(env={'A': None})\n"
                                      "m.evalPythonFunction(w, '', 'f', [1, 'a', None], True)\nx: bool = m.wait()\n"
                                      "from Pro.Core import *\nimport io, zipfile\nclass Source:\n    size = 5\n"
                                      "    def read(self, offset: int, size: int) -> bytes: return bytes(size)\n"
                                      "c = createContainer(Source(), 'a thread')\nm.shareContainer('c', c)\nb: bytes = c[1:3]\ni: int = c[0]\n"
                                      "memoryview(c)\nwith c.open() as file: zipfile.ZipFile(file)\nn: int = c.findFirst(b'x').size\n")
    (tmp_path / "bad.py").write_text("from Pro.MP import ProManager\nProManager().startWorker(5)\n")
    (tmp_path / "worse.py").write_text("from Pro.Core import *\ncreateContainer(5)\n")
    env = {"MYPYPATH": str(PACKAGE), "PATH": "/usr/bin:/bin"}
    assert subprocess.run([mypy, "--strict", "good.py"], cwd=tmp_path, env=env).returncode == 0
    for name in ("bad.py", "worse.py"):
        assert subprocess.run([mypy, "--strict", name], cwd=tmp_path, env=env).returncode == 1, name


def documented(name):
    """[(name, function, its description)] of a module's public functions and methods that are ours."""
    module = importlib.import_module("Pro." + name)
    for n in module.__all__:
        thing = getattr(module, n)
        if inspect.isfunction(thing):
            yield n, thing, thing.__doc__
        elif inspect.isclass(thing):
            for m in dir(thing):
                f = inspect.getattr_static(thing, m)
                if not m.startswith("_") and inspect.isfunction(f):
                    yield f"{n}.{m}", f, f.__doc__


def lacking_in(function, text):
    """What the description of a function does not say: a parameter, or what is returned."""
    signature = inspect.signature(function)
    others = "the others as in" in text
    lacking = [p for p in signature.parameters if p != "self" and not others and not re.search(rf"\b{p}\b", text)]
    if signature.return_annotation not in (None, "None", inspect.Signature.empty) and not re.search(r"[Rr]eturns\b", text):
        lacking.append("return")
    return lacking


@pytest.mark.parametrize("name", MODULES)
def test_parameters_and_results(name):
    """Aim: a description names each parameter, or says where they are described, and what is returned."""
    wrong = {n: lacking_in(f, text) for n, f, text in documented(name)}
    assert {n: w for n, w in wrong.items() if w} == {}


def test_parameters_and_results_can_fail():
    """Aim: a parameter and a result that are not described are found."""
    def f(self, one: int, two: int) -> int:
        """Takes one."""

    assert lacking_in(f, f.__doc__) == ["two", "return"]
