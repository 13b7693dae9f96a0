"""A matrix as a file: its cells, what is not right in it, its shards, and what CI systems get of it."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections import Counter
from itertools import product
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from zonevm import UsageError
from zonevm.cli.app import app
from zonevm.matrix import Cell, Shard, load, named
from zonevm.matrix.emit import github, github_matrix, gitlab
from zonevm.matrix.matrix import AXES, Entry, Matrix, Settings
from zonevm.matrix.workload import Run

FILE = """
timeout = 600

[kernels]
lts = "6.12"
old = "6.1"
mine = "../linux"

[disks]
smr = "smr,size=1G"
both = ["smr,size=256M", "zns,size=256M"]

[workloads]
look = "lsblk -z"
load = { run = "fio 'a job'", memory = "2G" }

[workloads.store]
timeout = 900
crash = { setup = "./setup", work = "./work", check = "./check", states = 5, timeout = 30 }

[[exclude]]
kernel = "mine"
disk = "both"

[[include]]
kernel = "old"
memory = "512M"

[[include]]
kernel = "mine"
disk = "both"
workload = "look"
timeout = 5
"""


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "matrix.toml"
    file.write_text(text)
    return file


def wrong(tmp_path: Path, text: str) -> str:
    """What is said of a file that is not right, without its name."""
    with pytest.raises(UsageError) as caught:
        load(written(tmp_path, text))
    assert caught.value.message.startswith(f"{tmp_path}/matrix.toml")
    return caught.value.message.removeprefix(f"{tmp_path}/matrix.toml").removeprefix(": ")


def test_cells_are_command_lines(tmp_path: Path) -> None:
    cells = {cell.name: str(cell) for cell in load(written(tmp_path, FILE))}
    assert len(cells) == 2 * 2 * 3 + 3 + 1
    assert cells["lts/smr/look"] == (
        "zonevm run --kernel 6.12 --memory 1G --disk smr,size=1G --timeout 600 -- sh -c 'lsblk -z'"
    )
    assert cells["lts/both/load"] == (
        "zonevm run --kernel 6.12 --memory 2G --disk smr,size=256M --disk zns,size=256M --timeout 600 "
        + shlex.join(["--", "sh", "-c", "fio 'a job'"])
    )
    assert cells["mine/smr/store"] == (
        "timeout --signal=INT --kill-after=60 900 zonevm crash --kernel ../linux --memory 1G "
        "--disk smr,size=1G --guests 1 --work ./work --check ./check --setup ./setup --states 5 --timeout 30"
    )
    assert "--memory 512M" in cells["old/both/load"]  # as an include is over what it is added to
    assert "--timeout 5 " in cells["mine/both/look"]  # which was excluded before
    assert "mine/both/load" not in cells


def test_every_command_line_is_one_of_zonevms(tmp_path: Path) -> None:
    for cell in load(written(tmp_path, FILE)):
        words = list(cell.kept_in(tmp_path))
        verb = app.get_command(click.Context(app), words[words.index("zonevm") + 1])
        assert verb is not None
        context = click.Context(verb, **verb.context_settings)
        verb.make_parser(context).parse_args(words[words.index("zonevm") + 2 :])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('lts = "6.12"', "lts = 6.12"), "kernels.lts: '6.12' is not a version"),
        (('old = "6.1"', '"a/b" = "6.1"'), "kernels: 'a/b' is not a name that a file can have"),
        (('smr = "smr,size=1G"', 'smr = "smr,sise=1G"'), "disks.smr: smr: unknown option 'sise'"),
        (('smr = "smr,size=1G"', "smr = []"), "disks.smr: there are no disks"),
        (('memory = "2G" }', 'memori = "2G" }'), "workloads.load: unknown key 'memori'"),
        (('memory = "2G" }', "timeout = -1 }"), "workloads.load: timeout: '-1' is not a time"),
        (('memory = "2G" }', "timeout = true }"), "workloads.load: timeout: 'True' is not a time"),
        (('memory = "2G" }', 'memory = "much" }'), "workloads.load: memory: 'much' is not a size"),
        (('memory = "2G" }', 'crash = "x" }'), "workloads.load: both run and crash are given"),
        (("states = 5", "states = 0"), "workloads.store: crash: states: '0' is not a number from 1 on"),
        (("states = 5", "points = true"), "workloads.store: crash: points: 'True' is not a number"),
        (('check = "./check", ', ""), "workloads.store: crash: there is no check"),
        (("timeout = 600", "timeuot = 600"), "unknown key 'timeuot'"),
        (("[kernels]", "[kernel]"), "unknown key 'kernel'"),
        (('disk = "both"\n\n', 'disks = "both"\n\n'), "exclude 1: unknown key 'disks'"),
        (('disk = "both"\n\n', 'disk = "btoh"\n\n'), "exclude 1: disk: there is no disk 'btoh'"),
        (('memory = "512M"', 'disk = "none"'), "include 1: disk: there is no disk 'none'"),
        (
            ('disk = "both"\nworkload = "look"\n', 'disk = "both"\n'),
            "include 2 fits no cell, and adds none: it has no workload",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_wrong_is_told_with_its_place(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    assert FILE.count(change[0])
    assert wrong(tmp_path, FILE.replace(*change)).startswith(message)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    assert wrong(tmp_path, "a = ").startswith(" is not TOML")
    assert wrong(tmp_path, "") == "[kernels] is missing"
    assert wrong(tmp_path, "kernels = {}") == "[kernels] is empty"
    with pytest.raises(UsageError, match="No such file"):
        load(tmp_path / "none.toml")
    assert (
        wrong(tmp_path, "exclude = 1\n" + FILE.partition("[[exclude]]")[0])
        == "exclude is not a list of tables"
    )
    everything = FILE.partition("[[exclude]]")[0] + "".join(
        f'[[exclude]]\nkernel = "{kernel}"\n' for kernel in ("lts", "old", "mine")
    )
    assert wrong(tmp_path, everything) == "the matrix has no cells: all are excluded"


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["a", *AXES, "run", "crash", "work", "check", "timeout", "memory"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*(f"{axis}s" for axis in AXES), "exclude", "include"]), VALUES))
def test_whatever_toml_holds_is_a_matrix_or_an_error(content: dict[str, Any]) -> None:
    from zonevm.matrix.file import _matrix  # noqa: PLC0415

    try:
        cells = _matrix(content).cells()
    except UsageError:
        return
    assert cells


NAMES = st.sampled_from(["a", "b", "c"])
PARTS = st.dictionaries(st.sampled_from(AXES), NAMES, min_size=1)


@given(st.lists(PARTS, max_size=4), st.lists(PARTS.filter(lambda part: len(part) == 3), max_size=3))
def test_exclude_and_include(excluded: list[dict[str, str]], included: list[dict[str, str]]) -> None:
    """By the words of GitHub's documentation, said in another way."""
    names = dict.fromkeys("abc", "smr,size=1G")
    matrix = Matrix(
        names,
        {name: [disk] for name, disk in names.items()},
        {name: (Run("true"), Settings()) for name in names},
        [Entry("exclude", each) for each in excluded],
        [Entry("include", each) for each in included],
    )
    wanted = {
        "/".join(each)
        for each in product("abc", repeat=3)
        if not any(set(part.items()) <= set(zip(AXES, each, strict=True)) for part in excluded)
    } | {"/".join(part[axis] for axis in AXES) for part in included}
    if not wanted:
        with pytest.raises(UsageError, match="no cells"):
            matrix.cells()
        return
    cells = [cell.name for cell in matrix.cells()]
    assert len(cells) == len(wanted)
    assert set(cells) == wanted


def cell(kernel: str, disk: str, workload: str) -> Cell:
    return Cell(kernel, disk, workload, ("zonevm", "run", "--kernel", "6.12"), 2**30)


CELLS = st.lists(st.tuples(NAMES, NAMES, st.text("abxy", min_size=1, max_size=2)), unique=True)


@given(CELLS, st.integers(1, 9))
def test_shards_share_the_cells_out(names: list[tuple[str, str, str]], count: int) -> None:
    cells = [cell(*each) for each in names]
    shards = [Shard.parse(f"{number}/{count}").of(cells) for number in range(1, count + 1)]
    assert sorted(each.name for shard in shards for each in shard) == sorted(each.name for each in cells)
    sizes = [len(shard) for shard in shards]
    assert max(sizes) - min(sizes) <= 1
    for workload in {each.workload for each in cells}:
        of = [Counter(each.workload for each in shard)[workload] for shard in shards]
        assert max(of) - min(of) <= 1
    for shard in shards:
        assert shard == [each for each in cells if each in shard]


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/", "a/b", "1/0", "-1/2", "1/2/3", "1 /2"])
def test_a_shard_that_is_none(text: str) -> None:
    with pytest.raises(UsageError, match="is not a shard"):
        Shard.parse(text)


def test_a_cell_is_named(tmp_path: Path) -> None:
    cells = load(written(tmp_path, FILE))
    assert [each.name for each in named(cells, ["old/smr/look", "lts/smr/load"])] == [
        "lts/smr/load", "old/smr/look"
    ]  # fmt: skip
    with pytest.raises(UsageError, match="no cell 'lts/smr/lok'") as caught:
        named(cells, ["lts/smr/lok"])
    assert "Did you mean lts/smr/look?" in caught.value.hint
    assert [Cell.of(json.loads(json.dumps(each.facts()))) for each in cells] == cells


def test_the_list_is_of_command_lines(tmp_path: Path) -> None:
    file = written(tmp_path, FILE)
    cells = load(file)
    words = [str(file), "--list"]
    for each in (words, words[::-1], ["run", *words]):
        assert CliRunner().invoke(app, ["matrix", *each]).stdout.splitlines() == [str(each) for each in cells]
    words += ["--json", "--shard", "1/2"]
    told = json.loads(CliRunner().invoke(app, ["matrix", *words]).stdout)
    assert [each["cell"] for each in told] == [each.name for each in Shard(1, 2).of(cells)]


def test_github_runs_each_cell(tmp_path: Path) -> None:
    file = written(tmp_path, FILE)
    cells = load(file)
    line = github_matrix(cells, str(file))
    assert line.count("\n") == 1
    rows = json.loads(line)["include"]
    assert [row["cell"] for row in rows] == [each.name for each in cells]
    assert {row["kernel"]: row["pull"] for row in rows} == {"lts": "6.12", "old": "6.1", "mine": ""}
    assert len({row["number"] for row in rows}) == len(rows)

    workflow = yaml.load(github(cells, "my tests/a 'b'.toml"), yaml.BaseLoader)
    jobs = workflow["jobs"]
    assert set(workflow) == {"name", "on", "jobs"}
    assert jobs["cell"]["needs"] == "cells"
    assert jobs["cell"]["strategy"]["matrix"] == "${{ fromJSON(needs.cells.outputs.matrix) }}"
    for job in jobs.values():
        for step in job["steps"]:
            assert ("run" in step) != ("uses" in step)
            if "run" in step:
                script = re.sub(r"\${{.*?}}", "x", step["run"])
                subprocess.run(["sh", "-n", "-c", script], check=True)
    used = set(re.findall(r"matrix\.(\w+)", json.dumps(jobs["cell"]))) - {"matrix"}
    assert used <= set(rows[0])
    runs = [step["run"] for step in jobs["cell"]["steps"] if "zonevm matrix" in step.get("run", "")]
    assert [shlex.split(each) for each in runs] == [
        ["zonevm", "matrix", "my tests/a 'b'.toml", "--cell", "$CELL", "--dir", "cell"]
    ]


def test_gitlab_runs_each_cell(tmp_path: Path) -> None:
    cells = load(written(tmp_path, FILE))
    pipeline = yaml.safe_load(gitlab(cells, "my matrix.toml"))
    job = pipeline["cell"]
    assert ["/".join(row[axis.upper()] for axis in AXES) for row in job["parallel"]["matrix"]] == [
        each.name for each in cells
    ]
    pull, run = job["script"]
    for name, version in (("lts", "6.12\n"), ("mine", "")):
        script = f'zonevm() {{ echo "$3"; }}; KERNEL={name}; {pull}'
        done = subprocess.run(["sh", "-c", script], check=True, capture_output=True, text=True)
        assert done.stdout == version
    assert shlex.split(run) == [
        "zonevm", "matrix", "my matrix.toml", "--cell", "$KERNEL/$DISK/$WORKLOAD", "--dir", "cell-$CI_JOB_ID"
    ]  # fmt: skip
    assert job["artifacts"]["reports"] == {"junit": "cell-*/report.xml"}


def test_a_matrix_that_is_too_large_for_a_ci_system() -> None:
    cells = [cell("a", "b", f"c{number}") for number in range(257)]
    with pytest.raises(UsageError, match="257 cells, and a matrix of GitHub has 256"):
        github(cells, "m.toml")
    with pytest.raises(UsageError, match="GitLab has 200"):
        gitlab(cells[:201], "m.toml")
    assert len(json.loads(github_matrix(cells[:256], ""))["include"]) == 256
