//! Asks the admin server of a worker, over plain HTTP, within a short time.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::config::ListenToken;

/// Longest time for one answer: a report does not wait for a worker that is not there.
const PATIENCE: Duration = Duration::from_secs(3);

/// Longest answer that is read, in bytes.
const LONGEST: u64 = 32 << 20;

/// Where a worker's admin server is: a host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerAddress {
    /// As a URL has it: a name, an address, or an IPv6 address in brackets.
    host: String,
    port: u16,
}

impl WorkerAddress {
    /// Where a server that listens on this address is asked on this machine; `None` for port 0, which
    /// says nothing.
    pub fn of_listener(address: SocketAddr) -> Option<Self> {
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        let host = match ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        (address.port() != 0).then_some(Self { host, port: address.port() })
    }

    /// The body of `path` there, asked for with the token if there is one.
    ///
    /// # Errors
    /// In words: nothing answers, or not with 200.
    pub async fn get(&self, path: &str, token: &ListenToken) -> Result<Vec<u8>, String> {
        match timeout(PATIENCE, self.exchange(path, token)).await {
            Ok(answer) => answer.map_err(|why| format!("{self}: {why}")),
            Err(_) => Err(format!("{self}: no answer within {} s", PATIENCE.as_secs())),
        }
    }

    async fn exchange(&self, path: &str, token: &ListenToken) -> Result<Vec<u8>, String> {
        let words = |error: std::io::Error| error.to_string();
        let mut stream = TcpStream::connect(self.to_string()).await.map_err(words)?;
        // HTTP/1.0: the body is whole and ends with the connection.
        let shown = match token {
            ListenToken::Known(token) => format!("authorization: Bearer {}\r\n", token.reveal()),
            ListenToken::NotConfigured | ListenToken::Missing(_) => String::new(),
        };
        let request = format!("GET {path} HTTP/1.0\r\nhost: {self}\r\n{shown}\r\n");
        stream.write_all(request.as_bytes()).await.map_err(words)?;
        let mut answer = Vec::new();
        stream.take(LONGEST).read_to_end(&mut answer).await.map_err(words)?;
        body(&answer, token)
    }
}

/// The body of a whole answer.
fn body(answer: &[u8], token: &ListenToken) -> Result<Vec<u8>, String> {
    let not_http = || "what answers speaks no HTTP".to_owned();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").ok_or_else(not_http)?;
    let (head, rest) = answer.split_at(end);
    let head = String::from_utf8_lossy(head);
    let status = head.lines().next().and_then(|line| line.strip_prefix("HTTP/1."));
    let status = status.and_then(|line| line.split(' ').nth(1)).ok_or_else(not_http)?;
    let body = rest.get(4..).unwrap_or_default();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    match (status, length) {
        ("200", Some(length)) if body.len() < length => Err("the answer breaks off".to_owned()),
        ("200", _) => Ok(body.to_vec()),
        ("401", _) => Err(match token {
            ListenToken::Known(_) => "it refuses the token that the configuration names".to_owned(),
            ListenToken::NotConfigured => {
                "it asks for a token, and the configuration names none: use \
                                           listen_token_env or listen_token_file in [workers]"
                    .to_owned()
            }
            ListenToken::Missing(missing) => format!("it asks for a token: {missing}"),
        }),
        ("404", _) => Err("what answers is no amiferry worker of this version".to_owned()),
        (status, _) => Err(format!("it answers with status {status}")),
    }
}

impl fmt::Display for WorkerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// A text that is not the address of a worker.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "not the address of a worker's admin server: write http://HOST:PORT, as in \
     http://127.0.0.1:9465, without a path"
)]
pub struct NoWorkerAddress;

impl FromStr for WorkerAddress {
    type Err = NoWorkerAddress;

    fn from_str(text: &str) -> Result<Self, NoWorkerAddress> {
        let rest = text.strip_prefix("http://").unwrap_or(text);
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = rest.rsplit_once(':').ok_or(NoWorkerAddress)?;
        let is_v6 = |host: &str| {
            let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
            inner.is_some_and(|inner| inner.parse::<Ipv6Addr>().is_ok())
        };
        let is_name = |host: &str| {
            let may_be = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-');
            !host.is_empty() && host.bytes().all(may_be)
        };
        let port = port.parse().ok().filter(|port| *port != 0).ok_or(NoWorkerAddress)?;
        match is_name(host) || is_v6(host) {
            true => Ok(Self { host: host.to_owned(), port }),
            false => Err(NoWorkerAddress),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::config::{MissingToken, Secret};

    #[test]
    fn an_address_is_a_host_and_a_port_and_nothing_more() {
        for (text, read) in [
            ("http://127.0.0.1:9465", Some("127.0.0.1:9465")),
            ("http://localhost:9465/", Some("localhost:9465")),
            ("worker-1.internal:80", Some("worker-1.internal:80")),
            ("[::1]:9465", Some("[::1]:9465")),
            ("https://127.0.0.1:9465", None),
            ("http://user@127.0.0.1:9465", None),
            ("http://127.0.0.1:9465/metrics", None),
            ("127.0.0.1", None),
            ("127.0.0.1:0", None),
            ("evil\r\nhost: x:80", None),
            ("[::1]evil:80", None),
            ("", None),
        ] {
            let address = text.parse::<WorkerAddress>().ok();
            assert_eq!(address.map(|address| address.to_string()).as_deref(), read, "{text:?}");
        }
        let anywhere = |text: &str| WorkerAddress::of_listener(text.parse().unwrap());
        assert_eq!(anywhere("0.0.0.0:9465").unwrap().to_string(), "127.0.0.1:9465");
        assert_eq!(anywhere("[::]:9465").unwrap().to_string(), "[::1]:9465");
        assert_eq!(anywhere("127.0.0.1:0"), None);
    }

    /// Answers one request, and says what it was.
    async fn answer_once(listener: TcpListener, answer: &'static str) -> String {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            asked.push(stream.read_u8().await.unwrap());
        }
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
        String::from_utf8(asked).unwrap()
    }

    #[tokio::test]
    async fn the_token_is_sent_where_there_is_one_and_a_refusal_says_what_to_change() {
        const TOKEN: &str = "canary-token-0123456789";
        let missing = MissingToken::Variable("AMIFERRY_TOKEN".to_owned());
        for (token, sent, why) in [
            (ListenToken::Known(Secret::new(TOKEN)), true, "refuses the token"),
            (ListenToken::NotConfigured, false, "the configuration names none"),
            (ListenToken::Missing(missing), false, "AMIFERRY_TOKEN is not set"),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = WorkerAddress::of_listener(listener.local_addr().unwrap()).unwrap();
            let refusal = "HTTP/1.0 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
            let server = tokio::spawn(answer_once(listener, refusal));
            let refused = address.get("/worker.json", &token).await.unwrap_err();
            let asked = server.await.unwrap();
            let line = format!("\r\nauthorization: Bearer {TOKEN}\r\n");
            assert_eq!(asked.contains(&line), sent, "{asked}");
            assert!(refused.contains(why) && !refused.contains(TOKEN), "{refused}");
        }
    }

    #[tokio::test]
    async fn what_answers_is_read_and_what_does_not_says_why() {
        for (sent, read) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", Ok("{}")),
            ("HTTP/1.0 200 OK\r\n\r\n{}", Ok("{}")),
            ("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{}", Err("breaks off")),
            ("HTTP/1.1 404 Not Found\r\n\r\n", Err("no amiferry worker")),
            ("HTTP/1.1 421 Misdirected\r\n\r\n", Err("status 421")),
            ("SSH-2.0\r\n", Err("speaks no HTTP")),
        ] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = WorkerAddress::of_listener(listener.local_addr().unwrap()).unwrap();
            let server = tokio::spawn(answer_once(listener, sent));
            let answer = address.get("/worker.json", &ListenToken::NotConfigured).await;
            server.await.unwrap();
            match (answer, read) {
                (Ok(body), Ok(read)) => assert_eq!(body, read.as_bytes()),
                (Err(why), Err(read)) => assert!(why.contains(read), "{why}"),
                (answer, read) => panic!("{answer:?} instead of {read:?}"),
            }
        }
        let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let address = WorkerAddress::of_listener(closed).unwrap();
        let why = address.get("/worker.json", &ListenToken::NotConfigured).await.unwrap_err();
        assert!(why.contains(&address.to_string()), "{why}");
    }
}
