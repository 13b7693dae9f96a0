//! The guest's network: loopback, and the addresses of QEMU's user network (-netdev user). By netdevice(7).

use std::fs;
use std::io;
use std::mem;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};

use libc::{ifreq, sockaddr, sockaddr_in};
use rustix::net::{socket_with, AddressFamily, SocketFlags, SocketType};

use super::doing;

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 15);
const MASK: Ipv4Addr = Ipv4Addr::new(255, 255, 255, 0);
const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 0, 2, 2);
const NAME_SERVER: &str = "nameserver 10.0.2.3\n";
const RESOLVER: &str = "/etc/resolv.conf";

/// Set up loopback, and the user network where there is one.
pub fn up(has_network: bool) -> Result<(), String> {
    let loopback = Socket::new().and_then(|socket| socket.switch_on("lo"));
    if !has_network {
        return Ok(()); // without a loopback too: a kernel may have been built without any network
    }
    doing(
        "set up the network",
        loopback.and_then(|()| configure("eth0")),
    )?;
    let _ = fs::remove_file(RESOLVER);
    doing(
        format!("write {RESOLVER}"),
        fs::write(RESOLVER, NAME_SERVER),
    )
}

fn configure(name: &str) -> io::Result<()> {
    let socket = Socket::new()?;
    for (what, value) in [(libc::SIOCSIFADDR, ADDRESS), (libc::SIOCSIFNETMASK, MASK)] {
        let mut request = request(name);
        request.ifr_ifru.ifru_addr = address(value);
        socket.ask(what, &request)?;
    }
    socket.switch_on(name)?;
    socket.ask(libc::SIOCADDRT, &Route::default_by(GATEWAY))
}

struct Socket(OwnedFd);

impl Socket {
    fn new() -> io::Result<Self> {
        Ok(Self(socket_with(
            AddressFamily::INET,
            SocketType::DGRAM,
            SocketFlags::CLOEXEC,
            None,
        )?))
    }

    fn switch_on(&self, name: &str) -> io::Result<()> {
        let mut request = request(name);
        request.ifr_ifru.ifru_flags = libc::IFF_UP as i16;
        self.ask(libc::SIOCSIFFLAGS, &request)
    }

    fn ask<T>(&self, what: libc::c_ulong, request: &T) -> io::Result<()> {
        // SAFETY: each caller gives the structure that this request reads; it outlives the call.
        match unsafe { libc::ioctl(self.0.as_raw_fd(), what, request) } {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

fn request(name: &str) -> ifreq {
    // SAFETY: a structure of bytes and numbers, for which all zeros is a value.
    let mut request: ifreq = unsafe { mem::zeroed() };
    for (place, byte) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *place = byte as libc::c_char;
    }
    request
}

fn address(value: Ipv4Addr) -> sockaddr {
    let address = sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: 0,
        sin_addr: libc::in_addr {
            s_addr: u32::from(value).to_be(),
        },
        sin_zero: [0; 8],
    };
    // SAFETY: both are the 16 bytes that the kernel takes an IPv4 address as.
    unsafe { mem::transmute::<sockaddr_in, sockaddr>(address) }
}

/// `struct rtentry` of linux/route.h, which the C library's bindings lack.
#[repr(C)]
struct Route {
    pad1: libc::c_ulong,
    destination: sockaddr,
    gateway: sockaddr,
    mask: sockaddr,
    flags: libc::c_ushort,
    pad2: libc::c_short,
    pad3: libc::c_ulong,
    pad4: usize,
    metric: libc::c_short,
    device: usize,
    mtu: libc::c_ulong,
    window: libc::c_ulong,
    rtt: libc::c_ushort,
}

impl Route {
    fn default_by(gateway: Ipv4Addr) -> Self {
        let any = address(Ipv4Addr::UNSPECIFIED);
        Self {
            pad1: 0,
            destination: any,
            gateway: address(gateway),
            mask: any,
            flags: libc::RTF_UP | libc::RTF_GATEWAY,
            pad2: 0,
            pad3: 0,
            pad4: 0,
            metric: 0,
            device: 0,
            mtu: 0,
            window: 0,
            rtt: 0,
        }
    }
}
