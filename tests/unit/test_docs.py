"""The documentation: every command line in it parses, and every link between its pages leads somewhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import click
import pytest
from click.testing import CliRunner

import zonevm
from zonevm import images
from zonevm.cli.app import app
from zonevm.disks import parse

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").rglob("*.md")])

FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:sudo )?zonevm [^`]+)`")
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
ELLIPSIS = "..."


class Line(NamedTuple):
    """A command line of zonevm's. ``complains``: what follows on the page is a message of zonevm's."""

    page: Path
    words: list[str]
    complains: bool

    def __str__(self) -> str:
        return f"{self.page.name}: {shlex.join(self.words)}"


def command_lines(page: Path) -> Iterator[Line]:
    text = page.read_text()
    for block in FENCE.findall(text):
        lines = block.splitlines()[1:-1]
        while lines:
            command = lines.pop(0).removeprefix("$ ")
            if not re.match(r"(sudo )?zonevm ", command):
                continue
            while (tokens := shell_tokens(command)) is None and lines:
                command = command.removesuffix("\\") + "\n" + lines.pop(0)
            complains = bool(lines) and lines[0].startswith("zonevm: ")
            yield from (Line(page, words, complains) for words in invocations(tokens or []))
    for command in INLINE.findall(FENCE.sub("", text)):
        yield from (Line(page, words, False) for words in invocations(shell_tokens(command) or []))


def shell_tokens(command: str) -> list[str] | None:
    """Return the words and operators of ``command``; None for one that goes on in the next line."""
    if command.endswith("\\"):
        return None
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:
        return None


def invocations(tokens: list[str]) -> Iterator[list[str]]:
    """Yield the arguments of each zonevm among ``tokens``, with optional ones, but for what is shortened."""
    words: list[str] | None = None
    for token in [*tokens, ";"]:
        if set(token) <= set("();<>|&"):
            if words is not None and ELLIPSIS not in words:
                yield words
            words = None
        elif words is not None:
            words.append(token.strip("[]"))
        elif token == "zonevm":
            words = []


def described(words: list[str]) -> Iterator[str]:
    """Yield the disks among a command line's options."""
    options = words[: words.index("--")] if "--" in words else words
    for option, value in pairwise(options):
        if option == "--disk" and ELLIPSIS not in value:
            yield value


def slug(heading: str) -> str:
    """Return the anchor of a heading, as code hosts make it."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


LINES = [line for page in PAGES for line in command_lines(page)]


def test_there_is_something_to_check() -> None:
    assert len(LINES) > 50


@pytest.mark.parametrize("line", LINES, ids=str)
def test_a_command_line_has_verbs_and_options_that_exist(line: Line) -> None:
    context, words = click.Context(app), list(line.words)
    while isinstance(context.command, click.Group) and words and not words[0].startswith("-"):
        name, command, words = context.command.resolve_command(context, words)
        assert command is not None
        context = click.Context(command, context, name, **command.context_settings)
    _, left, _ = context.command.make_parser(context).parse_args(words)
    assert not left, "more arguments than the verb takes"


@pytest.mark.parametrize("line", [line for line in LINES if not line.complains], ids=str)
def test_a_disk_can_be(line: Line) -> None:
    for text in described(line.words):
        parse(text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(FENCE.sub("", page.read_text())):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{target} leads nowhere"
        assert not anchor or anchor in map(slug, HEADING.findall(there.read_text())), f"no heading {anchor}"


def test_the_errors_of_the_python_api_are_those_of_its_page() -> None:
    page = (ROOT / "docs" / "python.md").read_text().partition("## Errors")[2].partition("## ")[0]
    told = {
        tuple(re.findall(r"`(\w+)`", row.split("|")[1])) for row in page.splitlines() if row.startswith("| `")
    }
    public = {name: getattr(zonevm, name) for name in zonevm.__all__ if name.endswith("Error")}
    bases = {name: error.__base__.__name__ for name, error in public.items() if name != "ZonevmError"}
    assert told == {(name, base) if base != "ZonevmError" else (name,) for name, base in bases.items()}


def test_disk_info_prints_the_rows_that_the_readme_shows(tmp_path: Path) -> None:
    shown = (ROOT / "README.md").read_text().partition("$ zonevm disk info")[2].partition("```")[0]
    images.create(tmp_path / "disk.img", size="4G", zone_size="64M", conventional=4)
    printed = CliRunner().invoke(app, ["disk", "info", str(tmp_path / "disk.img")]).stdout
    alike = "serial|wwn|uuid|created|written|on the host"
    mask = partial(re.sub, rf"^({alike})( +).*", r"\1\2...", flags=re.MULTILINE)
    assert mask(printed).splitlines() == mask(shown).splitlines()[1:]
