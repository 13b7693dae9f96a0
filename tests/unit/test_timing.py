"""Timing profiles, jobs, and the benchmark in virtual time. The models are tested in Rust."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from zonevm import images, timing
from zonevm.cli import execute
from zonevm.disks import ZnsShape
from zonevm.errors import UsageError

BUILT_IN = Path(timing.__file__).parent / "profiles"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "disk.img"
    images.create(path, size="4G", zone_size="64M", conventional=4)
    images.set_zones(path, "4-7", "full")
    return path


def medium(image: Path) -> timing.Medium:
    return timing.Medium.of(images.info(image))


@pytest.mark.parametrize("name", timing.PROFILES)
def test_a_profile_is_a_file_that_can_be_named_too(name: str, tmp_path: Path) -> None:
    copy = tmp_path / "mine.toml"
    copy.write_text((BUILT_IN / f"{name}.toml").read_text())
    ours, mine = timing.load(name), timing.load(copy)
    assert (ours.name, mine.name) == (name, "mine")
    assert (ours.kind, ours.parameters) == (mine.kind, mine.parameters)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has nothing, not one table [disk] or [ssd]"),
        ("[tape]\n", "has tape, not one table [disk] or [ssd]"),
        ("[disk]\n[ssd]\n", "has disk, ssd, not one table [disk] or [ssd]"),
        ("disk = 1\n", "disk is not a table"),
        ("[disk]\nrpm = '7200'\n", "rpm = 7200 is not a number"),
        ("[disk]\nrpm = true\n", "rpm = True is not a number"),
        ("[disk]\nrpm = 7200\n", "parameter outer_mb_s is missing"),
        ("[ssd]\nspeed = 1\n", "there is no parameter speed; there are: channels, dies,"),
        ("[disk]\nrpm = 7\n", "rpm = 7: it is from 100 to 1000000"),
        ("[disk]\nrpm = nan\n", "rpm = NaN: it is from 100 to 1000000"),
        (f"[disk]\nrpm = 1{'0' * 400}\n", "a number is too large"),
        ("[disk\n", "is not TOML that can be read"),
    ],
)
def test_what_is_no_profile_is_refused_with_its_name(text: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as raised:
        timing.load(file)
    assert str(file) in raised.value.message
    assert message in raised.value.message
    assert raised.value.hint


def test_a_profile_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no timing profile 'hc62'") as raised:
        timing.load("hc62")
    assert raised.value.hint.startswith("Did you mean hc620?")
    with pytest.raises(UsageError, match="No such file"):
        timing.load(tmp_path / "none.toml")


def test_a_job_reads_back_from_its_text() -> None:
    text = "randread,block=256K,depth=16,streams=4,zones=5-9,order=random,unwritten=on,rate=1M"
    job = timing.parse(text)
    assert str(job) == text
    assert timing.parse(str(job)) == job
    assert timing.parse("randread,bs=256K,iodepth=16,numjobs=4") == timing.parse(
        "randread,block=256K,depth=16,streams=4"
    )
    for kind in timing.KINDS:
        assert str(timing.parse(kind)) == kind


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("wrte", "unknown kind of job 'wrte'", "Did you mean write? "),
        ("", "unknown kind of job ''", "Kinds: read,"),
        ("write,block", "write: block has no value", "Write block=VALUE"),
        ("write,block=1000", "block=1000: not a multiple of 512", "Write block=4K"),
        ("write,depth=0", "depth=0: less than 1", "a whole number from 1 to 1024"),
        ("write,dept=1", "unknown option 'dept'", "Did you mean depth?"),
        ("reset,fill=101", "fill=101: not from 0 to 100", "a number from 0 to 100"),
        ("reset,fill=nan", "fill=nan: not from 0 to 100", "a number from 0 to 100"),
        ("reset,rate=1M", "rate=1M: a reset moves no data", "It is for read,"),
    ],
)
def test_what_is_no_job_is_refused(text: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as raised:
        timing.parse(text)
    assert message in raised.value.message
    assert hint in raised.value.hint


@pytest.mark.parametrize(
    ("job", "message"),
    [
        ("read,zones=10-12", "job 0 reads, and no whole block of its zones is written"),
        ("write,zones=0-9", "zone 0 is conventional, and has no write pointer"),
        ("write,zones=60-64", "there are no zones 60-64: the disk has 64"),
        ("write,zones=8-9,streams=3", "job 0 has more streams than zones"),
    ],
)
def test_a_job_that_the_disk_cannot_have(job: str, message: str, image: Path) -> None:
    with pytest.raises(UsageError) as raised:
        timing.run(timing.load("hc620"), medium(image), [timing.parse(job)])
    assert message in raised.value.message
    assert raised.value.hint


def test_the_state_of_the_image_is_where_it_begins(image: Path) -> None:
    commands: list[timing.Command] = []
    jobs = [
        timing.parse(text) for text in ("randread,block=64K", "read,block=64K,zones=0-3", "write,zones=4")
    ]
    timing.run(timing.load("hc620"), medium(image), jobs, seconds=0.5, told=commands.append)
    zone = 64 << 20
    places = {job: {each.start // zone for each in commands if each.job == job} for job in range(3)}
    assert places[0] <= {4, 5, 6, 7}
    assert places[1] == {0}
    assert [each.operation for each in commands if each.job == 2][:2] == ["reset", "write"]
    assert images.zones(image)[4].condition == "full"


def test_an_ssd_and_its_zone_capacity(tmp_path: Path) -> None:
    image = tmp_path / "zns.img"
    images.create_as(image, ZnsShape(size="2G", zone_size="128M", zone_capacity="96M"))
    job = timing.parse("finish,fill=50")
    commands: list[timing.Command] = []
    profile = timing.load("zn540")
    [outcome] = timing.run(profile, medium(image), [job], seconds=1, told=commands.append)
    assert {each.start % (128 << 20) for each in commands} == {0}
    # 48 MiB at some 1.2 GB/s.
    assert 38_000 < outcome.mean_us < 46_000


@pytest.mark.parametrize("block", ["5K", "512", "1G"])
def test_a_command_has_whole_blocks_of_one_zone(tmp_path: Path, block: str) -> None:
    image = tmp_path / "4kn.img"
    images.create(image, size="4G", zone_size="64M", block_size=4096)
    job = timing.parse(f"randread,unwritten=on,block={block}")
    with pytest.raises(UsageError, match="block is"):
        timing.run(timing.load("hc620"), medium(image), [job], seconds=1)


def test_commands_are_told_as_they_end_and_one_who_listens_can_end_it(image: Path) -> None:
    def told(command: timing.Command) -> None:
        raise BrokenPipeError(command.job)

    job = timing.parse("randread,unwritten=on")
    with pytest.raises(BrokenPipeError):  # long before all the commands there would be in such a time
        timing.run(timing.load("hc620"), medium(image), [job], seconds=10**8, told=told)


def test_the_same_seed_is_the_same_trace_byte_for_byte(image: Path, tmp_path: Path) -> None:
    def trace(seed: int, name: str) -> bytes:
        file = tmp_path / name
        jobs = ["randread,block=64K,depth=8", "randwrite,block=64K,streams=2,order=random"]
        options = ["--profile", "hc620", "--time", "1", "--seed", str(seed), "--trace", str(file)]
        assert execute(["disk", "bench", str(image), *jobs, *options]) == 0
        return file.read_bytes()

    first = trace(1, "1.csv")
    assert first == trace(1, "2.csv") != trace(2, "3.csv")
    assert first.startswith(b"job,operation,start,length,arrived,begun,ended\n1,write,")


def test_results_for_people_and_for_programs(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["disk", "bench", str(image), "randread,block=64K,depth=4", "--profile", "hc620"]
    assert execute(arguments) == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["job", "commands/s", "MB/s", "mean", "p50", "p99", "queued", "resets"]
    assert row.startswith("randread,block=64K,depth=4  ")
    assert execute([*arguments, "--json"]) == 0
    [result] = json.loads(capsys.readouterr().out)
    assert result["iops"] == pytest.approx(result["commands"] / 10)
    assert 0 < result["queued_us"] < result["mean_us"]


def test_a_ramp_that_leaves_nothing(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["disk", "bench", str(image), "write", "--profile", "hc620", "--time", "1", "--ramp", "1"]
    assert execute(command) == 2
    assert "--ramp 1 leaves nothing of --time 1 to count in" in capsys.readouterr().err
