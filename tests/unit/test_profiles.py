"""Profiles of SMR disks: images like drives that are sold, what is given beside them, and their docs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from zonevm import images
from zonevm.attach.resolve import with_methods
from zonevm.cli import execute
from zonevm.cli.app import app
from zonevm.disks import SmrDisk, SmrShape, parse
from zonevm.disks.profiles import PROFILES
from zonevm.errors import DiskError, ImageError
from zonevm.units import format_size

M, G, TB = 2**20, 2**30, 10**12


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_makes_an_image(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image = tmp_path / "disk.img"
    assert execute(["disk", "create", str(image), "--profile", name]) == 0
    assert f"{PROFILES[name].options['conv']} conventional" in capsys.readouterr().out
    assert images.check(image) == []
    assert image.stat().st_blocks * 512 < 8 * M
    info = images.info(image)
    told: dict[str, object] = {**info}
    for option_name, text in PROFILES[name].options.items():
        option = SmrShape.options()[option_name]
        assert option.value.text(told[option.field]) == text
    assert (info["model"], info["urswrz"], info["vendor"]) == ("host-managed", True, "ZONEVM")
    # As large as it is said to be, rounded up to a GiB, and a hundredth of it conventional.
    said = re.search(r"(\d+) TB", PROFILES[name].like)
    assert said is not None
    assert 0 <= info["size"] - int(said[1]) * TB < G
    assert 0.009 < info["conventional"] / info["zone_count"] < 0.0102
    assert info["block_size"] == (4096 if name.endswith("-4kn") else 512)


def test_the_grammar_and_python_take_profiles() -> None:
    disk = parse("smr,profile=hc620")
    assert disk == SmrDisk(profile="hc620")
    assert isinstance(disk, SmrDisk)
    assert (disk.size, disk.zone_size, disk.conventional) == (15_000_173_281_280, 256 * M, 524)
    assert (disk.block_size, disk.max_open) == (512, 128)
    assert str(disk) == "smr,profile=hc620"
    assert parse(str(disk)) == disk


@pytest.mark.parametrize(
    "given", ["size=20T", "zone-size=128M", "conv=7", "block-size=512", "max-open=none", "serial=A"]
)
def test_what_is_given_beside_a_profile_comes_first(given: str) -> None:
    name, _, value = given.partition("=")
    disk, plain = parse(f"smr,{given},profile=exos-4kn"), SmrDisk(profile="exos-4kn")
    assert isinstance(disk, SmrDisk)
    # Conventional zones are a share of those that there are.
    changed = {name, "conv"} if name in ("size", "zone-size") else {name}
    for option in SmrShape.options().values():
        assert (option.text(disk) != option.text(plain)) == (option.name in changed), option.name
    assert SmrShape.options()[name].text(disk) == value
    assert parse(str(disk)) == disk


@pytest.mark.parametrize(
    ("beside", "conventional"),
    [
        ("size=64G", 3),
        ("size=64G,zone-size=64M", 10),
        ("size=13970G,zone-size=128M", 1048),
        ("size=512M", 1),
        ("size=4K", 0),
        ("size=64G,conv=9", 9),
        ("size=64G,conv=0", 0),
    ],
)
def test_a_disk_of_another_size_has_its_share_of_conventional_zones(beside: str, conventional: int) -> None:
    disk = parse(f"smr,profile=hc620,{beside}")
    assert isinstance(disk, SmrDisk)
    assert disk.conventional == conventional


def test_an_override_that_does_not_fit_is_refused() -> None:
    with pytest.raises(DiskError, match="conv=300: there are 256 zones"):
        SmrDisk("64G", conventional=300, profile="hc620")


@pytest.mark.parametrize("argv", [["disk", "create", "x.img", "--profile"], ["run", "--disk"]])
def test_an_unknown_profile_is_an_error_that_names_those_there_are(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    last = "hc999" if argv[0] == "disk" else "smr,profile=hc999"
    assert execute([*argv, last]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "profile=hc999" in err
    assert ", ".join(PROFILES) in err


def test_without_a_profile_there_has_to_be_a_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["disk", "create", "x.img", "--conv", "2"]) == 2
    assert "neither --size nor --profile" in capsys.readouterr().err
    with pytest.raises(DiskError, match="profile"):
        images.create("x.img", conventional=2)
    with pytest.raises(DiskError, match="profile"):
        parse("smr,conv=2")


def test_a_file_that_is_missing_is_created_by_its_profile_and_found_again(tmp_path: Path) -> None:
    disk = SmrDisk("64G", file=tmp_path / "new.img", profile="hc680")
    for _ in range(2):
        (attachment,) = with_methods([disk]).attachments(tmp_path)
        with attachment:
            pass
    info = images.info(tmp_path / "new.img")
    assert (info["size"], info["conventional"], info["max_open"]) == (64 * G, 3, 128)


@pytest.mark.parametrize(
    ("options", "told", "hint"),
    [
        ("profile=hc620", "profile=hc620 has size=13970G, but", "Leave profile out"),
        ("profile=hc620,size=1G", "profile=hc620 has zone-size=256M, but", "Leave profile out"),
        ("profile=hc620,size=2G", "smr: size=2G, but", "Leave size out"),
    ],
)
def test_a_profile_that_an_image_does_not_have_is_refused(
    options: str, told: str, hint: str, tmp_path: Path
) -> None:
    image = tmp_path / "disk.img"
    images.create(image, size="1G", zone_size="64M")
    (attachment,) = with_methods([parse(f"smr,file={image},{options}")]).attachments(tmp_path)
    with pytest.raises(ImageError) as caught:
        attachment.describe()
    assert told in caught.value.message
    assert hint in caught.value.hint


def test_disk_options_lists_the_profiles(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["disk", "options", "smr"]) == 0
    text = capsys.readouterr().out
    assert execute(["disk", "options", "smr", "--json"]) == 0
    (row,) = (row for row in json.loads(capsys.readouterr().out)["smr"] if row["name"] == "profile")
    assert row["names"] == {name: str(profile) for name, profile in PROFILES.items()}
    for name, profile in PROFILES.items():
        assert f" {name}: like {profile.like}: size={profile.options['size']}," in text


def test_profiles_are_completed() -> None:
    completion = ShellComplete(app, {}, "zonevm", "_ZONEVM_COMPLETE")
    found = completion.get_completions(["disk", "create", "x.img", "--profile"], "hc6")
    assert [item.value for item in found] == [name for name in PROFILES if name.startswith("hc6")]
    assert all(item.help for item in found)


def test_the_docs_have_the_profiles_as_they_are() -> None:
    page = (Path(__file__).parents[2] / "docs" / "disks.md").read_text()
    chapter = page.partition("\n## A disk like one that is sold\n")[2].partition("\n## ")[0]
    rows = [
        [cell.strip(" `") for cell in row.split("|")[1:-1]]
        for row in chapter.splitlines()
        if row.startswith("| `")
    ]
    told = {name: (like, *numbers) for name, like, *numbers, _ in rows}
    drives = {name: profile for name, profile in PROFILES.items() if not name.endswith("-4kn")}
    assert told == {
        name: (
            profile.like,
            profile.options["size"],
            str(SmrDisk(profile=name).size // SmrDisk(profile=name).zone_size),  # type: ignore[operator]
            profile.options["conv"],
            profile.options["max-open"],
        )
        for name, profile in drives.items()
    }
    for name, profile in drives.items():
        assert {**profile.options, "block-size": "4096"} == PROFILES[f"{name}-4kn"].options
        assert profile.options["zone-size"] == format_size(256 * M)
