//! Makes clients: one session is one principal in one Region, with its credentials and its limits.

use std::future::Future;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use amiferry_core::endpoint;
use amiferry_core::fault::{Fault, FaultClass};
use amiferry_core::ids::{Arn, Region};
use amiferry_core::planted::{Bug, has};
use amiferry_core::ports::{CallMeter, Clock, CredentialChoice};
use amiferry_core::refusal::{Denial, PolicyKind, Verdict};
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::{AppName, BehaviorVersion, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector, tls};
use aws_smithy_runtime::client::retries::{RetryPartition, TokenBucket};
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use tokio::time::Instant;

use crate::call::Call;
use crate::classify;
use crate::credentials::{AssumedRole, ForgettableCache};
use crate::endpoints::{self, BadRoute};
use crate::route::Settings;
use crate::surroundings::Surroundings;
use crate::time::ClockTime;

/// Attempts at a call that is safe to repeat.
pub(crate) const ATTEMPTS: u32 = 3;

/// One principal in one Region. Cheap to clone; clones share credentials.
///
/// Clients made from it live as long as it does: when AWS refuses the credentials as expired or
/// invalid, the failed call ends with [`FaultClass::Credentials`], the session forgets them and
/// those they were derived from, and the next call gets new ones. The same happens when an assumed
/// session meets the explicit denial that revoking leaves, which is [`FaultClass::Denied`].
#[derive(Debug, Clone)]
pub struct Session {
    config: SdkConfig,
    region: Region,
    cache: ForgettableCache,
    /// The session that this one's role was assumed from.
    base: Option<Arc<Session>>,
    path_style: bool,
    meter: Option<Arc<dyn CallMeter>>,
    /// What chose its credentials, for messages.
    choice: Option<Arc<CredentialChoice>>,
    /// What assumes roles, made once for all of them.
    sts: OnceLock<aws_sdk_sts::Client>,
}

/// What a session needs from outside when nothing is read from the surroundings.
#[derive(Debug, Clone)]
pub struct InProcess {
    /// Answers the requests.
    pub http: SharedHttpClient,
    /// The Region of the session.
    pub region: Region,
    /// The access key id.
    pub access_key: String,
    /// The secret access key.
    pub secret: String,
    /// Signs requests and ages credentials; let it follow tokio's paused clock.
    pub clock: Arc<dyn Clock>,
}

impl Session {
    /// A session from the SDK's default chain: environment, profiles, SSO, web identity, ECS and
    /// IMDS. `AWS_ENDPOINT_URL` and its per-service forms hold unless `endpoint` is given.
    ///
    /// Reads files and the environment; missing credentials show at the first call, as
    /// [`FaultClass::Credentials`]. A proxy of the environment is used unless an endpoint is on
    /// loopback.
    ///
    /// # Errors
    /// The environment or a profile sets an endpoint that is neither AWS over https nor on loopback,
    /// without `allow_insecure`; or certificates, FIPS or dual-stack in a way that the SDK would pass
    /// over. Nothing was sent then.
    pub async fn from_environment(
        region: &Region,
        profile: Option<&str>,
        endpoint: Option<&str>,
        allow_insecure: bool,
    ) -> Result<Self, BadRoute> {
        let settings = Settings::of(profile).await;
        settings.check_connections().await?;
        let cache = ForgettableCache::new();
        let surroundings = Surroundings {
            region: sdk_region(region),
            profile: profile.map(str::to_owned),
            endpoint: endpoint.map(str::to_owned),
            cache: cache.clone(),
            http: connections(ProxyConfig::from_env()),
        };
        let mut config = surroundings.clone().load().await;
        if endpoint.is_none() {
            endpoints::check(&config, allow_insecure)?;
        }
        settings.check(&config)?;
        if endpoints::of(&config).any(|(_, url)| endpoint::is_loopback(&url)) {
            let http = connections(ProxyConfig::disabled());
            config = Surroundings { http, ..surroundings }.load().await;
        }
        let path_style = endpoints::of_service(&config, "S3").is_some();
        let (region, sts) = (region.clone(), OnceLock::new());
        Ok(Self { config, region, cache, base: None, path_style, meter: None, choice: None, sts })
    }

    /// A session that reads no environment, file or metadata service and sends all to one HTTP
    /// client. Deterministic under tokio's paused clock once `fastrand` is seeded.
    pub fn in_process(parts: InProcess) -> Self {
        let cache = ForgettableCache::new();
        let keys = Credentials::new(parts.access_key, parts.secret, None, None, "InProcess");
        let mut config = SdkConfig::builder()
            .behavior_version(behavior())
            .region(sdk_region(&parts.region))
            .credentials_provider(SharedCredentialsProvider::new(keys))
            .identity_cache(cache.clone())
            .http_client(parts.http)
            .sleep_impl(TokioSleep::new())
            .time_source(ClockTime(parts.clock))
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS))
            .stalled_stream_protection(stalls())
            .timeout_config(timeouts(Duration::from_secs(20), Duration::from_secs(60)));
        config.set_app_name(app_name());
        let config = config.build();
        let (region, sts) = (parts.region, OnceLock::new());
        let (base, meter, choice) = (None, None, None);
        Self { config, region, cache, base, path_style: true, meter, choice, sts }
    }

    /// The same session, and those that are made from it, with their calls told to `meter`.
    #[must_use]
    pub fn metered(&self, meter: Arc<dyn CallMeter>) -> Self {
        Self { meter: Some(meter), ..self.clone() }
    }

    /// The same session, which says in messages what chose its credentials.
    #[must_use]
    pub fn chosen_by(self, choice: CredentialChoice) -> Self {
        Self { choice: Some(Arc::new(choice)), ..self }
    }

    /// What chose its credentials; `None` for those of a role, and where that is not known.
    pub(crate) fn choice(&self) -> Option<&CredentialChoice> {
        self.choice.as_deref()
    }

    /// The same principal in another Region.
    pub fn in_region(&self, region: &Region) -> Self {
        let config = self.config.to_builder().region(sdk_region(region)).build();
        Self { config, region: region.clone(), sts: OnceLock::new(), ..self.clone() }
    }

    /// A session as a role, in a Region of its own. Assumes it at the first call and again before
    /// each expiry, through the Regional STS endpoint of this session.
    ///
    /// A refusal shows at that call as [`FaultClass::Credentials`] with STS's code and words. An STS
    /// that throttles shows as [`FaultClass::Throttled`]; one that does not answer, or something in
    /// its place that is not STS, as [`FaultClass::Unavailable`].
    pub fn assume_role(
        &self,
        role: &Arn,
        external_id: Option<&str>,
        session_name: &str,
        region: &Region,
    ) -> Self {
        self.assume(role, external_id, (session_name, None), region)
    }

    /// The same with a session policy, as JSON of at most 2,048 characters (API reference of
    /// `AssumeRole`): the session may do what both that and the role allow.
    pub fn assume_role_narrowed(
        &self,
        role: &Arn,
        external_id: Option<&str>,
        (session_name, policy): (&str, String),
        region: &Region,
    ) -> Self {
        self.assume(role, external_id, (session_name, Some(policy)), region)
    }

    fn assume(
        &self,
        role: &Arn,
        external_id: Option<&str>,
        (session_name, policy): (&str, Option<String>),
        region: &Region,
    ) -> Self {
        let cache = ForgettableCache::new();
        let provider = AssumedRole {
            sts: self.sts.get_or_init(|| self.sts("assume-role")).clone(),
            role_arn: role.as_str().to_owned(),
            external_id: external_id.map(str::to_owned),
            session_name: session_name.to_owned(),
            policy,
            meter: self.meter.clone(),
            unanswered: Mutex::default(),
        };
        let config = self
            .config
            .to_builder()
            .region(sdk_region(region))
            .credentials_provider(SharedCredentialsProvider::new(provider))
            .identity_cache(cache.clone())
            .build();
        Self {
            config,
            region: region.clone(),
            cache,
            base: Some(Arc::new(self.clone())),
            path_style: self.path_style,
            meter: self.meter.clone(),
            choice: None,
            sts: OnceLock::new(),
        }
    }

    /// The Region that calls go to.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// Awaits one SDK call; its error becomes a fault here and nowhere else.
    ///
    /// Boxes the request at once: the SDK's futures are some 20 KB, and each caller would carry one.
    pub(crate) fn send<'a, O, E>(
        &'a self,
        call: &'a Call,
        request: impl Future<Output = Result<O, SdkError<E, HttpResponse>>> + Send + 'a,
    ) -> impl Future<Output = Result<O, Fault>> + Send + 'a
    where
        O: 'a,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let request = Box::pin(request);
        async move {
            let generations = self.generations();
            let begun = Instant::now();
            let answer = request.await.map_err(|error| classify::fault(call, &error));
            if let Some(meter) = &self.meter {
                let class = answer.as_ref().err().map(|fault| fault.class);
                meter.ended(call.operation, class, begun.elapsed());
            }
            let fault = match answer {
                Ok(answer) => return Ok(answer),
                Err(fault) => fault,
            };
            let refused = fault.class == FaultClass::Credentials || self.may_be_revoked(&fault);
            if refused && !has(Bug::CredentialsKept) {
                self.forget(&generations);
            }
            Err(fault)
        }
    }

    /// Revoking a role's sessions denies everything to the old ones by a policy of the role; a new
    /// session of it may do what it did before. The fault stays a denial, for it may also be one.
    fn may_be_revoked(&self, fault: &Fault) -> bool {
        self.base.is_some()
            && fault.class == FaultClass::Denied
            && Denial::read(&fault.detail).verdict == Some((Verdict::Denied, PolicyKind::Identity))
    }

    /// Generation of this session's credentials and of those that they derive from, in that order.
    fn generations(&self) -> Vec<u64> {
        self.lineage().map(|session| session.cache.generation()).collect()
    }

    fn forget(&self, generations: &[u64]) {
        for (session, generation) in self.lineage().zip(generations) {
            if session.cache.forget(*generation) {
                tracing::info!(
                    cloud.region = %session.region,
                    "credentials refused; getting new ones"
                );
            }
        }
    }

    fn lineage(&self) -> impl Iterator<Item = &Session> {
        std::iter::successors(Some(self), |session| session.base.as_deref())
    }

    pub(crate) fn sqs(&self) -> aws_sdk_sqs::Client {
        let config = aws_sdk_sqs::config::Builder::from(&self.config);
        aws_sdk_sqs::Client::from_conf(config.retry_partition(partition("queue")).build())
    }

    pub(crate) fn kms(&self) -> aws_sdk_kms::Client {
        let config = aws_sdk_kms::config::Builder::from(&self.config);
        aws_sdk_kms::Client::from_conf(config.retry_partition(partition("keys")).build())
    }

    pub(crate) fn events(&self) -> aws_sdk_eventbridge::Client {
        let config = aws_sdk_eventbridge::config::Builder::from(&self.config);
        aws_sdk_eventbridge::Client::from_conf(config.retry_partition(partition("events")).build())
    }

    pub(crate) fn quotas(&self) -> aws_sdk_servicequotas::Client {
        let config = aws_sdk_servicequotas::config::Builder::from(&self.config);
        let config = config.retry_partition(partition("quotas")).build();
        aws_sdk_servicequotas::Client::from_conf(config)
    }

    pub(crate) fn sts(&self, purpose: &'static str) -> aws_sdk_sts::Client {
        let config = aws_sdk_sts::config::Builder::from(&self.config);
        aws_sdk_sts::Client::from_conf(config.retry_partition(partition(purpose)).build())
    }

    pub(crate) fn ec2(&self, purpose: &'static str) -> aws_sdk_ec2::config::Builder {
        aws_sdk_ec2::config::Builder::from(&self.config).retry_partition(partition(purpose))
    }

    pub(crate) fn s3(&self, purpose: &'static str) -> aws_sdk_s3::config::Builder {
        aws_sdk_s3::config::Builder::from(&self.config)
            .force_path_style(self.path_style)
            .retry_partition(partition(purpose))
    }
}

/// The HTTP client of a session and of all that are made from it. It is built as the SDK builds its
/// own, which is one for each client, with connections and a store of root certificates of its own:
/// too much for a vault with thousands of clients.
fn connections(proxy: ProxyConfig) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder()
            .tls_provider(tls::Provider::Rustls(CryptoMode::AwsLc))
            .proxy_config(proxy.clone());
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.build()
    })
}

/// Limits of one attempt and of all attempts together.
///
/// Connecting is left to the behaviour version (3.1 s).
pub(crate) fn timeouts(attempt: Duration, operation: Duration) -> TimeoutConfig {
    TimeoutConfig::builder().operation_attempt_timeout(attempt).operation_timeout(operation).build()
}

/// Requests are small documents, whose attempts have a limit. Watching them leave wakes the process
/// twice a second for as long as a call waits, and a long poll always waits.
pub(crate) fn stalls() -> StalledStreamProtectionConfig {
    StalledStreamProtectionConfig::enabled().upload_enabled(false).build()
}

/// A budget of retries of its own, so that a throttled sweep does not eat the copy path's.
///
/// By default all clients of one service and Region in the process share one. The costs are those
/// of the SDK's current retry specification; a custom partition would start with the old ones.
fn partition(purpose: &'static str) -> RetryPartition {
    let bucket = TokenBucket::builder()
        .retry_cost(14)
        .throttling_retry_cost(5)
        .timeout_retry_cost(14)
        .build();
    RetryPartition::custom(purpose).token_bucket(bucket).build()
}

pub(crate) fn behavior() -> BehaviorVersion {
    BehaviorVersion::v2026_01_12()
}

fn sdk_region(region: &Region) -> aws_types::region::Region {
    aws_types::region::Region::new(region.as_str().to_owned())
}

pub(crate) fn app_name() -> Option<AppName> {
    AppName::new(concat!("amiferry-", env!("CARGO_PKG_VERSION"))).ok()
}
