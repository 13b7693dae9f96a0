//! Which commands a rule is for, as a user names them.

use std::fmt;

use command::{Description, Group};

/// A choice of commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selector {
    /// What reads, verifies or compares blocks.
    Read,
    /// What writes blocks.
    Write,
    /// What changes zones as a whole.
    Zone,
    /// Every command that reads, writes, verifies or synchronizes blocks, or manages zones. Others have to be
    /// named, reports of zones too: an initiator that finds its way about is not in the way of faults.
    Any,
    /// Commands of this name, lower case and with dashes; with the CDB's length behind it or without.
    Name(String),
    /// Every command with this operation code.
    Opcode(u8),
}

impl Selector {
    /// Reads `read`, `write`, `zone`, `any`, the name of one of the `known` commands with the length of its CDB or
    /// without (`WRITE(16)`, `write-same`), in any case and with spaces or dashes, or an operation code (`0x88`);
    /// `None` for anything else.
    pub fn parse(text: &str, known: &[Description]) -> Option<Selector> {
        if let Some(digits) = text.strip_prefix("0x") {
            return u8::from_str_radix(digits, 16).ok().map(Selector::Opcode);
        }
        let text = plain(text);
        let mut names = known.iter().filter_map(|command| command.name);
        Some(match text.as_str() {
            "read" => Selector::Read,
            "write" => Selector::Write,
            "zone" => Selector::Zone,
            "any" => Selector::Any,
            _ if names.any(|name| is_called(name, &text)) => Selector::Name(text),
            _ => return None,
        })
    }

    /// Whether it is for this command.
    pub(crate) fn includes(&self, command: &Description) -> bool {
        match self {
            Selector::Read => matches!(command.group, Group::Read | Group::Verify),
            Selector::Write => command.group == Group::Write,
            Selector::Zone => command.group == Group::Zone,
            Selector::Any => !matches!(command.group, Group::Report | Group::Other),
            Selector::Name(called) => command.name.is_some_and(|name| is_called(name, called)),
            Selector::Opcode(opcode) => command.opcode == *opcode,
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

/// A name as it is compared: `WRITE SAME(16)` is `write-same(16)`, and a service action has no comma before it.
fn plain(name: &str) -> String {
    name.to_lowercase()
        .replace(',', "")
        .replace([' ', '_'], "-")
}

fn is_called(name: &str, called: &str) -> bool {
    let short = name.split(['(', ',']).next();
    plain(name) == called || short.is_some_and(|short| plain(short) == called)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(name: &'static str, group: Group) -> Description {
        Description {
            name: Some(name),
            opcode: 0x42,
            len: 16,
            group,
            unconditional: false,
            lba: None,
            count: None,
            blocks: None,
        }
    }

    fn known() -> Vec<Description> {
        vec![
            command("READ(16)", Group::Read),
            command("WRITE SAME(16)", Group::Write),
            command("TEST UNIT READY", Group::Other),
            command("SYNCHRONIZE CACHE(10)", Group::Flush),
            command("PERSISTENT RESERVE OUT, REGISTER", Group::Other),
        ]
    }

    #[test]
    fn names_groups_and_codes() {
        let parse = |text: &str| Selector::parse(text, &known());
        let name = |text: &str| Some(Selector::Name(text.into()));
        assert_eq!(parse("READ"), Some(Selector::Read));
        assert_eq!(parse("any"), Some(Selector::Any));
        assert_eq!(parse("WRITE SAME(16)"), name("write-same(16)"));
        assert_eq!(parse("Test_Unit_Ready"), name("test-unit-ready"));
        assert_eq!(parse("synchronize-cache"), name("synchronize-cache"));
        let out = "PERSISTENT RESERVE OUT";
        assert_eq!(parse(out), name("persistent-reserve-out"));
        let register = name("persistent-reserve-out-register");
        assert_eq!(parse("persistent reserve out, register"), register);
        assert_eq!(parse("0x9E"), Some(Selector::Opcode(0x9E)));
        for wrong in ["", "reed", "read(11)", "0x", "0x100", "88"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_group_is_more_than_a_name() {
        let named = |text: &str| Selector::Name(text.into());
        let verify = command("VERIFY(16)", Group::Verify);
        let reset = command("RESET WRITE POINTER", Group::Zone);
        assert!(Selector::Read.includes(&verify));
        assert!(Selector::Write.includes(&command("WRITE SAME(10)", Group::Write)));
        assert!(!Selector::Write.includes(&reset));
        assert!(Selector::Zone.includes(&reset));
        assert!(!named("write-same").includes(&command("WRITE(16)", Group::Write)));
        assert!(named("read(16)").includes(&command("READ(16)", Group::Read)));
        assert!(!named("read(16)").includes(&command("READ(10)", Group::Read)));
        let register = command("PERSISTENT RESERVE OUT, REGISTER", Group::Other);
        assert!(named("persistent-reserve-out").includes(&register));
        assert!(named("persistent-reserve-out-register").includes(&register));
        assert!(!named("persistent-reserve-out-reserve").includes(&register));
        assert!(!Selector::Any.includes(&command("REPORT ZONES", Group::Report)));
    }
}
