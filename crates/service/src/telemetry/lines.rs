//! Turns an event and the fields of the spans around it into one line.

use std::io::Write;
use std::sync::Arc;

use amiferry_core::ports::Clock;
use jiff::Timestamp;
use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::{LogFormat, render, withheld};

/// Writes each event as one line.
pub(super) struct Lines {
    pub(super) format: LogFormat,
    pub(super) colour: bool,
    pub(super) writer: BoxMakeWriter,
    pub(super) clock: Arc<dyn Clock>,
}

/// One line, before it has a form.
pub(super) struct Line<'a> {
    pub(super) time: Timestamp,
    pub(super) level: Level,
    pub(super) target: &'a str,
    pub(super) message: String,
    /// What the spans say, the outermost first.
    pub(super) context: Fields,
    /// What the event says; none of these is in the context too.
    pub(super) own: Fields,
}

/// Fields in the order in which they were recorded, each once.
#[derive(Debug, Default)]
pub(super) struct Fields(pub(super) Vec<(&'static str, Value)>);

/// The field with an event's text.
const MESSAGE: &str = "message";

impl Fields {
    fn set(&mut self, name: &'static str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some(field) => field.1 = value,
            None => self.0.push((name, value)),
        }
    }

    /// Leaves out what a library may not write at this level.
    fn withhold(&mut self, level: Level) {
        for (_, value) in &mut self.0 {
            *value = withheld::value(value.take(), level);
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.0.iter().position(|(known, _)| *known == name)?;
        Some(self.0.remove(at).1)
    }
}

impl Visit for Fields {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field.name(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.set(field.name(), format!("{value:?}").into());
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Lines {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut own = Fields::default();
        event.record(&mut own);
        let message = match own.take(MESSAGE) {
            Some(Value::String(message)) => message,
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let mut around = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(fields) = span.extensions().get::<Fields>() {
                for (name, value) in &fields.0 {
                    around.set(name, value.clone());
                }
            }
        }
        around.0.retain(|(name, _)| own.0.iter().all(|(own, _)| own != name));
        let level = *event.metadata().level();
        let message = match withheld::is_foreign(event.metadata().target()) {
            true => {
                own.withhold(level);
                around.withhold(level);
                withheld::text(message, level)
            }
            false => message,
        };
        let line = Line {
            time: self.clock.now(),
            level,
            target: event.metadata().target(),
            message,
            context: around,
            own,
        };
        let text = match self.format {
            LogFormat::Human => render::human(&line, self.colour),
            LogFormat::Json => render::json(&line),
        };
        // There is no other place to report that the log cannot be written.
        let _ = self.writer.make_writer_for(event.metadata()).write_all(text.as_bytes());
    }
}
