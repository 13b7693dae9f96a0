//! A disk that is one state after the other: what is above it stays, and finds another medium of the same geometry.

use std::sync::{Arc, PoisonError, RwLock};

use zoned::{
    Completion, Data, Geometry, Identity, Listener, Request, Statistics, Submitted, Zone, ZonedDisk,
};

use crate::error::Error;
use crate::view::View;

/// A place for views, one at a time.
pub struct Stage<D> {
    geometry: Geometry,
    identity: Identity,
    shown: RwLock<Arc<View<D>>>,
}

impl<D: Data> Stage<D> {
    /// Shows `view` first.
    pub fn new(view: View<D>) -> Stage<D> {
        Stage {
            geometry: view.geometry().clone(),
            identity: view.identity().clone(),
            shown: RwLock::new(Arc::new(view)),
        }
    }

    /// How the disk names itself.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Shows `view` from now on, while no initiator uses the disk: what one knows of it is not so any more.
    ///
    /// # Errors
    /// `Invalid` for a view of a disk that looks different.
    pub fn show(&self, view: View<D>) -> Result<(), Error> {
        if *view.geometry() != self.geometry {
            return Err(Error::invalid(
                "the state is of a disk that looks different",
                "open it as a disk of its own",
            ));
        }
        let mut shown = self.shown.write().unwrap_or_else(PoisonError::into_inner);
        *shown = Arc::new(view);
        Ok(())
    }

    fn view(&self) -> Arc<View<D>> {
        let shown = self.shown.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&shown)
    }
}

impl<D: Data> ZonedDisk<D> for Stage<D> {
    fn geometry(&self) -> &Geometry {
        &self.geometry
    }

    fn submit(&self, request: Request, data: &D) -> Submitted<Completion> {
        self.view().submit(request, data)
    }

    fn zone(&self, number: u32) -> Zone {
        self.view().zone(number)
    }

    fn take_statistics(&self) -> Statistics {
        self.view().take_statistics()
    }

    fn extension(&self, number: u32) -> Vec<u8> {
        self.view().extension(number)
    }

    fn saved(&self, kind: u32) -> Vec<u8> {
        self.view().saved(kind)
    }

    fn listen(&self, listener: Listener) {
        self.view().listen(listener);
    }
}
