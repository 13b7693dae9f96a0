"""The configuration strings of tcmu-runner's zbc handler."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zonevm.errors import UsageError
from zonevm.lio.cfgstring import MIB, ZbcConfig

PATHS = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=",:"), min_size=1, max_size=60
).map(lambda tail: Path("/" + tail.strip("/")))


def optional(values: st.SearchStrategy[int]) -> st.SearchStrategy[int | None]:
    return st.none() | values


@st.composite
def configs(draw: st.DrawFn) -> ZbcConfig:
    return ZbcConfig(
        draw(PATHS),
        model=draw(st.sampled_from((None, "HM", "HA"))),
        block_size=draw(st.sampled_from((None, 512, 4096))),
        zone_size=draw(optional(st.integers(0, 20).map(lambda bits: MIB << bits))),
        conventional=draw(optional(st.integers(0, 2**32 - 2))),
        max_open=draw(optional(st.integers(1, 2**32 - 2))),
    )


@given(configs())
def test_what_is_written_reads_back_the_same(config: ZbcConfig) -> None:
    assert ZbcConfig.parse(str(config)) == config


@given(configs())
def test_a_string_formats_the_image_if_it_has_any_option(config: ZbcConfig) -> None:
    assert config.formats == (not str(config).startswith("/"))
    assert not config.path_only().formats
    assert config.explicit().formats


@given(configs(), st.permutations(range(5)))
def test_options_may_come_in_any_order(config: ZbcConfig, order: list[int]) -> None:
    options, at, path = str(config).partition("@")
    if at and not str(config).startswith("/"):
        words = options.split("/")
        shuffled = [words[index] for index in order if index < len(words)]
        assert ZbcConfig.parse(f"{'/'.join(shuffled)}@{path}") == config


@given(st.text(max_size=80))
def test_any_other_text_is_refused_in_words(text: str) -> None:
    try:
        config = ZbcConfig.parse(text)
    except UsageError as error:
        assert error.message.startswith("cfgstring: ")
        assert error.hint
    else:
        assert config.path.is_absolute()


def test_an_example_means_what_the_manual_says() -> None:
    config = ZbcConfig.parse("model-HM/zsize-128/conv-100@/var/local/zbc.raw")
    assert config == ZbcConfig(Path("/var/local/zbc.raw"), model="HM", zone_size=128 * MIB, conventional=100)


def test_the_path_is_all_that_follows_the_first_at() -> None:
    assert ZbcConfig.parse("conv-1@/a@b/c").path == Path("/a@b/c")
    assert ZbcConfig.parse("/a@b").path == Path("/a@b")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has no path"),
        ("model-HM", "has no path"),
        ("disk.raw", "has no path"),
        ("model-HM@disk.raw", "does not start with /"),
        ("@/disk.raw", "'' is not an option"),
        ("model-HM/@/disk.raw", "'' is not an option"),
        ("model-XX@/d", "model-XX is not a model"),
        ("model-HMconv-1@/d", "is not a model"),
        ("lba-1024@/d", "lba-1024 is not a block size"),
        ("zsize-3@/d", "a zone of 3M is not possible"),
        ("zsize-0@/d", "a zone of 0 is not possible"),
        ("zsize-2097152@/d", "a zone of 2T is not possible"),
        ("zsize-256M@/d", "'zsize-256M' is not zsize- and a whole number"),
        ("conv-4294967295@/d", "out of range"),
        ("open-0@/d", "open-0 is out of range"),
        ("zone-256@/d", "'zone-256' is not an option"),
        ("conv-1/conv-2@/d", "conv is given twice"),
        ("/with space", "' ' in the path"),
        ("/with,comma", "',' in the path"),
        ("/with:colon", "':' in the path"),
        ("/" + "x" * 251, "252 bytes are more than the 251"),
    ],
)
def test_what_is_wrong_is_named(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        ZbcConfig.parse(text)
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("text", "size", "said"),
    [
        ("lba-4096@/d", 20 * 2**30 + 512, "not a multiple of the block size, 4096"),
        ("/d", 0, "not a multiple of the block size, 512"),
        ("zsize-256/conv-80@/d", 20 * 2**30, "80 conventional zones"),
        ("/d", 256 * MIB, "1 conventional zones"),
    ],
)
def test_a_size_that_cannot_be_formatted_is_refused(text: str, size: int, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        ZbcConfig.parse(text).check_size(size)
    assert said in caught.value.message


def test_a_size_that_can_be_formatted_is_taken() -> None:
    ZbcConfig.parse("zsize-256/conv-79@/d").check_size(20 * 2**30)
    ZbcConfig.parse("/d").check_size(256 * MIB + 512)
