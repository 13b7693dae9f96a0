"""The rules of the house: docs/architecture.md is right about the code, files are short, exports documented.

The arrows on the page are those between rooms and between crates, no more and no fewer: the map would mislead
otherwise.
"""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from zonevm.attach import Attachment
from zonevm.disks import KINDS

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "zonevm"
OPEN_TO_ALL = {"errors", "units", "inputs"}
SOURCES, TESTS = 400, 500
"""Lines that a file has at most."""

Arrows = dict[str, set[str]]


ARROW = re.compile(r"([\w-]+) +-> ([\w-]+(?:,\s+[\w-]+)*)")


def listed() -> list[Arrows]:
    """The lists of arrows on the page, in their order: the rooms', the crates'."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    blocks = re.findall(r"^```\n((?:[\w-]+ +-> .+\n(?: +.+\n)*)+)```", page, re.MULTILINE)
    return [
        {room: set(re.split(r",\s+", targets)) for room, targets in re.findall(ARROW, block)}
        for block in blocks
    ]


def imports(file: Path) -> Iterator[str]:
    """The modules of zonevm's own that a file imports."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "zonevm":
            yield from (f"zonevm.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def rooms() -> Arrows:
    """What the rooms import of each other."""
    arrows: Arrows = defaultdict(set)
    for file in PACKAGE.rglob("*.py"):
        inside = file.relative_to(PACKAGE)
        room = inside.parts[0].removesuffix(".py")
        if room not in ("__init__", "__main__"):
            others = {name.split(".")[1] for name in imports(file) if name.startswith("zonevm.")}
            arrows[room] |= others - {room}
    return arrows


def test_rooms_import_what_the_list_says() -> None:
    real = rooms()
    assert real.pop("errors") == set()
    assert real.pop("inputs") == set()
    assert real.pop("units") <= {"errors", "inputs"}
    closed = {room: others - OPEN_TO_ALL for room, others in real.items()}
    assert listed()[0] == {room: others for room, others in closed.items() if others}


def picks_by_class(tree: ast.AST, classes: set[str]) -> Iterator[str]:
    """The lines that ask which of ``classes`` something is an instance of."""
    for node in ast.walk(tree):
        asked: ast.AST | None = None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in ("isinstance", "issubclass"):
                asked = node.args[1]
        elif isinstance(node, ast.MatchClass):
            asked = node.cls
        elif isinstance(node, ast.Compare) and "type(" in ast.unparse(node):
            asked = node
        if asked and classes & set(re.findall(r"\w+", ast.unparse(asked))):
            yield ast.unparse(node)


def subclasses(base: type) -> set[str]:
    return {base.__name__}.union(*map(subclasses, base.__subclasses__()))


def test_no_way_of_attaching_is_picked_by_class() -> None:
    classes = {each.__name__ for each in KINDS.values()} | {"Disk"} | subclasses(Attachment)
    assert {"SmrDisk", "VhostUserScsi", "IscsiLun"} <= classes
    for example in (
        "isinstance(a, Plain | SmrDisk)",
        "type(a) is disks.SmrDisk",
        "issubclass(a, (int, Disk))",
    ):
        assert list(picks_by_class(ast.parse(example), classes)) == [example]
    for file in (file for room in ("attach", "guest", "cli") for file in (PACKAGE / room).rglob("*.py")):
        assert list(picks_by_class(ast.parse(file.read_text()), classes)) == [], file


def test_crates_depend_on_what_the_list_says() -> None:
    real = {}
    for manifest in (ROOT / "crates").glob("*/Cargo.toml"):
        dependencies = tomllib.loads(manifest.read_text()).get("dependencies", {})
        ours = {Path(each["path"]).name for each in dependencies.values() if "path" in each}
        if ours:
            real[manifest.parent.name] = ours
    assert listed()[1] == real


def test_no_arrows_go_in_circles() -> None:
    for arrows in listed():
        left = dict(arrows)
        while left:
            free = [room for room, others in left.items() if not others & left.keys()]
            assert free, f"a circle among {sorted(left)}"
            for room in free:
                del left[room]


def lengths(*patterns: str) -> dict[str, int]:
    """How many lines the files have that match."""
    return {
        str(file.relative_to(ROOT)): len(file.read_text().splitlines())
        for pattern in patterns
        for file in ROOT.glob(pattern)
    }


@pytest.mark.parametrize(
    ("files", "most"),
    [
        (lengths("src/**/*.py", "crates/*/src/**/*.rs"), SOURCES),
        (lengths("tests/**/*.py", "crates/*/tests/**/*.rs"), TESTS),
    ],
    ids=["sources", "tests"],
)
def test_a_file_fits_in_the_head(files: dict[str, int], most: int) -> None:
    assert len(files) > 50
    assert {file: lines for file, lines in files.items() if lines > most} == {}


def rows_to_add() -> list[str]:
    """What to write for each thing to add, as the page has it."""
    page = (ROOT / "docs" / "architecture.md").read_text()
    section = page.partition("## To add\n")[2].partition("\n## ")[0]
    return re.findall(r"^- \*\*.+(?:\n  .+)*", section, re.MULTILINE)


@pytest.mark.parametrize("row", rows_to_add())
def test_what_is_to_be_written_to_is_there(row: str) -> None:
    for name in re.findall(r"`([\w./-]+(?:/|\.py|\.pyi|\.rs))`", row):
        assert any((place / name).exists() for place in (ROOT, PACKAGE)), f"there is no {name}"


@pytest.mark.parametrize("page", ["architecture", "contracts", "decisions"])
def test_lines_of_the_pages_for_contributors_fit(page: str) -> None:
    lines = (ROOT / "docs" / f"{page}.md").read_text().splitlines()
    assert [line for line in lines if len(line) > 100] == []


ITEM = re.compile(r"pub (?:(?:unsafe|const|async) )*(?:fn|struct|enum|trait|type|const|static) (\w+)")


def undocumented(crate: Path) -> Iterator[str]:
    """What a crate exports without a doc comment; methods, fields and variants may speak for themselves."""
    texts = {file: file.read_text() for file in (crate / "src").rglob("*.rs")}
    exported = {
        name
        for text in texts.values()
        for use in re.findall(r"^pub use ([^;]+);", text, re.MULTILINE)
        for name in re.findall(r"\w+", use)
    }
    for file, text in texts.items():
        commented = False
        for line in text.splitlines():
            item = ITEM.match(line)
            if item and item[1] in exported and not commented:
                yield f"{file.relative_to(ROOT)}: {item[1]}"
            commented = line.startswith("///") or (commented and not re.match(r"\w|$", line))


@pytest.mark.parametrize("crate", sorted((ROOT / "crates").iterdir()), ids=lambda crate: crate.name)
def test_what_a_crate_exports_says_what_it_is_for(crate: Path) -> None:
    assert list(undocumented(crate)) == []
