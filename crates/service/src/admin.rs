//! The admin server: `/metrics` for Prometheus, `/livez` and `/readyz` for supervisors, `/worker.json`
//! for reports, and a page for people at `/` if the worker has one.
//!
//! By default it listens on loopback, and answers there only requests that name this machine. With a
//! token, only probes are answered without it, and they say no more than whether all is well.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::answerer::{self, Answerer};
use crate::http::{self, Access, ListenError};
use crate::metrics::Exporter;
use crate::page::{self, Page};
use crate::reconcile::Snapshot;

/// A bound server that does not answer yet.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
    what: What,
    shown: Option<Shown>,
}

/// What a worker's role has to say to reports and to people.
#[derive(Debug, Clone)]
pub struct Shown {
    pub answerer: Arc<dyn Answerer>,
    /// What is shown at `/`, if anything.
    pub page: Option<Arc<dyn Page>>,
}

#[derive(Debug, Clone)]
struct What {
    exporter: Exporter,
    snapshots: watch::Receiver<Snapshot>,
    access: Access,
}

impl Admin {
    /// Binds the address, to answer those of `access`; port 0 picks a free one.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound.
    pub async fn bind(
        address: SocketAddr,
        access: Access,
        exporter: Exporter,
        snapshots: watch::Receiver<Snapshot>,
    ) -> Result<Self, ListenError> {
        let fix = "choose another address in [workers]";
        let (listener, address) = http::listen("the admin server", address, fix).await?;
        tracing::info!(
            server.address = %address.ip(),
            server.port = address.port(),
            "serving /metrics, /livez and /readyz"
        );
        let what = What { exporter, snapshots, access };
        Ok(Self { listener, address, what, shown: None })
    }

    /// Also shows what the role has to say.
    pub fn showing(self, shown: Shown) -> Self {
        if shown.page.is_some() {
            tracing::info!(
                server.address = %self.address.ip(),
                server.port = self.address.port(),
                "serving the status page at /"
            );
        }
        Self { shown: Some(shown), ..self }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until dropped; spawn it beside the worker, so that it still answers while draining.
    ///
    /// # Errors
    ///
    /// When the listener breaks for good.
    pub async fn serve(self) -> std::io::Result<()> {
        let access = self.what.access.clone();
        let router = router(self.what);
        let router = match self.shown {
            Some(shown) => shown.routes(router),
            None => router,
        };
        http::serve(self.listener, router, access).await
    }
}

impl Shown {
    fn routes(self, router: Router) -> Router {
        let router = router.merge(answerer::routes(self.answerer));
        match self.page {
            Some(page) => router.merge(page::routes(page)),
            None => router,
        }
    }
}

fn router(what: What) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(what)
}

async fn metrics(State(what): State<What>) -> Response {
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, content_type)], what.exporter.render()).into_response()
}

/// Supervisors need only the status. Why the worker is not ready is for those who may read everything.
async fn ready(State(what): State<What>, headers: HeaderMap) -> (StatusCode, String) {
    match what.snapshots.borrow().ready() {
        Ok(()) => (StatusCode::OK, "ok\n".to_owned()),
        Err(why) => {
            let why = if what.access.admits(&headers) { why } else { "not ready" };
            (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"))
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    async fn ask(address: SocketAddr, path: &str) -> String {
        send(address, "GET", path).await
    }

    async fn send(address: SocketAddr, method: &str, path: &str) -> String {
        named(address, method, path, "localhost:9464").await
    }

    async fn named(address: SocketAddr, method: &str, path: &str, host: &str) -> String {
        with(address, method, path, &format!("host: {host}\r\n")).await
    }

    async fn with(address: SocketAddr, method: &str, path: &str, headers: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("{method} {path} HTTP/1.1\r\n{headers}connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn each_path_answers_and_readiness_follows_the_loop() {
        let (_recorder, exporter) = Exporter::build().unwrap();
        let (changes, snapshots) = watch::channel(Snapshot::default());
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let admin = Admin::bind(any, Access::Everyone, exporter, snapshots).await.unwrap();
        let address = admin.address();
        assert_ne!(address.port(), 0);
        let server = tokio::spawn(admin.serve());

        let working = Snapshot {
            swept_at: Some("2030-01-01T00:00:00Z".parse().unwrap()),
            receiving: Some(true),
            ..Snapshot::default()
        };
        for (snapshot, path, status, body) in [
            (Snapshot::default(), "/livez", "200", "ok"),
            (Snapshot::default(), "/readyz", "503", "first sweep"),
            (working.clone(), "/readyz", "200", "ok"),
            (Snapshot { draining: true, ..working.clone() }, "/readyz", "503", "draining"),
            (working.clone(), "/metrics", "200", "text/plain; version=0.0.4"),
            (working.clone(), "/nothing", "404", ""),
            (working, "/", "404", ""),
        ] {
            changes.send_replace(snapshot);
            let answer = ask(address, path).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
            assert!(answer.contains(body), "{path}: {answer}");
        }
        server.abort();
    }

    #[tokio::test]
    async fn on_loopback_only_hosts_of_this_machine_are_answered() {
        let (_recorder, exporter) = Exporter::build().unwrap();
        let (_changes, snapshots) = watch::channel(Snapshot::default());
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let admin = Admin::bind(any, Access::Everyone, exporter, snapshots).await.unwrap();
        let address = admin.address();
        let server = tokio::spawn(admin.serve());
        for (host, status) in [
            ("127.0.0.1", "200"),
            ("127.0.0.1:9464", "200"),
            ("localhost:80", "200"),
            ("[::1]:9464", "200"),
            ("attacker.example", "421"),
            ("127.0.0.1.attacker.example", "421"),
            ("localhost.attacker.example:9464", "421"),
        ] {
            let answer = named(address, "GET", "/metrics", host).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{host}: {answer}");
        }
        server.abort();
    }

    #[tokio::test]
    async fn with_a_token_only_probes_are_answered_without_it_and_they_give_nothing_away() {
        const TOKEN: &str = "canary-token-0123456789";
        let (_recorder, exporter) = Exporter::build().unwrap();
        let (_changes, snapshots) = watch::channel(Snapshot::default());
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let access = Access::Token(crate::config::Secret::new(TOKEN));
        let admin = Admin::bind(any, access, exporter, snapshots).await.unwrap();
        let admin = admin.showing(greeting());
        assert!(!format!("{admin:?}").contains(TOKEN));
        let address = admin.address();
        let server = tokio::spawn(admin.serve());
        let host = "host: localhost\r\n".to_owned();
        let right = format!("{host}authorization: Bearer {TOKEN}\r\n");
        let wrong = format!("{host}authorization: Bearer {}\r\n", TOKEN.replace('9', "8"));
        let rebound = right.replace("localhost", "attacker.example");
        let all = [
            ("/livez", &host, "200", "\r\n\r\nok\n"),
            ("/readyz", &host, "503", "\r\n\r\nnot ready\n"),
            ("/readyz", &wrong, "503", "\r\n\r\nnot ready\n"),
            ("/readyz", &right, "503", "the first sweep has not succeeded yet"),
            ("/metrics", &right, "200", "text/plain; version=0.0.4"),
            ("/", &right, "200", "<p>hello"),
            ("/nothing", &right, "404", ""),
            ("/metrics", &rebound, "421", ""),
        ];
        let challenge = "www-authenticate: Bearer realm=\"amiferry\"\r\n";
        let refused = ["/metrics", "/", "/worker.json", "/nothing", "/livez/", "//livez"];
        let refused = refused.into_iter().map(|path| (path, &wrong, "401", challenge));
        for (path, headers, status, part) in all.into_iter().chain(refused) {
            let answer = with(address, "GET", path, headers).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
            assert!(answer.contains(part), "{path}: {answer}");
            assert!(!answer.contains(TOKEN), "{path}: {answer}");
            if status == "401" {
                for method in ["GET", "HEAD", "POST"] {
                    let answer = with(address, method, path, &host).await;
                    assert!(answer.starts_with("HTTP/1.1 401 "), "{method} {path}: {answer}");
                    assert!(!answer.contains("hello"), "{answer}");
                }
            }
        }
        server.abort();
    }

    #[tokio::test]
    async fn connections_that_are_held_open_keep_no_probe_from_its_answer() {
        let (_recorder, exporter) = Exporter::build().unwrap();
        let (_changes, snapshots) = watch::channel(Snapshot::default());
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let admin = Admin::bind(any, Access::Everyone, exporter, snapshots).await.unwrap();
        let address = admin.address();
        let server = tokio::spawn(admin.serve());
        let mut held = Vec::new();
        for _ in 0..64 {
            let mut slow = TcpStream::connect(address).await.unwrap();
            slow.write_all(b"GET /livez HTTP/1.1\r\nhost: ").await.unwrap();
            held.push(slow);
            let answer = ask(address, "/livez").await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{} held: {answer}", held.len());
        }
        server.abort();
    }

    #[derive(Debug)]
    struct Greeting;

    impl Page for Greeting {
        fn render(&self, query: Option<&str>) -> page::Rendered {
            page::Rendered {
                html: format!("<p>{}", query.unwrap_or("hello")),
                headers: vec![("x-content-type-options", "nosniff")],
                refresh: query.is_none().then_some(7),
            }
        }
    }

    fn greeting() -> Shown {
        Shown { answerer: Arc::new(Greeting), page: Some(Arc::new(Greeting)) }
    }

    impl Answerer for Greeting {
        fn answer(&self) -> String {
            r#"{"schema_version":1}"#.to_owned()
        }
    }

    #[tokio::test]
    async fn a_page_is_shown_at_the_root_and_an_answer_to_reports_for_get_and_head_only() {
        let (_recorder, exporter) = Exporter::build().unwrap();
        let (_changes, snapshots) = watch::channel(Snapshot::default());
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let admin = Admin::bind(any, Access::Everyone, exporter, snapshots).await.unwrap();
        let admin = admin.showing(greeting());
        let address = admin.address();
        let server = tokio::spawn(admin.serve());

        let shown = ask(address, "/").await;
        assert!(
            shown.starts_with("HTTP/1.1 200 ") && shown.ends_with("\r\n\r\n<p>hello"),
            "{shown}"
        );
        for header in [
            "content-type: text/html; charset=utf-8",
            "x-content-type-options: nosniff",
            "refresh: 7",
        ] {
            assert!(shown.contains(header), "no {header} in {shown}");
        }
        let paused = ask(address, "/?now").await;
        assert!(paused.ends_with("<p>now") && !paused.contains("refresh"), "{paused}");
        let head = send(address, "HEAD", "/").await;
        assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
        for method in ["POST", "PUT", "DELETE"] {
            let refused = send(address, method, "/").await;
            assert!(refused.starts_with("HTTP/1.1 405 "), "{refused}");
            assert!(refused.contains("allow: GET,HEAD"), "{refused}");
        }
        assert!(ask(address, "/index.html").await.starts_with("HTTP/1.1 404 "));
        let answer = ask(address, amiferry_core::answer::PATH).await;
        assert!(answer.contains("content-type: application/json"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n{\"schema_version\":1}"), "{answer}");
        assert!(ask(address, "/livez").await.starts_with("HTTP/1.1 200 "));
        server.abort();
    }

    #[tokio::test]
    async fn an_address_in_use_is_named_in_the_error() {
        let holder = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let taken = holder.local_addr().unwrap();
        let (_recorder, exporter) = Exporter::build().unwrap();
        let (_, snapshots) = watch::channel(Snapshot::default());
        let bound = Admin::bind(taken, Access::Everyone, exporter, snapshots).await;
        let error = bound.unwrap_err().to_string();
        assert!(error.contains(&taken.to_string()), "{error}");
    }
}
