//! Which commands a rule is for, as a user names them.

use std::fmt;

use crate::command::Command;

/// A choice of SCSI commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// READ and VERIFY.
    Read,
    /// WRITE and WRITE SAME.
    Write,
    /// OPEN, CLOSE, FINISH ZONE and RESET WRITE POINTER.
    Zone,
    /// Every command that reads, writes, verifies or synchronizes blocks, or manages zones. Others have to be
    /// named, REPORT ZONES too: an initiator that finds its way about is not in the way of faults.
    Any,
    /// Commands of this name, lower case and with dashes; with the CDB's length behind it or without.
    Name(String),
    /// Every command with this operation code.
    Opcode(u8),
}

const REPORT_ZONES: u8 = 0x95;
const READ: &[&str] = &["read", "verify"];
const WRITE: &[&str] = &["write", "write-same"];
const ZONE: &[&str] = &[
    "open-zone",
    "close-zone",
    "finish-zone",
    "reset-write-pointer",
];

impl Selector {
    /// Reads `read`, `write`, `zone`, `any`, a command's name with the length of its CDB or without (`WRITE(16)`,
    /// `write-same`), in any case and with spaces or dashes, or an operation code (`0x88`); `None` for anything
    /// else.
    pub fn parse(text: &str) -> Option<Selector> {
        if let Some(digits) = text.strip_prefix("0x") {
            return u8::from_str_radix(digits, 16).ok().map(Selector::Opcode);
        }
        let text = plain(text);
        Some(match text.as_str() {
            "read" => Selector::Read,
            "write" => Selector::Write,
            "zone" => Selector::Zone,
            "any" => Selector::Any,
            _ if zbc::command_names().any(|name| is_called(name, &text)) => Selector::Name(text),
            _ => return None,
        })
    }

    /// Whether it can be a command of this name: for an operation code, which has none, it may.
    pub(crate) fn may_be(&self, name: &str) -> bool {
        let among = |names: &[&str]| names.iter().any(|called| is_called(name, called));
        match self {
            Selector::Read => among(READ),
            Selector::Write => among(WRITE),
            Selector::Zone => among(ZONE),
            Selector::Name(called) => is_called(name, called),
            Selector::Any | Selector::Opcode(_) => true,
        }
    }

    pub(crate) fn includes(&self, command: &Command<'_>) -> bool {
        match self {
            Selector::Any => command.blocks().is_some() && command.opcode() != REPORT_ZONES,
            Selector::Opcode(opcode) => command.opcode() == *opcode,
            _ => command.name().is_some_and(|name| self.may_be(name)),
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Selector::Read => f.write_str("read"),
            Selector::Write => f.write_str("write"),
            Selector::Zone => f.write_str("zone"),
            Selector::Any => f.write_str("any"),
            Selector::Name(name) => f.write_str(name),
            Selector::Opcode(opcode) => write!(f, "{opcode:#04x}"),
        }
    }
}

/// A name as it is compared: `WRITE SAME(16)` is `write-same(16)`.
fn plain(name: &str) -> String {
    name.to_lowercase().replace([' ', '_'], "-")
}

fn is_called(name: &str, called: &str) -> bool {
    let name = plain(name);
    name == called || name.split('(').next() == Some(called)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_groups_and_codes() {
        let name = |text: &str| Some(Selector::Name(text.into()));
        assert_eq!(Selector::parse("READ"), Some(Selector::Read));
        assert_eq!(Selector::parse("any"), Some(Selector::Any));
        assert_eq!(Selector::parse("WRITE SAME(16)"), name("write-same(16)"));
        assert_eq!(Selector::parse("Test_Unit_Ready"), name("test-unit-ready"));
        assert_eq!(
            Selector::parse("synchronize-cache"),
            name("synchronize-cache")
        );
        assert_eq!(Selector::parse("0x9E"), Some(Selector::Opcode(0x9E)));
        for wrong in ["", "reed", "read(11)", "0x", "0x100", "88"] {
            assert_eq!(Selector::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_group_is_more_than_a_name() {
        assert!(Selector::Read.may_be("VERIFY(16)"));
        assert!(Selector::Write.may_be("WRITE SAME(10)"));
        assert!(!Selector::Write.may_be("RESET WRITE POINTER"));
        assert!(Selector::Zone.may_be("RESET WRITE POINTER"));
        assert!(!Selector::Name("write-same".into()).may_be("WRITE(16)"));
        assert!(Selector::Name("read(16)".into()).may_be("READ(16)"));
        assert!(!Selector::Name("read(16)".into()).may_be("READ(10)"));
    }
}
