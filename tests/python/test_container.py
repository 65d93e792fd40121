"""Pro.Core's containers in one process: memory, files, objects, ranges, matches, binary files, refusals."""

import os

import pytest
from test_mp import LOOP

LOCAL = LOOP + """
import gc, hashlib, io, random, tarfile, tempfile, weakref, zipfile
def of(data):
    c = NTContainer()
    assert c.setData(data) is True
    return c
def raises(kind, call):
    try: result = call()
    except kind as error: return error
    raise AssertionError("returned %r instead of %s" % (result, kind.__name__))
class Source:
    def __init__(self, data): self.data, self.size, self.threads = data, len(data), set()
    def read(self, offset, size):
        self.threads.add(threading.current_thread().name)
        return self.data[offset:offset + size]
folder = tempfile.mkdtemp(dir=os.path.dirname(os.path.abspath(__file__)))
def file_of(data, name=None):
    path = os.path.join(folder, name or "file%d" % len(os.listdir(folder)))
    with open(path, "wb") as f: f.write(data)
    return path
"""

# A container against a model, bytes: whatever is done with one is done with the other.
MODEL = """
def offset_of(r, n): return r.choice([0, 1, max(n - 1, 0), n, n + 1, r.randrange(n + 1), r.randrange(n + 1), 262144, 2**31, 2**64 + 5])
def one(c, data, r):
    n = len(data)
    how = r.randrange(7)
    if how == 0:
        o, s = offset_of(r, n), r.choice([0, 1, 4096, 65536, 300000, n, 2**70])
        return c.read(o, s) == data[o:o + s] or ("read", o, s)
    if how == 1:
        i = r.randrange(-n, n) if n else 0
        return not n or c[i] == data[i] or ("item", i)
    if how == 2:
        a, b = (r.choice([None, 1, -1]) and r.randrange(-n - 5, n + 6) for i in range(2))
        step = r.choice([None, 1, 1, -1, 2, -3, 1000, 5000, -70000, 2**40])
        return c[a:b:step] == data[a:b:step] or ("slice", a, b, step)
    if how == 3:
        with c.open() as f, io.BytesIO(data) as g:
            for i in range(r.randrange(1, 6)):
                at, size = r.randrange(n + 100), r.choice([0, 1, 10, 5000, 100000, -1])
                if (f.seek(at), f.read(size), f.tell()) != (g.seek(at), g.read(size), g.tell()): return "file", at, size
            room, same = bytearray(70000), bytearray(70000)
            return (f.seek(-n // 2, 2), f.readinto(room), room, f.readline()) == (g.seek(-n // 2, 2), g.readinto(same), same, g.readline()) or "file"
    if how == 4:
        o = r.randrange(n + 1)
        pattern = data[o:o + r.choice([0, 1, 3, 300])] + r.choice([b"", b"", b"\\0x"])
        begin, size = r.choice([0, o, r.randrange(n + 5)]), r.choice([None, None, r.randrange(n + 5), 0])
        end = n if size is None else min(n, begin + size)
        want = data.find(pattern, begin, end) if begin <= end else -1
        m = c.findFirst(pattern, begin, size)
        if (m if m else -1) != want: return "find", pattern[:20], begin, size, int(m), want
        m2 = c.findNext(m)
        want2 = data.find(pattern, want + 1, end) if want >= 0 and want < end else -1
        return (m2 if m2 else -1) == want2 or ("next", pattern[:20], begin, size, int(m2), want2)
    if how == 5:
        try: view = memoryview(c)
        except BufferError: return True
        return bytes(view) == data and view.readonly or "view"
    digest = hashlib.sha256()
    for at in range(0, n, 100001): digest.update(c[at:at + 100001])
    return digest.digest() == hashlib.sha256(data).digest() or "digest"
def check(c, data, seed, rounds):
    import random
    r = random.Random(seed)
    for i in range(rounds):
        found = one(c, data, r)
        if found is not True: return repr((seed, i, found))
    return "ok" if len(c) == c.size() == len(data) and bytes(c) == data else "size"
"""


def test_null_containers(run):
    """A container without data says so, is empty, and refuses to be read with one sentence."""
    assert run(LOCAL + """
c = NTContainer()
assert c.isNull() and not c.isValid() and c.size() == len(c) == 0 and not c and c.error is None and "null" in repr(c)
for call in (lambda: c.read(0, 1), lambda: c[0], lambda: c[:], lambda: c.findFirst(b"x"), lambda: b"x" in c, lambda: memoryview(c),
             lambda: bytes(c), c.open, lambda: c.advise("random")):
    assert "null" in str(raises(ValueError, call))
assert not c.setRange(0, 0)
assert c.setData(b"") and c.isValid() and not c and bytes(c) == b"" == c.read(0, 5) == c[:] == bytes(memoryview(c)) and c.findFirst(b"") == 0
assert raises(TypeError, lambda: NTContainer(5)) and raises(TypeError, lambda: NTContainer(b"x"))
print("ok")
""") == "ok\n"


@pytest.mark.parametrize("kind", ["bytes", "file", "object", "range"])
def test_model(run, kind):
    """Aim: whatever way a container is read, it says what bytes say: random calls against a model, around all borders of sizes."""
    assert run(LOCAL + MODEL + """
kind, rounds = sys.argv[1], int(sys.argv[2])
for n in (0, 1, 17, 4096, 262143, 262144, 262145, 1500007):
    data = random.Random(n).randbytes(n // 2) + b"abab" * (n // 8)
    data += bytes(n - len(data))
    c = (of(data) if kind == "bytes" else createContainerFromFile(file_of(data)) if kind == "file" else
         createContainer(Source(data)) if kind == "object" else of(b"before" + data + b"behind"))
    assert kind != "range" or c.setRange(6, n)
    said = check(c, data, n, rounds)
    assert said == "ok", said
print("ok")
""", kind, str(int(os.environ.get("PROMP_EXAMPLES", "60")) * 4)) == "ok\n"


def test_refusals(run):
    """Negative numbers, wrong types and writing are refused by their exceptions; nothing changes."""
    assert run(LOCAL + """
c = of(b"some data")
for call in (lambda: c.read(-1, 1), lambda: c.read(0, -1), lambda: c.setRange(-1, 1), lambda: c.setRange(0, -1), lambda: c.findFirst(b"x", -1),
             lambda: c.findFirst(b"x", 0, -1), lambda: c.read(-2**70, 1), lambda: c.advise("fast"), lambda: c.advise("soon", -1), lambda: c[::0]):
    raises(ValueError, call)
for call in (lambda: c.read("0", 1), lambda: c.read(0), lambda: c.read(0.0, 1), lambda: c.read(0, None), lambda: c.setData("text"), lambda: c.setData(5),
             lambda: c.setData(None), lambda: c.findFirst("text"), lambda: c.findFirst(5), lambda: c.findNext(0), lambda: c["a"], lambda: c[1.5],
             lambda: "text" in c, lambda: iter(c), lambda: reversed(c), lambda: list(c), lambda: exec("c[0] = 1"), lambda: exec("del c[0]"), lambda: memoryview(c).__setitem__(0, 1),
             lambda: __import__("copy").copy(c), lambda: __import__("pickle").dumps(c), lambda: createContainerFromFile(5),
             lambda: createContainer(5), lambda: createContainer(Source(b""), 5)):
    raises(TypeError, call)
raises(IndexError, lambda: c[9]); raises(IndexError, lambda: c[-10]); raises(IndexError, lambda: c[2**70])
raises(ValueError, lambda: createContainerFromFile("a\\0b")); raises(BufferError, lambda: c.setData(memoryview(b"abcd")[::2]))
assert bytes(c) == b"some data" and c.size() == 9 and 115 in c and b"me d" in c and b"x" not in c
print("ok")
""") == "ok\n"


def test_data_and_ranges_are_the_objects_own(run):
    """setData() and setRange() change one object; views, files and matches of before stay what they were; a range is cut to
    what there is and is relative to the last one."""
    assert run(LOCAL + """
data = os.urandom(400000)
c = of(bytearray(data)); view, f = memoryview(c), c.open()
assert c.setRange(100, 2**70) and bytes(c) == data[100:] and c.setRange(5, 10) and bytes(c) == data[105:115]
assert not c.setRange(11, 1) and bytes(c) == data[105:115] and c.setRange(10, 1) and len(c) == 0 and c.isValid()
assert c.setData(c.read(0, 0) + b"new") and bytes(c) == b"new" and f.read() == data == bytes(view)
twice = of(c); assert bytes(twice) == b"new"
mine = bytearray(b"x" * 300000); c = of(mine); mine[:] = b"y" * 300000; assert bytes(c) == b"x" * 300000
class Derived(NTContainer):
    def __init__(self, data): self.setData(data); self.extra = 1
assert Derived(b"abc")[1] == 98 and "Derived" in repr(Derived(b"")) and weakref.ref(Derived(b""))() is None
m = of(b"..x..x").findFirst(b"x")
assert (m, m.offset, m.size, int(m), bool(m), m + 1) == (2, 2, 1, 2, True, 3) and type(m.offset) is int
none = of(b"").findFirst(b"x"); assert none == INVALID_STREAM_OFFSET == 2**64 - 1 and not none and none.size == 0 and c.findNext(none) == none
assert of(b"x").findFirst(b"x") and of(b"x").findFirst(b"x") == 0
print("ok")
""") == "ok\n"


def test_binary_files(run):
    """open() gives real files, each with a place of its own: zipfile and tarfile take them, writing is refused."""
    assert run(LOCAL + """
z, t = io.BytesIO(), io.BytesIO()
texts = {"a": os.urandom(1000), "b/c": b"c" * 100000}
with zipfile.ZipFile(z, "w", zipfile.ZIP_DEFLATED) as archive:
    for name, text in texts.items(): archive.writestr(name, text)
with tarfile.open(fileobj=t, mode="w:gz") as archive:
    for name, text in texts.items():
        info = tarfile.TarInfo(name); info.size = len(text); archive.addfile(info, io.BytesIO(text))
for make in (of, lambda data: createContainerFromFile(file_of(data)), lambda data: createContainer(Source(data))):
    c = make(z.getvalue())
    assert {n: zipfile.ZipFile(c.open()).read(n) for n in texts} == texts
    with tarfile.open(fileobj=make(t.getvalue()).open()) as archive: assert {n: archive.extractfile(n).read() for n in texts} == texts
    f, g = c.open(), c.open()
    f.seek(10); assert g.tell() == 0 and f.read(5) == c[10:15] and g.read(3) == c[:3] and f.read1(5) and f.peek(1)
    assert f.readable() and f.seekable() and not f.writable() and isinstance(f, io.BufferedReader)
    raises(io.UnsupportedOperation, lambda: f.write(b"x")); raises(io.UnsupportedOperation, f.truncate); raises(io.UnsupportedOperation, f.fileno)
    raises(OSError, lambda: g.raw.seek(-len(c) - 1, 2)); raises(ValueError, lambda: f.seek(0, 7)); raises(OSError, lambda: f.seek(-1))
    f.close(); raises(ValueError, lambda: f.read(1)); assert g.read(3) == c[3:6]
    raises(zipfile.BadZipFile, lambda: zipfile.ZipFile(make(b"short").open()))
print("ok")
""") == "ok\n"


def test_files(run):
    """What is no regular file, or cannot be read, makes a null container with the reason; one that changes gives an OSError, never
    other bytes; one that is replaced or deleted is read on."""
    assert run(LOCAL + """
os.mkfifo(os.path.join(folder, "fifo"))
for bad, errno in ((os.path.join(folder, "none"), 2), (folder, 0), (os.path.join(folder, "fifo"), 0), ("/dev/null", 0), ("", 2)):
    c = createContainerFromFile(bad)
    assert c.isNull() and isinstance(c.error, NTContainerError) and isinstance(c.error, OSError) and isinstance(c.error, ProMPError), bad
    assert c.error.number == 1606 and c.error.name == "CONTAINER_FILE" and (c.error.errno or 0) == errno, (bad, c.error.errno, c.error)
    error = raises(NTContainerError, lambda: c.read(0, 1)); assert str(error) == str(c.error) and error is not c.error
    assert str(error) in repr(c)
    raises(NTContainerError, c.open)
    assert c.setData(b"x") and c.error is None and c[0] == 120
data = os.urandom(300000)
for path in (file_of(data), file_of(data).encode(), __import__("pathlib").Path(file_of(data)), file_of(data, "caf\\u00e9 \\udcff")):
    assert bytes(createContainerFromFile(path)) == data
def shorter(path): os.truncate(path, 4096)
def longer(path): open(path, "ab").write(b"x")
def other(path): f = open(path, "r+b"); f.seek(100000); f.write(b"xxx"); f.close()
def empty(path): open(path, "wb").close()
for change in (shorter, longer, other, empty):
    path = file_of(data, change.__name__); os.utime(path, (1, 1))
    c = createContainerFromFile(path); f = c.open()
    assert c.read(0, 100) == data[:100] == f.read(100)
    change(path)
    for call in (lambda: c.read(0, 100), lambda: c.read(99990, 100), lambda: c.read(299999, 1), lambda: c.findFirst(b"xxx"), lambda: bytes(c), f.read):
        assert raises(NTContainerError, call).name == "CONTAINER_CHANGED"
for change in (os.unlink, lambda path: os.rename(file_of(b"other" * 60000, "new"), path)):
    path = file_of(data, "goes"); c = createContainerFromFile(path); change(path); assert bytes(c) == data
print("ok")
""") == "ok\n"
