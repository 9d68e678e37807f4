//! The status page without a worker: as a file, or served until a signal.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use amiferry_audit::inventory::Inventory;
use amiferry_audit::page::view::{Facts, PATIENCE, WorkerState, view};
use amiferry_audit::page::{self, Updates};
use amiferry_audit::report::Report;
use amiferry_core::policy::Policies;
use amiferry_core::ports::Clock;
use amiferry_core::span::Span;
use amiferry_service::clock::SystemClock;
use amiferry_service::config::Config;
use amiferry_service::page::{Page, Rendered, Server};
use jiff::Timestamp;

use super::{inventory, report};
use crate::args::ConfigFile;
use crate::exit::Exit;
use crate::runtime::{self, Signals};
use crate::terminal::tell;

/// After how many missed looks the page calls its facts old.
const MISSED_LOOKS: u64 = 3;

/// The page of one report, as a file.
pub fn file(report: &Report) -> String {
    page::html(&view(Facts::asked_once(report)), Updates::Never)
}

/// Serves the page until a signal, with a look at AWS after each span `every`. A failed look is
/// shown on the page, and repeated.
///
/// # Errors
/// A bad configuration, or an address that is taken.
pub fn serve(file: &ConfigFile, address: SocketAddr, every: Span) -> anyhow::Result<ExitCode> {
    let config = Config::load(&file.config)?;
    runtime::block_on(async {
        let observers = report::observers(&config).await?;
        let watch = Arc::new(Watch {
            policies: inventory::policies(&observers),
            every,
            latest: Mutex::default(),
        });
        let page: Arc<dyn Page> = Arc::clone(&watch) as _;
        let server = Server::bind(address, page).await?;
        let mut signals = Signals::listen()?;
        tell(&format!("status page on http://{}/; Ctrl-C stops it", server.address()));
        let looking = async {
            loop {
                watch.note(inventory::take(observers.clone(), &SystemClock).await.answered());
                tokio::time::sleep(every.duration()).await;
            }
        };
        tokio::select! {
            biased;
            () = signals.stopped() => Ok(Exit::Ok.into()),
            served = server.serve() => Ok(served.map(|()| Exit::Failed.into())?),
            () = looking => Ok(Exit::Failed.into()),
        }
    })
}

/// What the last look found.
#[derive(Debug)]
struct Watch {
    policies: Policies,
    every: Span,
    latest: Mutex<Latest>,
}

#[derive(Debug, Default)]
struct Latest {
    inventory: Inventory,
    known_at: Option<Timestamp>,
    fault: Option<String>,
}

impl Watch {
    fn note(&self, taken: Result<Inventory, impl ToString>) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        match taken {
            Ok(inventory) => {
                *latest = Latest { inventory, known_at: Some(SystemClock.now()), fault: None };
            }
            Err(fault) => latest.fault = Some(fault.to_string()),
        }
    }
}

impl Page for Watch {
    fn render(&self, query: Option<&str>) -> Rendered {
        let now = SystemClock.now();
        let (inventory, known_at, fault) = {
            let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
            (latest.inventory.clone(), latest.known_at, latest.fault.clone())
        };
        let report = Report::new(inventory, &self.policies, now);
        let fault = fault.map(|fault| ("looking at AWS fails".to_owned(), fault));
        let worker =
            WorkerState { troubles: fault.into_iter().collect(), ..WorkerState::default() };
        let old_after = self.every.duration().as_secs().saturating_mul(MISSED_LOOKS);
        let view = view(Facts {
            report: &report,
            known_at,
            old_after: Span::from_secs(old_after.saturating_add(PATIENCE.duration().as_secs())),
            worker: Some(&worker),
            now,
        });
        let updates = page::updates(&view, query);
        Rendered {
            html: page::html(&view, updates),
            headers: page::headers().to_vec(),
            refresh: updates.seconds(),
        }
    }
}
