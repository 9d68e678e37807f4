//! Decides where a demo listens: a kept one always at the same addresses, so that monitoring needs
//! no configuration, and one that ends on any free port.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use amiferry_service::admin::Admin;
use amiferry_service::http::{Access, ListenError};
use amiferry_service::metrics::Exporter;
use amiferry_service::reconcile::Snapshot;
use amiferry_simulator::serve;
use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::args::Demo;

/// The port of the simulated AWS: the default of `amiferry sim serve`.
const AWS_PORT: u16 = 4566;

/// Where the admin servers of a demo listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doors {
    /// On loopback, on any port.
    Anywhere,
    /// On loopback, on the usual port or, if that is taken, any other.
    Usual,
    /// At this address, on the usual port and no other.
    At(IpAddr),
}

impl Doors {
    /// What the options ask for.
    pub fn of(demo: &Demo) -> Self {
        match demo.listen {
            Some(address) => Self::At(address),
            None if demo.keep => Self::Usual,
            None => Self::Anywhere,
        }
    }

    /// Opens the admin server of a worker whose usual port is this.
    ///
    /// # Errors
    /// An address that cannot be listened on.
    pub async fn admin(
        self,
        port: u16,
        exporter: &Exporter,
        snapshots: &watch::Receiver<Snapshot>,
    ) -> Result<Admin, ListenError> {
        // Everything in a demo is made up, wherever it is shown.
        let bind =
            |address| Admin::bind(address, Access::Everyone, exporter.clone(), snapshots.clone());
        match self {
            Self::Anywhere => bind(loopback(0)).await,
            Self::At(address) => {
                let fix = "give --listen an address of this machine where the port is free";
                let bound = bind(SocketAddr::new(address, port)).await;
                bound.map_err(|error| ListenError { fix, ..error })
            }
            Self::Usual => match bind(loopback(port)).await {
                Err(error) if error.why.kind() == ErrorKind::AddrInUse => bind(loopback(0)).await,
                bound => bound,
            },
        }
    }
}

/// Opens the port of the simulated AWS, which is always on loopback.
///
/// # Errors
/// No free port.
pub async fn simulated_aws() -> anyhow::Result<TcpListener> {
    let listener = match serve::bind(loopback(AWS_PORT)).await {
        Err(error) if error.kind() == ErrorKind::AddrInUse => serve::bind(loopback(0)).await,
        bound => bound,
    };
    listener.context("the simulated AWS cannot listen")
}

fn loopback(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
