//! What the audit must say, by file; [`fixture`] builds what it looks at.

mod archived;
mod csv;
mod ends;
mod family;
mod filter;
mod fixture;
mod inventory;
mod page;
mod plan;
mod render;
mod report;
mod retry;
mod worker;
