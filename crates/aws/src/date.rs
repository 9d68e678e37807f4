//! The time that AWS's answers carry, apart from this machine's clock.

use std::sync::{Arc, Mutex, PoisonError};

use amiferry_core::fault::Fault;
use amiferry_core::ports::TrueTime;
use async_trait::async_trait;
use aws_sdk_sts::Client;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeDeserializationInterceptorContextRef;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::DateTime;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::date_time::Format;
use jiff::Timestamp;

use crate::call::Call;
use crate::client::Session;
use crate::time::timestamp;

/// AWS's time, as STS tells it.
#[derive(Debug, Clone)]
pub struct AwsTime {
    session: Session,
    client: Client,
}

impl AwsTime {
    /// The time by the Regional endpoint of `session`.
    pub fn new(session: &Session) -> Self {
        Self { client: session.sts("time"), session: session.clone() }
    }
}

#[async_trait]
impl TrueTime for AwsTime {
    async fn now(&self) -> Result<Option<Timestamp>, Fault> {
        let call = Call::new("sts:GetCallerIdentity", self.session.region().as_str());
        let heard = DateHeard::default();
        let request = self.client.get_caller_identity().customize().interceptor(heard.clone());
        self.session.send(&call, request.send()).await?;
        let date = heard.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let date = date.and_then(|date| DateTime::from_str(&date, Format::HttpDate).ok());
        Ok(date.as_ref().and_then(timestamp))
    }
}

/// The header `Date` of the last answer.
#[derive(Debug, Clone, Default)]
struct DateHeard(Arc<Mutex<Option<String>>>);

impl Intercept for DateHeard {
    fn name(&self) -> &'static str {
        "DateHeard"
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _components: &RuntimeComponents,
        _config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let date = context.response().headers().get("date").map(str::to_owned);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = date;
        Ok(())
    }
}
