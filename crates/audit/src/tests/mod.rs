//! What the audit must say, by file; [`fixture`] builds what it looks at.

mod family;
mod fixture;
mod inventory;
mod render;
mod report;
