//! The data of a request, as the waist sees them: bytes somewhere, which the request owns.

/// Bytes that a request writes from, or reads into.
///
/// They may be a guest's memory, which the guest may change at any moment: two reads of the same byte may differ.
/// A clone is the same bytes again, kept from going away for as long as it lives. The default is no byte.
pub trait Data: Clone + Default + Send + Sync + 'static {
    /// These bytes.
    fn of(bytes: Vec<u8>) -> Self;

    /// Length in bytes.
    fn len(&self) -> u64;

    /// Whether there is not a byte.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies from byte `at` on into `into`, as far as there are bytes; returns how many.
    fn read(&self, at: u64, into: &mut [u8]) -> usize;

    /// Copies `from` to byte `at` and on, as far as there is room; returns how many bytes.
    fn write(&self, at: u64, from: &[u8]) -> usize;

    /// The first `len` bytes, or all if there are fewer.
    #[must_use]
    fn first(&self, len: u64) -> Self;
}
