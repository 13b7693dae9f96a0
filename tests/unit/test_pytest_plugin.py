"""The pytest plugin without a guest: what tests ask for, what they are run with, skips, workers, its cost."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from pathlib import Path
from unittest.mock import Mock

import pytest

from zonevm import images
from zonevm.disks import parse
from zonevm.pytest_plugin import grouping
from zonevm.pytest_plugin.asked import Asked
from zonevm.pytest_plugin.guests import can_be_emptied, own_disk
from zonevm.pytest_plugin.running import Running
from zonevm.pytest_plugin.scheduling import Undecided

pytest_plugins = ["pytester"]

ZONED = """
    import pytest

    @pytest.mark.zoned(disks=["smr,size=1G"])
    def test_zoned(zoned_guest):
        pass

    def test_plain():
        pass
"""

PRINTS = """
    import pytest

    pytestmark = pytest.mark.zoned(disks=["smr,size=1G"], memory="2G", kernel="6.1")

    class TestClass:
        pytestmark = pytest.mark.zoned(memory="3G", reboot=True)

        @pytest.mark.zoned("zns,size=1G", cpus=2)
        def test_one(self, _zoned_test):
            print(_zoned_test.asked)

    def test_two(_zoned_test):
        print(_zoned_test.asked)
"""

STUB = """
    import os, pytest
    from zonevm.errors import GuestError

    class Guests:
        def lease(self, test):
            with open(os.environ["LEASES"], "a") as file:
                file.write(f"{test.name} {os.getpid()}\\n")
            if "fails" in test.name:
                raise GuestError("it does not boot", "Look at its log.")
        def give_back(self, test):
            pass

    @pytest.fixture(name="_zoned_guests", scope="module")
    def guests():
        return Guests()
"""
"""In place of guests, what writes down which process would have had one for which test."""


class TestVariants:
    def test_tests_in_guests_run_with_each_kernel_and_disk(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile(ZONED)
        options = ["--zonevm-kernel=6.1", "--zonevm-kernel=/src/linux", "--zonevm-disk=smr,size=4G"]
        found = pytester.runpytest("--collect-only", "-q", *options).stdout.lines[:3]
        assert found == [
            "test_tests_in_guests_run_with_each_kernel_and_disk.py::test_zoned[6.1-smr,size=4G]",
            "test_tests_in_guests_run_with_each_kernel_and_disk.py::test_zoned[linux-smr,size=4G]",
            "test_tests_in_guests_run_with_each_kernel_and_disk.py::test_plain",
        ]

    def test_they_are_in_the_configuration_file_too(self, pytester: pytest.Pytester) -> None:
        pytester.makeini("[pytest]\nzonevm_kernels =\n  6.1\n  6.12\nzonevm_disks = smr,size=1G\n")
        pytester.makepyfile(test_it=ZONED)
        found = pytester.runpytest("--collect-only", "-q", "--zonevm-disk=zns,size=4G").stdout.lines[:2]
        assert found == [f"test_it.py::test_zoned[{kernel}-zns,size=4G]" for kernel in ("6.1", "6.12")]

    def test_they_take_the_place_of_what_the_marks_say(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile(PRINTS)
        shown = pytester.runpytest("-s", "--zonevm-kernel=6.12", "--zonevm-disk=nvme,size=4G").stdout
        shown.fnmatch_lines(["*Asked(disks=('nvme,size=4G',)*'memory': '2G', 'kernel': '6.12'}*"])


class TestMarks:
    def test_the_nearest_mark_has_the_last_word(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile(PRINTS)
        pytester.runpytest("-s").stdout.fnmatch_lines(
            [
                "*Asked(disks=('zns,size=1G',), reboot=True, trace=False, "
                "options={'memory': '3G', 'kernel': '6.1', 'cpus': 2})*",
                "*Asked(disks=('smr,size=1G',), reboot=False, trace=False, "
                "options={'memory': '2G', 'kernel': '6.1'})*",
            ]
        )

    @pytest.mark.parametrize(
        ("mark", "message"),
        [
            ("", "zoned: there are no disks: @pytest.mark.zoned(disks=[[]*"),
            (
                "@pytest.mark.zoned(['smr,size=1G'], disk=1)",
                "zoned: there is no option 'disk'; there are disks*",
            ),
            ("@pytest.mark.zoned(['smr,size=1G'], 2)", "zoned: the mark has one argument without a name*"),
            ("@pytest.mark.zoned(['smr,size=none'])", "size=none: *"),
            ("@pytest.mark.zoned(['smr,size=1G'], memory='1M')", "a guest cannot have*"),
        ],
        ids=["no disks", "option", "arguments", "disk", "memory"],
    )
    def test_one_that_says_what_cannot_be_fails_its_test(
        self, pytester: pytest.Pytester, mark: str, message: str
    ) -> None:
        pytester.makepyfile(f"import pytest\n{mark}\ndef test_it(zoned_guest):\n    pass\n")
        result = pytester.runpytest()
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines([message])
        result.stdout.no_fnmatch_line("*raise *")
        result.stdout.no_fnmatch_line("During handling*")


class TestAHostThatCannot:
    LACKS = (
        ("kernel='/nowhere'", "there is no kernel at /nowhere*"),
        ("qemu='/nowhere'", "*/nowhere*"),
        ("qemu='./old'", "*QEMU*"),
    )

    @pytest.fixture(params=LACKS, ids=["kernel", "QEMU", "old QEMU"])
    def message(self, request: pytest.FixtureRequest, pytester: pytest.Pytester) -> str:
        """What is said of a host that lacks something for the tests that are there then."""
        lacks, message = request.param
        old = pytester.makefile(".sh", old="#!/bin/sh\necho QEMU emulator version 2.0.0\n")
        old.rename("old").chmod(0o755)
        pytester.makepyfile(f"""
            import pytest
            pytestmark = pytest.mark.zoned(disks=["smr,size=1G"], {lacks})

            def test_guest(zoned_guest):
                assert False

            def test_crash(zoned_crash):
                zoned_crash(work="true", check="true")
        """)
        return str(message)

    def test_skips_with_the_reason(self, pytester: pytest.Pytester, message: str) -> None:
        result = pytester.runpytest("-rs")
        result.assert_outcomes(skipped=2)
        result.stdout.fnmatch_lines([f"SKIPPED *{message}"])

    def test_fails_where_guests_are_required(self, pytester: pytest.Pytester, message: str) -> None:
        result = pytester.runpytest("--zonevm-required")
        result.assert_outcomes(errors=1, failed=1)
        result.stdout.fnmatch_lines([message])


class TestPowerCuts:
    def test_their_seeds_come_from_the_name_of_the_test(self, pytester: pytest.Pytester) -> None:
        pytester.makeconftest("""
            import pytest
            from unittest.mock import Mock

            @pytest.fixture
            def zoned_guest():
                return Mock()
        """)
        pytester.makepyfile("""
            import pytest
            pytestmark = pytest.mark.zoned("smr,size=1G")

            @pytest.mark.parametrize("number", [1, 2])
            def test_it(number, zoned_guest, zoned_power_cut):
                zoned_power_cut()
                zoned_power_cut("all")
                zoned_power_cut(seed=7)
                print(*(f"seed {call.args[1]}" for call in zoned_guest.power_cut.mock_calls), sep="\\n")
                print(*(f"loss {call.args[0]}" for call in zoned_guest.power_cut.mock_calls), sep="\\n")
        """)
        first, again = (
            [line for line in pytester.runpytest("-sq").stdout.lines if "seed" in line or "loss" in line]
            for _ in range(2)
        )
        assert first == again
        assert [line for line in first if "loss" in line] == ["loss random", "loss all", "loss random"] * 2
        seeds = [line for line in first if "seed" in line]
        assert seeds[2] == seeds[5] == "seed 7"
        assert len(set(seeds)) == 5


class TestImages:
    def test_a_test_writes_to_a_copy_of_an_image(self, tmp_path: Path) -> None:
        images.create(tmp_path / "disk.img", size="1G", zone_size="64M", conventional=1)
        given = parse(f"smr,file={tmp_path}/disk.img,cache=volatile")
        own = own_disk(given, tmp_path / "copy")
        assert own == given.but(file=tmp_path / "copy")
        assert own.given == given.given
        assert images.info(tmp_path / "copy")["serial"] == images.info(tmp_path / "disk.img")["serial"]

    def test_one_that_is_to_be_created_is_made_beside_it(self, tmp_path: Path) -> None:
        given = parse(f"zns,size=1G,file={tmp_path}/disk.img")
        assert own_disk(given, tmp_path / "copy") == given.but(file=tmp_path / "copy")

    def test_what_zonevm_does_not_emulate_is_used_itself(self, tmp_path: Path) -> None:
        (tmp_path / "raw").write_bytes(bytes(2**20))
        for text in ("plain", "zns,via=qemu", "nvme"):
            given = parse(f"{text},file={tmp_path}/raw")
            assert own_disk(given, tmp_path / "copy") is given
        assert not (tmp_path / "copy").exists()

    @pytest.mark.parametrize(
        ("text", "lasting"),
        [
            ("smr,size=1G", True),
            ("zns,size=1G,max-open=3", True),
            ("nvme,size=1G", True),
            ("smr,size=1G,cache=volatile", False),
            ("smr,size=1G,model=host-aware", False),
            ("zns,size=1G,timing=zn540", False),
            ("zns,size=1G,via=qemu", False),
            ("smr,size=1G,file=disk.img", False),
            ("plain,size=1G", False),
        ],
    )
    def test_only_disks_that_can_be_emptied_are_for_several_tests(self, text: str, lasting: bool) -> None:
        assert can_be_emptied(parse(text)) == lasting


class TestWorkers:
    @pytest.fixture
    def leases(self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
        """Two modules of tests in guests, one of others; and the file that says who had a guest for which."""
        monkeypatch.setenv("LEASES", str(pytester.path / "leases"))
        pytester.makeconftest(STUB)
        one = (
            "import pytest\n@pytest.mark.zoned('smr,size=1G')\n@pytest.mark.parametrize('number', range(6))\n"
        )
        body = "def test_zoned(number, zoned_guest):\n    pass\n"
        plain = """
            import os, pytest, time
            @pytest.mark.parametrize('number', range(12))
            def test_plain(number, tmp_path_factory):
                open("plain", "a").write(f"{os.getpid()}\\n")
                time.sleep(0.2)
        """
        pytester.makepyfile(test_one=one + body, test_two=one + body, test_plain=plain)
        return pytester.path / "leases"

    def test_tests_of_a_module_have_the_same_and_others_are_spread(
        self, pytester: pytest.Pytester, leases: Path
    ) -> None:
        pytester.runpytest_subprocess("-n2").assert_outcomes(passed=24)
        workers = defaultdict(set)
        for line in leases.read_text().splitlines():
            name, _, worker = line.partition(" ")
            workers[name.partition("::")[0]].add(worker)
        assert {name: len(each) for name, each in workers.items()} == {"test_one.py": 1, "test_two.py": 1}
        assert len(set((pytester.path / "plain").read_text().split())) == 2

    @pytest.mark.parametrize(
        ("spread", "modules", "chosen"),
        [
            ("load", "", "LoadScheduling"),
            ("worksteal", "", "WorkStealingScheduling"),
            ("worksteal", "test_one.py", "_ByModule"),
        ],
    )
    def test_xdist_spreads_as_it_was_told_but_for_modules_with_guests(
        self, pytester: pytest.Pytester, tmp_path: Path, spread: str, modules: str, chosen: str
    ) -> None:
        (tmp_path / "told").write_text(modules)
        node = Mock(workerinput={"zonevm_modules": str(tmp_path / "told")})
        config = pytester.parseconfig("--tx=2*popen", f"--dist={spread}")
        found = Undecided(config)
        found.add_node(node)
        found.add_node_collection(node, ["test_one.py::test_it"])
        assert type(found._chosen).__name__ == chosen
        assert found.nodes == [node]

    @pytest.mark.parametrize("spread", ["loadfile", "loadscope", "loadgroup", "each"])
    def test_xdist_has_its_own_way_where_it_was_told_one(
        self, pytester: pytest.Pytester, spread: str
    ) -> None:
        assert grouping.scheduler(pytester.parseconfig("--tx=2*popen", f"--dist={spread}")) is None


class TestReports:
    @pytest.mark.parametrize("workers", [[], ["-n1"]], ids=["here", "worker"])
    def test_what_to_do_is_in_the_terminal_and_in_junit(
        self, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, workers: list[str]
    ) -> None:
        monkeypatch.setenv("LEASES", "/dev/null")
        pytester.makeconftest(STUB)
        pytester.makepyfile(ZONED.replace("test_zoned", "test_fails"))
        result = pytester.runpytest("--junitxml=junit.xml", *workers)
        result.stdout.fnmatch_lines(["*zonevm.errors.GuestError: it does not boot", "*zonevm: what to do*"])
        result.stdout.fnmatch_lines(["Look at its log."])
        assert "Look at its log." in (pytester.path / "junit.xml").read_text()

    def test_each_test_has_a_directory_of_its_own_for_what_is_kept(self, tmp_path: Path) -> None:
        names = ("tests/test_it.py::TestIt.test_one[smr,size=4G-/dev/x]", "tests/test_it.py::test_ one")
        tests = [Running(name, Asked(()), tmp_path, Path("kept")) for name in names]
        assert [str(test.place) for test in tests] == [
            "kept/tests-test_it.py-TestIt.test_one[smr,size=4G--dev-x]",
            "kept/tests-test_it.py-test_-one",
        ]
        assert Running(names[0], Asked(()), tmp_path, None).place == tmp_path / "zonevm"

    def test_files_are_in_the_report_of_pytest_html_of_a_guest_that_was_stopped_too(
        self, pytester: pytest.Pytester
    ) -> None:
        pytester.makeconftest("""
            import pytest
            from unittest.mock import Mock
            from zonevm.errors import UsageError

            class Guests:
                def lease(self, test):
                    said = Mock(text="a message of the kernel")
                    test.guest = Mock(
                        console=lambda: "",
                        run=Mock(return_value=said),
                        failures=lambda: {0: []},
                        disk=Mock(side_effect=UsageError("the guest is not running")),
                    )
                def give_back(self, test):
                    pass

            @pytest.fixture(name="_zoned_guests", scope="module")
            def guests():
                return Guests()
        """)
        pytester.makepyfile(ZONED.replace("pass", "assert 0"))
        result = pytester.runpytest("--html=report.html", "--self-contained-html", "--zonevm-artifacts=kept")
        result.assert_outcomes(failed=2)
        result.stdout.fnmatch_lines(["*kept/*test_zoned: console.txt, dmesg.txt, disk0-failed-commands.txt"])
        encoded = base64.b64encode(b"a message of the kernel").decode()
        assert (pytester.path / "report.html").read_text().count(encoded) >= 1
        (kept,) = pytester.path.glob("kept/*-test_zoned/dmesg.txt")
        assert kept.read_text() == "a message of the kernel"


class TestCost:
    def test_tests_without_guests_import_nothing_of_them(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile("""
            import json, sys

            def test_it():
                names = [name for name in sys.modules if name.startswith("zonevm")]
                open("modules", "w").write(json.dumps(names))
        """)
        pytester.runpytest_subprocess().assert_outcomes(passed=1)
        modules = json.loads((pytester.path / "modules").read_text())
        plugin = {name for name in modules if name.startswith("zonevm.pytest_plugin")}
        assert set(modules) - plugin == {"zonevm", "zonevm.errors", "zonevm.standard_streams"}
        assert plugin == {"zonevm.pytest_plugin"} | {
            f"zonevm.pytest_plugin.{name}" for name in ("asked", "fixtures", "grouping", "options", "running")
        }

    def test_it_can_be_left_out(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile("def test_it():\n    pass\n")
        pytester.runpytest_subprocess("-p", "no:zonevm").assert_outcomes(passed=1)
        shown = pytester.runpytest_subprocess("-p", "no:zonevm", "--zonevm-required").stderr
        shown.fnmatch_lines(["*unrecognized arguments: --zonevm-required*"])

    def test_it_works_without_xdist(self, pytester: pytest.Pytester) -> None:
        pytester.makepyfile("def test_it():\n    pass\n")
        pytester.runpytest_subprocess("-p", "no:xdist").assert_outcomes(passed=1)
