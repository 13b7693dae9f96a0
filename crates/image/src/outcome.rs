//! What became of one SCSI command.

use zbc::Completion;

/// How a command ended and how many bytes it moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// SCSI status and sense data.
    pub completion: Completion,
    /// Bytes put into the data-in buffers, from their start.
    pub written: u64,
    /// Bytes taken from the data-out buffers, from their start.
    pub consumed: u64,
    /// The buffers are smaller than the command's transfer: nothing was done.
    pub overrun: bool,
}

impl Outcome {
    /// A command that moved nothing.
    pub fn without_data(completion: Completion) -> Self {
        Self {
            completion,
            written: 0,
            consumed: 0,
            overrun: false,
        }
    }
}
