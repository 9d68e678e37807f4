//! An address at which nothing listens, now or later.

use std::net::SocketAddr;

use tokio::net::TcpSocket;

/// A port that is taken, so that no other process gets it, and refuses every connection.
pub struct Silence {
    // Released when this goes out of scope.
    _socket: TcpSocket,
    address: SocketAddr,
}

impl Silence {
    /// Takes a port on loopback.
    pub fn keep() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let address = socket.local_addr().unwrap();
        Self { _socket: socket, address }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
}
