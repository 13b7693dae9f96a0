"""The doctor, on hosts that a test makes up."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from zonevm.attach.doctor import MAIN, METHODS, examine
from zonevm.attach.method import Method
from zonevm.attach.methods import MODELS, OF_HOST
from zonevm.cli.verbs.doctor import doctor
from zonevm.errors import HostError, KernelError
from zonevm.host import Qemu, checks_guest, checks_kernel
from zonevm.host.abilities import Abilities
from zonevm.host.checks import Check, Finding, Host, Status
from zonevm.host.features import KernelFeatures, State

RELEASE = "6.12.1-test"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def host(root: Path) -> Host:
    return Host(MODELS, lambda: "6.12.1", lambda: "tcg", root=root, release=RELEASE, user=1000)


def write(file: Path, text: str | bytes = "") -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode() if isinstance(text, str) else text)


def config(root: Path) -> None:
    write(
        root / "proc/config.gz",
        gzip.compress(b"CONFIG_SCSI=y\nCONFIG_VHOST_SCSI=m\n# CONFIG_TCM is not set\n"),
    )


def dep(root: Path) -> None:
    write(
        root / "lib/modules" / RELEASE / "modules.dep", "kernel/drivers/vhost/vhost_scsi.ko.xz: kernel/a.ko\n"
    )


class TestFeatures:
    def state(self, root: Path, module: str = "vhost_scsi", option: str = "VHOST_SCSI") -> State:
        return KernelFeatures(root, RELEASE).state(module, option)

    def test_nothing_can_be_told(self, root: Path) -> None:
        assert self.state(root) is State.UNKNOWN

    def test_built_in_by_the_configuration(self, root: Path) -> None:
        config(root)
        assert self.state(root, "scsi_mod", "SCSI") is State.BUILT_IN

    def test_built_in_by_the_list(self, root: Path) -> None:
        write(root / "lib/modules" / RELEASE / "modules.builtin", "kernel/drivers/vhost/vhost-scsi.ko\n")
        assert self.state(root) is State.BUILT_IN

    def test_loaded(self, root: Path) -> None:
        config(root)
        (root / "sys/module/vhost_scsi").mkdir(parents=True)
        assert self.state(root) is State.LOADED

    def test_loadable(self, root: Path) -> None:
        config(root)
        dep(root)
        assert self.state(root) is State.LOADABLE

    def test_a_module_whose_file_is_not_installed(self, root: Path) -> None:
        config(root)
        assert self.state(root) is State.NOT_INSTALLED

    def test_not_built_by_the_configuration(self, root: Path) -> None:
        write(root / f"boot/config-{RELEASE}", "CONFIG_SCSI=y\n# CONFIG_VHOST_SCSI is not set\n")
        assert self.state(root) is State.NOT_BUILT

    def test_not_built_where_there_are_modules_but_not_this_one(self, root: Path) -> None:
        dep(root)
        assert self.state(root, "tcm_loop", "LOOPBACK_TARGET") is State.NOT_BUILT


class TestKernelChecks:
    check = staticmethod(checks_kernel.feature("vhost_scsi", "VHOST_SCSI"))

    def test_a_module_that_is_not_loaded(self, root: Path, host: Host) -> None:
        dep(root)
        finding = self.check(host)
        assert (finding.status, finding.mend) == (Status.MISSING, "sudo modprobe vhost_scsi")

    def test_root_loads_it(self, root: Path, host: Host) -> None:
        dep(root)
        assert self.check(replace(host, user=0)).status is Status.OK

    def test_a_module_that_is_not_installed(self, root: Path, host: Host) -> None:
        config(root)
        finding = self.check(host)
        assert finding.status is Status.MISSING
        assert f"apt-get install linux-modules-extra-{RELEASE}" in finding.mend

    def test_a_kernel_without_it(self, root: Path, host: Host) -> None:
        write(root / f"boot/config-{RELEASE}", "CONFIG_SCSI=y\n")
        finding = self.check(host)
        assert (finding.status, finding.mend) == (Status.CANNOT, "")
        assert "CONFIG_VHOST_SCSI" in finding.seen

    def test_zoned_disks_need_the_zoned_block_layer(self, root: Path, host: Host) -> None:
        assert checks_kernel.zoned_block_layer(host).status is Status.OK
        fresh = replace(host)
        config(root)
        assert checks_kernel.zoned_block_layer(fresh).status is Status.CANNOT

    def test_root_alone_makes_targets(self, host: Host) -> None:
        assert checks_kernel.root(host).status is Status.MISSING
        assert checks_kernel.root(replace(host, user=0)).status is Status.OK


class TestKvm:
    def kvm(self, host: Host) -> Finding:
        finding = checks_guest.kvm(host)
        assert not finding.fails, "guests run without it"
        return finding

    def test_a_processor_without_it(self, root: Path, host: Host) -> None:
        write(root / "proc/cpuinfo", "flags\t\t: fpu sse2 ht\n")
        assert self.kvm(host).status is Status.CANNOT

    def test_a_module_that_is_not_loaded(self, root: Path, host: Host) -> None:
        write(root / "proc/cpuinfo", "flags\t\t: fpu svm ht\n")
        finding = self.kvm(host)
        assert (finding.status, finding.mend) == (Status.MISSING, "sudo modprobe kvm_amd")

    @pytest.mark.parametrize(("accelerator", "status"), [("kvm", Status.OK), ("tcg", Status.CANNOT)])
    def test_only_a_guest_that_runs_proves_it(
        self, root: Path, host: Host, accelerator: str, status: Status
    ) -> None:
        write(root / "dev/kvm")
        assert self.kvm(replace(host, accelerator=lambda: accelerator)).status is status

    def test_it_cannot_be_tried_without_a_kernel(self, root: Path, host: Host) -> None:
        def accelerator() -> str:
            raise KernelError("no kernel", "zonevm kernel pull")

        write(root / "dev/kvm")
        finding = self.kvm(replace(host, accelerator=accelerator))
        assert (finding.status, finding.seen) == (Status.MISSING, "not tried: no kernel")


def test_a_missing_kernel_is_mended_by_a_pull(host: Host) -> None:
    def none() -> str:
        raise KernelError("no kernel for the guest", "zonevm kernel pull")

    finding = checks_guest.kernel(replace(host, guest_kernel=none))
    assert finding == Finding("guest kernel", Status.MISSING, "no kernel for the guest", "zonevm kernel pull")


@pytest.mark.parametrize(
    ("version", "status"), [("6.1.0-56", Status.MISSING), ("6.4.1", Status.OK), ("7.0", Status.OK)]
)
def test_a_kernel_that_is_too_old_for_a_method(host: Host, version: str, status: Status) -> None:
    check = checks_guest.kernel_since((6, 4), "zoned virtio-blk")
    assert check(replace(host, guest_kernel=lambda: version)).status is status


def test_a_host_without_qemu_is_told_what_to_install(host: Host) -> None:
    nowhere = replace(host, qemu_name="qemu-of-nowhere")
    for check in (checks_guest.qemu, checks_guest.device("nvme-ns"), checks_guest.iscsi):
        finding = check(nowhere)
        assert finding.status is Status.MISSING
        assert "apt-get install qemu-system-x86" in finding.mend


@pytest.mark.parametrize("method", sorted(OF_HOST))
def test_a_qemu_too_old_for_a_method_is_told(host: Host, method: str) -> None:
    since = OF_HOST[method].since
    for version, fails in (((since[0] - 1, 99), True), (since, False)):
        old = replace(host)
        qemu = Qemu(Path("/qemu"), version)
        properties = {name: frozenset[str]() for name in MODELS}
        # What a host has looked up once it keeps.
        abilities = Abilities(qemu, MODELS, properties, frozenset({"iscsi"}), Path("/x"))
        vars(old).update(qemu=qemu, abilities=abilities)
        (report, *_) = examine(old, [name for name in METHODS if name.startswith(method)])
        found = [each for each in report.findings if each.name == f"device {OF_HOST[method].models[-1].name}"]
        assert [each.fails for each in found] == [fails], found


def test_every_method_can_be_examined_on_a_bare_host(host: Host) -> None:
    reports = examine(host)
    assert [report.method for report in reports] == list(METHODS)
    for report in reports:
        for finding in report.findings:
            assert finding.seen, finding
            assert finding.mend or finding.status is not Status.MISSING, finding


def test_a_check_is_made_once(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def check(host: Host) -> Finding:
        made.append(host)
        return Finding("it", Status.OK, "seen")

    monkeypatch.setitem(METHODS, "one", Method("one", "", checks=(check,)))
    monkeypatch.setitem(METHODS, "two", Method("two", "", checks=(check, check)))
    examine(host, ["one", "two"])
    assert made == [host]


class TestCommand:
    @pytest.fixture
    def findings(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
        """Sets what is found for the main method, and for one other."""

        def always(finding: Finding) -> Check:
            return lambda host: finding

        def set_to(main: Finding, other: Finding) -> None:
            for name in list(METHODS):
                monkeypatch.delitem(METHODS, name)
            monkeypatch.setitem(METHODS, MAIN, Method(MAIN, "an emulated disk", checks=(always(main),)))
            monkeypatch.setitem(METHODS, "loopback", Method("loopback", "a loop", checks=(always(other),)))

        return set_to

    GOOD = Finding("QEMU", Status.OK, "version 9")
    BAD = Finding("root", Status.MISSING, "only root can", "sudo zonevm ...")
    LESS = Finding("KVM", Status.CANNOT, "no", required=False)

    @pytest.mark.parametrize(
        ("main", "other", "argument", "code"),
        [
            (GOOD, BAD, [], 0),
            (BAD, GOOD, [], 1),
            (LESS, BAD, [], 0),
            (GOOD, BAD, ["loopback"], 1),
            (BAD, GOOD, ["loopback"], 0),
        ],
    )
    def test_the_exit_code_is_of_the_method_asked_for(
        self, findings: Callable[..., None], main: Finding, other: Finding, argument: list[str], code: int
    ) -> None:
        findings(main, other)
        outcome = CliRunner().invoke(doctor, argument, standalone_mode=False)
        assert outcome.return_value == code, outcome.output

    def test_what_mends_it_is_printed(self, findings: Callable[..., None]) -> None:
        findings(self.GOOD, self.BAD)
        lines = CliRunner().invoke(doctor, standalone_mode=False).output.splitlines()
        assert lines[0] == f"{MAIN}: works (an emulated disk)"
        assert lines[2] == "loopback: does not work (a loop)"
        assert lines[4].strip() == "-> sudo zonevm ..."

    def test_json(self, findings: Callable[..., None]) -> None:
        findings(self.GOOD, self.BAD)
        reports = json.loads(CliRunner().invoke(doctor, ["--json"], standalone_mode=False).output)
        assert [(report["method"], report["works"]) for report in reports] == [
            (MAIN, True),
            ("loopback", False),
        ]
        expected = {
            "name": "root",
            "status": "missing",
            "seen": "only root can",
            "mend": "sudo zonevm ...",
            "required": True,
        }
        assert reports[1]["findings"] == [expected]

    def test_a_method_there_is_not(self) -> None:
        outcome = CliRunner().invoke(doctor, ["telepathy"])
        assert outcome.exit_code == 2
        assert "vhost-user-scsi" in outcome.output


def test_an_error_of_the_host_is_a_finding_not_a_crash(host: Host) -> None:
    def accelerator() -> str:
        raise HostError("broken", "mend it")

    write(host.root / "dev/kvm")
    assert checks_guest.kvm(replace(host, accelerator=accelerator)).mend == "mend it"
