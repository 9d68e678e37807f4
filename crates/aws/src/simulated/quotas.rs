//! The quotas of EC2 as Service Quotas lists them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use amiferry_core::fault::FaultClass;
use amiferry_core::ports::{ListedQuota, Quotas};
use amiferry_simulator::World;
use amiferry_simulator::faults::{Effect, FaultPlan, Rule};
use amiferry_simulator::quotas::Raised;
use amiferry_simulator::wire::scope::Service;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;

use super::*;
use crate::ServiceQuotas;

const CAPACITY: &str = "CreateStoreImageTask request bucket maximum capacity";

async fn listed(session: &Session) -> Vec<ListedQuota> {
    ServiceQuotas::new(session).of_ec2().await.unwrap()
}

fn value(quotas: &[ListedQuota], name: &str) -> Option<f64> {
    quotas.iter().find(|quota| quota.name == name).and_then(|quota| quota.value)
}

fn raise(world: &World, capacity: f64) {
    let raised = Raised {
        account: account(ACCOUNT),
        region: region(),
        operation: "CreateStoreImageTask".to_owned(),
        capacity,
        refill: 0.5,
    };
    world.lock().settings.servicequotas.raised = vec![raised];
}

#[tokio::test(start_paused = true)]
async fn quotas_are_those_of_the_account_and_region_of_the_session() {
    let world = world();
    raise(&world, 100.0);
    let source = session(&world, ACCOUNT);
    assert_eq!(value(&listed(&source).await, CAPACITY), Some(100.0));
    assert_eq!(value(&listed(&session(&world, VAULT)).await, CAPACITY), Some(50.0));
    let elsewhere = source.in_region(&"us-west-2".parse().unwrap());
    assert_eq!(value(&listed(&elsewhere).await, CAPACITY), Some(50.0));
}

#[tokio::test(start_paused = true)]
async fn all_pages_are_read_and_none_twice() {
    let world = world();
    let session = session(&world, ACCOUNT);
    let whole = listed(&session).await;
    assert_eq!(calls(&world, "servicequotas", "ListServiceQuotas"), 1);
    world.lock().settings.servicequotas.longest_page = 4;
    assert_eq!(listed(&session).await, whole);
    let pages = u64::try_from(whole.len().div_ceil(4)).unwrap();
    assert_eq!(calls(&world, "servicequotas", "ListServiceQuotas"), 1 + pages);
}

#[tokio::test(start_paused = true)]
async fn a_value_that_is_no_number_arrives_as_it_is() {
    let world = world();
    for odd in [f64::INFINITY, f64::NEG_INFINITY, -1.0, 1e300] {
        raise(&world, odd);
        assert_eq!(value(&listed(&session(&world, ACCOUNT)).await, CAPACITY), Some(odd));
    }
    raise(&world, f64::NAN);
    assert!(value(&listed(&session(&world, ACCOUNT)).await, CAPACITY).unwrap().is_nan());
}

#[tokio::test(start_paused = true)]
async fn a_failed_page_is_the_fault_of_its_kind_and_an_empty_answer_says_nothing() {
    for (effect, class) in [
        (Effect::Throttle, FaultClass::Throttled),
        (Effect::InternalError, FaultClass::Unavailable),
        (Effect::Unavailable, FaultClass::Unavailable),
        (Effect::AccessDenied, FaultClass::Denied),
        (Effect::ExpiredToken, FaultClass::Credentials),
        (Effect::EmptyBody, FaultClass::Bug),
    ] {
        let world = world();
        let rule = Rule::new(effect.clone()).on(Service::ServiceQuotas, "ListServiceQuotas");
        world.faults().install(FaultPlan::new().fault(rule)).unwrap();
        let quotas = ServiceQuotas::new(&session(&world, ACCOUNT));
        let fault = quotas.of_ec2().await.unwrap_err();
        assert_eq!(fault.class, class, "{effect:?}: {fault}");
        assert_eq!(fault.operation, "servicequotas:ListServiceQuotas");
    }
}

/// Answers every question with the same page, behind which there is always another one.
#[derive(Debug, Clone, Default)]
struct Endless(Arc<AtomicUsize>);

impl HttpConnector for Endless {
    fn call(&self, _request: HttpRequest) -> HttpConnectorFuture {
        self.0.fetch_add(1, Ordering::SeqCst);
        let page = r#"{"Quotas":[{"QuotaName":"x"}],"NextToken":"again"}"#;
        let ok = 200.try_into().unwrap();
        HttpConnectorFuture::ready(Ok(HttpResponse::new(ok, SdkBody::from(page))))
    }
}

impl HttpClient for Endless {
    fn http_connector(
        &self,
        _settings: &HttpConnectorSettings,
        _components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

#[tokio::test(start_paused = true)]
async fn a_list_that_does_not_end_is_a_fault() {
    let (world, http) = (world(), Endless::default());
    let session = Session::in_process(InProcess {
        http: SharedHttpClient::new(http.clone()),
        region: region(),
        access_key: ACCOUNT.to_owned(),
        secret: "secret".to_owned(),
        clock: Arc::new(MachineClock { world: world.clock(), behind_seconds: 0 }),
    });
    let fault = ServiceQuotas::new(&session).of_ec2().await.unwrap_err();
    assert_eq!(fault.class, FaultClass::Bug, "{fault}");
    assert_eq!(http.0.load(Ordering::SeqCst), 100);
}
