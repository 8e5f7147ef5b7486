//! The socket that the server listens on: bound, given by a service manager, or shared by the server that it replaces.
//!
//! Two servers of one store on one machine may hold the very same socket: the new one asks the old for it, both accept, and the old
//! is stopped when the new one listens. What waits in the socket's queue belongs to neither, so that none of it is lost. (Two
//! sockets with `SO_REUSEPORT` have two queues, and the kernel resets what waits in the one that is closed.)
//!
//! Invariant: a socket is shared with a process of the same user that reads the same store, and with nobody else: two servers of
//! different stores would each get half of the bookings.

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::store::servers::ServerRow;
use crate::store::{is_dead, is_here};

/// Where a listening socket came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Bound by this process.
    Bound,
    /// Given by a service manager (`LISTEN_FDS`, systemd's socket activation).
    Given,
    /// Shared by the server that listened there before.
    Shared,
}

/// Listens at `address`, or on the socket that a service manager gave; `servers` are those of the same store, one of which may
/// share its socket.
///
/// # Errors
/// When the address is not ours, or is taken by a program that shares nothing.
pub async fn listen(address: SocketAddr, servers: &[ServerRow]) -> io::Result<(TcpListener, Origin)> {
    if let Some(given) = listenfd::ListenFd::from_env().take_tcp_listener(0)? {
        given.set_nonblocking(true)?;
        return Ok((TcpListener::from_std(given)?, Origin::Given));
    }
    let taken = match TcpListener::bind(address).await {
        Ok(bound) => return Ok((bound, Origin::Bound)),
        Err(why) if why.kind() == io::ErrorKind::AddrInUse => why,
        Err(why) => return Err(why),
    };
    let listens = |server: &&ServerRow| {
        server.address.parse() == Ok(address) && is_here(&server.owner) && !is_dead(&server.owner)
    };
    // The newest first: an older one may be stopping.
    for server in servers.iter().rev().filter(listens) {
        match shared::ask(&server.owner.id, address).await {
            Ok(listener) => return Ok((listener, Origin::Shared)),
            Err(why) => {
                tracing::warn!(pid = server.owner.pid, %why, "the server at {address} does not share its socket")
            }
        }
    }
    Err(taken)
}

/// Shares `listener` with servers of the same store until dropped. `id` is this server's in the store.
///
/// # Errors
/// When that is not possible on this system; the server works without.
pub fn share(listener: &TcpListener, id: &str) -> io::Result<Sharing> {
    shared::offer(listener, id).map(Sharing)
}

/// The offer to share a socket; dropped, it ends.
#[derive(Debug)]
pub struct Sharing(tokio::task::JoinHandle<()>);

impl Drop for Sharing {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[cfg(target_os = "linux")]
mod shared {
    //! A descriptor passed over a Unix socket (unix(7), `SCM_RIGHTS`). Its name is in the abstract namespace: no file stays behind,
    //! and it is seen exactly where the port is seen, in the machine's or container's network namespace. The name holds the server's
    //! random id, which readers of the store know.

    use std::io::{self, IoSlice, IoSliceMut};
    use std::mem::MaybeUninit;
    use std::net::SocketAddr;
    use std::os::fd::{AsFd, OwnedFd};
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net;
    use std::time::Duration;

    use rustix::net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
        recvmsg, sendmsg,
    };
    use tokio::net::TcpListener;

    /// How long a server may take to share.
    const WITHIN: Duration = Duration::from_secs(2);
    /// Rest after an error.
    const REST: Duration = Duration::from_secs(1);

    fn name(id: &str) -> io::Result<net::SocketAddr> {
        net::SocketAddr::from_abstract_name(format!("passerelle/serve/{id}"))
    }

    pub(super) fn offer(listener: &TcpListener, id: &str) -> io::Result<tokio::task::JoinHandle<()>> {
        let copy: OwnedFd = listener.as_fd().try_clone_to_owned()?;
        let offered = net::UnixListener::bind_addr(&name(id)?)?;
        offered.set_nonblocking(true)?;
        let offered = tokio::net::UnixListener::from_std(offered)?;
        Ok(tokio::spawn(async move {
            loop {
                let given = match offered.accept().await {
                    Ok((asking, _)) => give(&asking, &copy),
                    Err(why) => Err(why),
                };
                match given {
                    Ok(()) => tracing::warn!("another server of this store listens on the same socket now"),
                    Err(why) => {
                        tracing::warn!(%why, "the socket was not shared");
                        tokio::time::sleep(REST).await;
                    }
                }
            }
        }))
    }

    fn is_ours(peer: u32) -> bool {
        peer == rustix::process::geteuid().as_raw()
    }

    fn give(asking: &tokio::net::UnixStream, copy: &OwnedFd) -> io::Result<()> {
        if !is_ours(asking.peer_cred()?.uid()) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "another user asked"));
        }
        let descriptors = [copy.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        sendmsg(asking, &[IoSlice::new(b"1")], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    }

    pub(super) async fn ask(id: &str, address: SocketAddr) -> io::Result<TcpListener> {
        let name = name(id)?;
        let asked = tokio::task::spawn_blocking(move || receive(&name));
        let taken = asked.await.map_err(io::Error::other)??;
        let listener = std::net::TcpListener::from(taken);
        if listener.local_addr()? != address {
            return Err(io::Error::other("it shared another address"));
        }
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    }

    fn receive(name: &net::SocketAddr) -> io::Result<OwnedFd> {
        let stream = net::UnixStream::connect_addr(name)?;
        stream.set_read_timeout(Some(WITHIN))?;
        let peer = rustix::net::sockopt::socket_peercred(&stream)?;
        if !is_ours(peer.uid.as_raw()) {
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it belongs to another user"));
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let mut byte = [0_u8];
        recvmsg(&stream, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
        let descriptors = control.drain().filter_map(|message| match message {
            RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
            _ => None,
        });
        descriptors.flatten().next().ok_or_else(|| io::Error::other("it shared nothing"))
    }
}

#[cfg(not(target_os = "linux"))]
mod shared {
    //! Elsewhere a service manager's socket serves the same end.

    use std::io;
    use std::net::SocketAddr;

    use tokio::net::TcpListener;

    pub(super) fn offer(_: &TcpListener, _: &str) -> io::Result<tokio::task::JoinHandle<()>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) async fn ask(_: &str, _: SocketAddr) -> io::Result<TcpListener> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
