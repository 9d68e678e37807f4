//! Tells a vault's event bus how a command ended, where one is configured.

use amiferry_aws::{EventBus, Session};
use amiferry_core::notification::Notification;
use amiferry_core::ports::Notifications as _;
use amiferry_service::config::Vault;

use crate::terminal::tell;

/// Puts a notification on the bus of a vault. That it does not arrive changes nothing about the command.
pub async fn announce(vault: &Vault, session: &Session, notification: Notification) {
    let Some(bus) = &vault.event_bus_arn else { return };
    let fault = match EventBus::new(session, bus.clone()).put(&[notification]).await {
        Ok(answers) => answers.into_iter().find_map(Result::err),
        Err(fault) => Some(fault),
    };
    if let Some(fault) = fault {
        let remedy = fault.remedy().map(|remedy| format!("; {remedy}")).unwrap_or_default();
        tell(&format!("the event bus was not told: {fault}{remedy}"));
    }
}
