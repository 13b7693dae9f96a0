//! Serves images as the logical units of one vhost-user-scsi device until it is killed: `serve SOCKET IMAGE...`

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use command::Unit;
use image::{Cache, Disk};
use memory::Scatter;
use scsi::LogicalUnit;
use vhost_user_scsi::{listen, Server};

fn serve() -> Result<Server, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (socket, images) = arguments
        .split_first()
        .ok_or("usage: serve SOCKET IMAGE...")?;
    let mut units: Vec<Arc<dyn Unit<Scatter>>> = Vec::new();
    for image in images {
        let disk = Disk::open(Path::new(image), Cache::Host)?;
        let identity = disk.identity().clone();
        units.push(Arc::new(LogicalUnit::new(Arc::new(disk), identity)));
    }
    Ok(listen(Path::new(socket), units, 2)?)
}

fn main() {
    let server = serve().unwrap_or_else(|error| {
        eprintln!("serve: {error}");
        std::process::exit(1)
    });
    let mut told = None;
    loop {
        std::thread::sleep(std::time::Duration::from_secs(1));
        let error = server.last_error();
        if error != told {
            eprintln!("serve: {error:?}");
            told = error;
        }
    }
}
