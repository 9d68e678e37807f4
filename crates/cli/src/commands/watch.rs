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

use super::inventory::{self, Taken};
use super::workers::{self, Asked, Heard};
use crate::args::Status;
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
/// A bad configuration, an address that is taken or that others reach without a token, credentials of another account or none at all.
pub fn serve(status: &Status, address: SocketAddr) -> anyhow::Result<ExitCode> {
    let (config, every) = (Config::load(&status.file.config)?, status.every);
    let access = config.access_at(address)?;
    runtime::block_on(async {
        let askers = inventory::askers(&config).await?;
        let watch =
            Arc::new(Watch { policies: config.policies.clone(), every, latest: Mutex::default() });
        let page: Arc<dyn Page> = Arc::clone(&watch) as _;
        let server = Server::bind(address, access, page).await?;
        let mut signals = Signals::listen()?;
        tell(&format!("status page on http://{}/; Ctrl-C stops it", server.address()));
        let looking = async {
            loop {
                let (taken, heard) = tokio::join!(
                    inventory::ask(&askers, &SystemClock),
                    workers::ask(&config, &status.asked.worker)
                );
                match taken {
                    Ok(taken) => watch.note(taken, heard),
                    Err(unmet) => return anyhow::Error::from(unmet),
                }
                tokio::time::sleep(every.duration()).await;
            }
        };
        tokio::select! {
            biased;
            () = signals.stopped() => Ok(Exit::Ok.into()),
            served = server.serve() => Ok(served.map(|()| Exit::Failed.into())?),
            unmet = looking => Err(unmet),
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
    asked: Option<Asked>,
    known_at: Option<Timestamp>,
    fault: Option<String>,
}

impl Watch {
    /// A look in which no vault can be asked leaves what was known before.
    fn note(&self, Taken { mut inventory, refused, .. }: Taken, heard: Heard) {
        let asked = Some(heard.over(&mut inventory));
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        match refused {
            None => {
                let known_at = Some(SystemClock.now());
                *latest = Latest { inventory, asked, known_at, fault: None };
            }
            Some(refused) => {
                latest.fault = Some(refused);
                if latest.known_at.is_none() {
                    (latest.inventory, latest.asked) = (inventory, asked);
                }
            }
        }
    }
}

impl Page for Watch {
    fn render(&self, query: Option<&str>) -> Rendered {
        let now = SystemClock.now();
        let (inventory, asked, known_at, fault) = {
            let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
            (latest.inventory.clone(), latest.asked.clone(), latest.known_at, latest.fault.clone())
        };
        let mut report = Report::new(inventory, &self.policies, now);
        if let Some(asked) = asked {
            asked.note(&mut report);
        }
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
