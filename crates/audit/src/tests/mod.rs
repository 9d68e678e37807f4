//! What the audit must say, by file; [`fixture`] builds what it looks at.

mod csv;
mod family;
mod filter;
mod fixture;
mod inventory;
mod page;
mod render;
mod report;
mod retry;
