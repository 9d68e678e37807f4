//! Reads a worker's admin server as Prometheus and a supervisor do.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::{Process, wait};

/// Where a worker serves `/metrics`, as it logged it.
pub fn address(worker: &Process) -> String {
    worker.until("the admin server's address", |worker| {
        let log = worker.log();
        let line =
            log.iter().find(|line| line["message"].as_str().unwrap().starts_with("serving "))?;
        Some(format!("{}:{}", line["server.address"].as_str()?, line["server.port"]))
    })
}

/// Status line, headers and body of a page.
pub fn get(address: &str, path: &str) -> String {
    exchange(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n"), "")
}

/// The same with a bearer token, if there is one.
pub fn get_with(address: &str, path: &str, token: Option<&str>) -> String {
    let shown = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
    let shown = shown.unwrap_or_default();
    exchange(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n{shown}"), "")
}

/// The same of what is posted.
pub fn post(address: &str, path: &str, json: &str) -> String {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n",
        json.len()
    );
    exchange(address, &head, json)
}

/// The same of what is deleted.
pub fn delete(address: &str, path: &str) -> String {
    exchange(address, &format!("DELETE {path} HTTP/1.1\r\nHost: {address}\r\n"), "")
}

fn exchange(address: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(wait::DEADLINE)).unwrap();
    let request = format!("{head}Connection: close\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// The sum of all samples of a metric that carry this label, as a whole number.
pub fn metric(page: &str, name: &str, label: &str) -> u64 {
    let samples = page.lines().filter(|line| line.starts_with(name) && line.contains(label));
    samples.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}
