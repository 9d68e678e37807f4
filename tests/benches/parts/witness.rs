//! Stands between a worker and a simulated AWS and notes which images are asked about, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};

use amiferry_core::ids::ImageId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The length of an image id: `ami-` and 17 hexadecimal digits.
const ID: usize = 21;

/// What a request of each kind has in it that no other has.
const KINDS: [(&str, &str); 4] = [
    ("pages of images", "MaxResults="),
    ("pages of keys", "list-type=2"),
    ("AssumeRole", "Action=AssumeRole"),
    ("ListMultipartUploads", "?uploads"),
];

/// See the module's doc. Clones share what was seen.
#[derive(Debug, Clone)]
pub struct Witness {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Debug, Default)]
struct Seen {
    images: BTreeSet<String>,
    requests: [usize; KINDS.len()],
    awaited: BTreeMap<String, oneshot::Sender<Instant>>,
}

impl Witness {
    /// Listens on loopback and passes all on to a server.
    pub async fn before(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let witness = Self { address, seen: Arc::default() };
        let own = witness.clone();
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(own.clone().pass_on(client, server));
            }
        });
        witness
    }

    /// Where it listens.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// When an image is asked about next.
    pub fn next_sight_of(&self, image: &ImageId) -> impl Future<Output = Instant> + use<> {
        let (sender, receiver) = oneshot::channel();
        self.lock().awaited.insert(image.to_string(), sender);
        async { receiver.await.unwrap() }
    }

    /// How many images were asked about.
    pub fn images(&self) -> usize {
        self.lock().images.len()
    }

    /// How many requests of each kind there were.
    pub fn requests(&self) -> String {
        let seen = self.lock();
        let kinds = KINDS.iter().zip(seen.requests).map(|((name, _), count)| (name, count));
        kinds.map(|(name, count)| format!("{count} {name}")).collect::<Vec<_>>().join(", ")
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap()
    }

    async fn pass_on(self, client: TcpStream, server: SocketAddr) {
        let Ok(server) = TcpStream::connect(server).await else { return };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let (mut from_client, mut to_client) = client.into_split();
        let (mut from_server, mut to_server) = server.into_split();
        let answers = tokio::io::copy(&mut from_server, &mut to_client);
        let requests = async {
            // What is split between two reads is found as well: each begins with the end of the last.
            let mut bytes = Vec::new();
            loop {
                let known = bytes.len();
                if !from_client.read_buf(&mut bytes).await.is_ok_and(|read| read > 0) {
                    return;
                }
                self.lock().note(&bytes, known);
                if to_server.write_all(&bytes[known..]).await.is_err() {
                    return;
                }
                bytes.drain(..bytes.len().saturating_sub(ID - 1));
            }
        };
        tokio::select! {
            _ = answers => {}
            () = requests => {}
        }
    }
}

impl Seen {
    /// Takes in a piece of the requests whose first bytes were taken in before.
    fn note(&mut self, bytes: &[u8], known: usize) {
        // All that begins in the same way: most bytes begin nothing.
        let beginning = |first: u8, length: usize| {
            let at = bytes.iter().enumerate().filter(move |(_, byte)| **byte == first);
            at.filter_map(move |(at, _)| bytes.get(at..at + length).filter(|_| at + length > known))
        };
        for (count, (_, mark)) in self.requests.iter_mut().zip(KINDS) {
            let mark = mark.as_bytes();
            *count += beginning(mark[0], mark.len()).filter(|found| *found == mark).count();
        }
        for found in beginning(b'a', ID) {
            let Some(digits) = found.strip_prefix(b"ami-") else { continue };
            if !digits.iter().all(u8::is_ascii_hexdigit) {
                continue;
            }
            let Ok(image) = std::str::from_utf8(found) else { continue };
            if let Some(awaited) = self.awaited.remove(image) {
                let _ = awaited.send(Instant::now());
            }
            if !self.images.contains(image) {
                self.images.insert(image.to_owned());
            }
        }
    }
}
