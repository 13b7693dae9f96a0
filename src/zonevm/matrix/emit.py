"""A matrix as what CI systems run: their matrix is of the names, and each job runs its own cell by zonevm."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence

from zonevm.errors import UsageError
from zonevm.inputs import printable
from zonevm.matrix.cell import Cell

_MOST_GITHUB = 256
_MOST_GITLAB = 200


def github(cells: Sequence[Cell], file: str) -> str:
    """Return a workflow of GitHub's that runs each cell of ``file`` as a job, and merges what comes of them.

    It asks for the cells when it runs, by :func:`github_matrix`: it stays right when the file changes.
    """
    _refuse_many(cells, _MOST_GITHUB, "GitHub")
    matrix, one = _matrix(file), _matrix(file, '--cell "$CELL" --dir cell')
    return _filled(
        _GITHUB,
        {
            "CELLS": f'matrix=$({matrix} --emit github-matrix) && echo "matrix=$matrix" >>"$GITHUB_OUTPUT"',
            "MADE": f"# Made by: {printable(_matrix(file))} --emit github",
            "RUN": one,
        },
    )


def github_matrix(cells: Sequence[Cell], _: str) -> str:
    """Return a ``strategy.matrix`` of GitHub's as JSON on one line, for ``fromJSON``."""
    _refuse_many(cells, _MOST_GITHUB, "GitHub")
    rows = [
        {
            "cell": cell.name,
            **{axis: getattr(cell, axis) for axis in ("kernel", "disk", "workload")},
            "number": number,
            "pull": _version(cell),
        }
        for number, cell in enumerate(cells, 1)
    ]
    return f"{json.dumps({'include': rows})}\n"


def gitlab(cells: Sequence[Cell], file: str) -> str:
    """Return a ``.gitlab-ci.yml`` that runs each cell of ``file`` as a job of ``parallel:matrix``."""
    _refuse_many(cells, _MOST_GITLAB, "GitLab")
    rows = [
        f"      - {{KERNEL: {json.dumps(cell.kernel)}, DISK: {json.dumps(cell.disk)},"
        f" WORKLOAD: {json.dumps(cell.workload)}}}"
        for cell in cells
    ]
    pulled = {cell.kernel: version for cell in cells if (version := _version(cell))}
    cases = " ".join(f"{name}) zonevm kernel pull {version} ;;" for name, version in pulled.items())
    return _filled(
        _GITLAB,
        {
            "MADE": f"# Made by: {printable(_matrix(file))} --emit gitlab",
            "ROWS": "\n".join(rows),
            "PULL": f'case "$KERNEL" in {cases} esac' if cases else "zonevm kernel list",
            "RUN": _matrix(file, '--cell "$KERNEL/$DISK/$WORKLOAD" --dir "cell-$CI_JOB_ID"'),
        },
    )


FORMS = {"github": github, "github-matrix": github_matrix, "gitlab": gitlab}
"""What a matrix can be emitted as."""


def _refuse_many(cells: Sequence[Cell], most: int, system: str) -> None:
    if len(cells) > most:
        raise UsageError(
            f"these are {len(cells)} cells, and a matrix of {system} has {most} jobs at most",
            "Have fewer jobs run a share each: --shard I/N.",
        )


def _matrix(file: str, options: str = "") -> str:
    return f"zonevm matrix {shlex.quote(file)} {options}".rstrip()


def _version(cell: Cell) -> str:
    """Return what to pull for a cell: the version that it names; empty where that is a path."""
    kernel = cell.command[cell.command.index("--kernel") + 1]
    return shlex.quote(kernel) if kernel[0].isdecimal() and "/" not in kernel else ""


def _filled(template: str, values: Mapping[str, str]) -> str:
    """Put values where ``@NAME@`` stands, as a text in quotes (JSON's are YAML's) where ``"@NAME@"`` does."""
    for name, value in values.items():
        template = template.replace(f'"@{name}@"', json.dumps(value)).replace(f"@{name}@", value)
    return template


_GITHUB = """\
@MADE@
name: zonevm matrix
on: [push, pull_request]
jobs:
  cells:
    runs-on: ubuntu-latest
    outputs:
      matrix: ${{ steps.cells.outputs.matrix }}
    steps:
      - uses: actions/checkout@v4
      - run: pip install zonevm
      - id: cells
        run: "@CELLS@"
  cell:
    needs: cells
    name: ${{ matrix.cell }}
    runs-on: ubuntu-latest
    strategy:
      fail-fast: false
      matrix: ${{ fromJSON(needs.cells.outputs.matrix) }}
    steps:
      - uses: actions/checkout@v4
      - run: sudo apt-get update -q && sudo apt-get install -qy qemu-system-x86 kmod
      - run: sudo chmod 666 /dev/kvm
      - run: pip install zonevm
      - if: matrix.pull != ''
        run: zonevm kernel pull ${{ matrix.pull }}
      - run: "@RUN@"
        env:
          CELL: ${{ matrix.cell }}
      - if: always()
        uses: actions/upload-artifact@v4
        with:
          name: cell-${{ matrix.number }}
          path: cell
  results:
    needs: cell
    if: always()
    runs-on: ubuntu-latest
    steps:
      - run: pip install zonevm
      - uses: actions/download-artifact@v4
        with:
          pattern: cell-*
          path: cells
      - run: zonevm matrix merge cells/* --dir results
      - if: always()
        uses: actions/upload-artifact@v4
        with:
          name: results
          path: results
"""

_GITLAB = """\
@MADE@
.zonevm:
  image: debian:13
  before_script:
    - apt-get update -q && apt-get install -qy qemu-system-x86 kmod python3-venv
    - python3 -m venv /opt/zonevm && . /opt/zonevm/bin/activate && pip install -q zonevm

cell:
  extends: .zonevm
  stage: test
  parallel:
    matrix:
@ROWS@
  script:
    - "@PULL@"
    - "@RUN@"
  artifacts:
    when: always
    paths: [cell-*]
    reports:
      junit: cell-*/report.xml

results:
  extends: .zonevm
  stage: deploy
  when: always
  script:
    - zonevm matrix merge cell-* --dir results
  artifacts:
    when: always
    paths: [results]
"""
