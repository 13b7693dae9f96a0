//! The frames that host and agent exchange: the guest's side of `agent/protocol.py`, which explains them.

use std::collections::VecDeque;

pub const VERSION: u32 = 2;
pub const PORT_NAME: &str = "zonevm.agent";
pub const MAGIC: &[u8] = b"\0zonevm-agent\0";

/// Bytes of a stream that may be in the air.
pub const WINDOW: usize = 256 * 1024;
/// Bytes of a stream in one frame, at most.
pub const CHUNK: usize = 32 * 1024 - 16;

pub const STDIN: u8 = 0;
pub const STDOUT: u8 = 1;
pub const STDERR: u8 = 2;

pub const HELLO: u8 = 1;
pub const EXEC: u8 = 2;
pub const FAILED: u8 = 3;
pub const DATA: u8 = 4;
pub const EOF: u8 = 5;
pub const CREDIT: u8 = 6;
pub const CLOSE: u8 = 7;
pub const SIGNAL: u8 = 8;
pub const RESIZE: u8 = 9;
pub const EXIT: u8 = 10;
pub const SYNC: u8 = 11;
pub const SYNCED: u8 = 12;

const HEADER: usize = 12;

/// One message.
#[derive(Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub stream: u8,
    pub command: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// Append its bytes: kind, stream, two of nothing, the command's number, the payload's length, the payload.
    pub fn write(kind: u8, stream: u8, command: u32, payload: &[u8], out: &mut VecDeque<u8>) {
        out.extend([kind, stream, 0, 0]);
        out.extend(command.to_le_bytes());
        out.extend((payload.len() as u32).to_le_bytes());
        out.extend(payload);
    }

    /// Return the payload as a number; 0 where it is none.
    pub fn number(&self) -> u32 {
        u32_at(&self.payload, 0).unwrap_or(0)
    }

    /// Return the payload as rows and columns.
    pub fn size(&self) -> (u16, u16) {
        let at = |place: usize| u16_at(&self.payload, place).unwrap_or(0);
        (at(0), at(2))
    }
}

/// Cuts a stream of bytes into frames.
#[derive(Default)]
pub struct Decoder {
    buffer: Vec<u8>,
}

impl Decoder {
    /// Return the frames that `data` completes, in order.
    pub fn feed(&mut self, data: &[u8]) -> Vec<Frame> {
        self.buffer.extend_from_slice(data);
        let mut frames = Vec::new();
        let mut at = 0;
        while let Some(length) = u32_at(&self.buffer, at + 8) {
            let (begin, end) = (at + HEADER, at + HEADER + length as usize);
            let Some(payload) = self.buffer.get(begin..end) else {
                break;
            };
            frames.push(Frame {
                kind: self.buffer[at],
                stream: self.buffer[at + 1],
                command: u32_at(&self.buffer, at + 4).unwrap_or(0),
                payload: payload.to_vec(),
            });
            at = end;
        }
        self.buffer.drain(..at);
        frames
    }
}

/// What an `EXEC` frame asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Exec {
    pub argv: Vec<Vec<u8>>,
    /// `NAME=value`.
    pub env: Vec<Vec<u8>>,
    pub cwd: Vec<u8>,
    /// Rows and columns of its terminal, if it has one.
    pub terminal: Option<(u16, u16)>,
}

impl Exec {
    /// Return what `payload` says; None for one that is cut short, or has no program.
    pub fn decode(payload: &[u8]) -> Option<Self> {
        let terminal =
            (*payload.first()? != 0).then_some((u16_at(payload, 1)?, u16_at(payload, 3)?));
        let (arguments, variables) = (u32_at(payload, 5)? as usize, u32_at(payload, 9)? as usize);
        let mut rest = payload.get(13..)?;
        let mut next = || {
            let length = u32_at(rest, 0)? as usize;
            let string = rest.get(4..)?.get(..length)?;
            rest = &rest[4 + length..];
            Some(string.to_vec())
        };
        let cwd = next()?;
        let argv = (0..arguments).map(|_| next()).collect::<Option<Vec<_>>>()?;
        let env = (0..variables).map(|_| next()).collect::<Option<Vec<_>>>()?;
        (!argv.is_empty()).then_some(Self {
            argv,
            env,
            cwd,
            terminal,
        })
    }
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn frames_come_out_as_they_went_in_however_cut(
            frames in prop::collection::vec((1u8..15, 0u8..3, any::<u32>(), prop::collection::vec(any::<u8>(), 0..99)), 0..9),
            piece in 1usize..50,
        ) {
            let mut stream = VecDeque::new();
            for (kind, at, command, payload) in &frames {
                Frame::write(*kind, *at, *command, payload, &mut stream);
            }
            let mut decoder = Decoder::default();
            let seen: Vec<_> = stream.make_contiguous().chunks(piece).flat_map(|data| decoder.feed(data)).collect();
            let seen: Vec<_> = seen.into_iter().map(|f| (f.kind, f.stream, f.command, f.payload)).collect();
            prop_assert_eq!(seen, frames);
        }

        #[test]
        fn what_is_no_request_is_refused(payload in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Exec::decode(&payload);
        }
    }

    #[test]
    fn a_request_that_is_cut_short_is_refused() {
        let mut payload = vec![1, 24, 0, 80, 0, 1, 0, 0, 0, 1, 0, 0, 0];
        for string in [&b"/tmp"[..], b"true", b"A=b"] {
            payload.extend((string.len() as u32).to_le_bytes());
            payload.extend(string);
        }
        for length in 0..payload.len() {
            assert_eq!(Exec::decode(&payload[..length]), None);
        }
        let exec = Exec::decode(&payload).unwrap();
        assert_eq!(
            (exec.cwd, exec.terminal),
            (b"/tmp".to_vec(), Some((24, 80)))
        );
        assert_eq!(
            (exec.argv, exec.env),
            (vec![b"true".to_vec()], vec![b"A=b".to_vec()])
        );
    }
}
