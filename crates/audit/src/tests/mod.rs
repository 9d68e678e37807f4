//! What the audit must say, by file; [`fixture`] builds what it looks at.

mod family;
mod fixture;
mod inventory;
mod page;
mod render;
mod report;
