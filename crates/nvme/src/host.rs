//! How a host names itself (NVMe 1.4, 5.21.1.26), until the controller is reset.

use crate::Status;

/// A host identifier: of 64 bits, or an extended one of 128. All zeroes: none was set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HostIdentifier {
    /// Little-endian, with zeroes behind one of 64 bits.
    pub bytes: [u8; 16],
    pub is_extended: bool,
}

impl HostIdentifier {
    pub fn is_set(&self) -> bool {
        self.bytes != [0; 16]
    }

    /// How many bytes one has.
    pub const fn len(is_extended: bool) -> usize {
        match is_extended {
            true => 16,
            false => 8,
        }
    }

    /// Whether data structures for identifiers of this length can have it.
    pub fn fits(&self, is_extended: bool) -> Result<(), Status> {
        match !self.is_set() || self.is_extended == is_extended {
            true => Ok(()),
            false => Err(Status::HOST_IDENTIFIER_INCONSISTENT_FORMAT),
        }
    }
}
