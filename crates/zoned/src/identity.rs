//! How a disk names itself.

use std::fmt;

/// How the disk names itself to its initiators.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// T10 vendor, at most 8 ASCII characters.
    pub vendor: String,
    /// Product, at most 16 ASCII characters.
    pub product: String,
    /// Revision, at most 4 ASCII characters.
    pub revision: String,
    /// Unit serial number, 1 to 32 ASCII characters.
    pub serial: String,
    /// NAA world wide name, the full 64 bits (first nibble 3 or 5).
    pub wwn: u64,
}

/// Why an [`Identity`] cannot be a disk's. The message names the value seen and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdentityError(String);

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for IdentityError {}

impl Identity {
    /// Checks that INQUIRY data can say this.
    ///
    /// # Errors
    /// [`IdentityError`] for the first field that is out of its range.
    pub fn validate(&self) -> Result<(), IdentityError> {
        let texts = [
            ("vendor", &self.vendor, 0, 8),
            ("product", &self.product, 0, 16),
            ("revision", &self.revision, 0, 4),
            ("serial", &self.serial, 1, 32),
        ];
        for (name, text, least, most) in texts {
            let printable = text.bytes().all(|byte| (0x20..=0x7E).contains(&byte));
            if !printable || !(least..=most).contains(&text.len()) {
                return Err(IdentityError(format!(
                    "{name} is {text:?}; it must be {least} to {most} printable ASCII characters"
                )));
            }
        }
        if !matches!(self.wwn >> 60, 3 | 5) {
            return Err(IdentityError(format!(
                "WWN is {:016x}; it must be an NAA name whose first digit is 3 (locally assigned) or 5 (IEEE registered)",
                self.wwn
            )));
        }
        Ok(())
    }
}
