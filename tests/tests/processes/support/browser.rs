//! A real Chromium without a window, driven through its debugging pipe (`Chrome DevTools
//! Protocol`).
//!
//! The pipe is two file descriptors that carry JSON documents, each ended by a zero byte; so no
//! client library is needed, and no port is open.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::wait;

/// Moves the pipe's ends to where Chromium wants them: 3 to read from, 4 to write to.
const START: &str = "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1";

/// What Chromium answers when a page is replaced while it is asked.
const RENEWED: &[&str] = &[
    "Cannot find default execution context",
    "Execution context was destroyed",
    "Inspected target navigated or closed",
    "Promise was collected",
];

/// A browser with one open page, ended when it goes out of scope.
pub struct Browser {
    process: Child,
    to: ChildStdin,
    from: Receiver<Value>,
    session: Option<String>,
    last: u64,
    events: Vec<Value>,
    _profile: TempDir,
}

impl Browser {
    /// Starts one; `None` after one plain line where there is no Chromium.
    pub fn start() -> Option<Self> {
        let program = program()?;
        let profile = tempfile::tempdir().unwrap();
        let mut process = Command::new("sh")
            .args(["-c", START, "sh", &program, "--headless", "--disable-gpu"])
            // Tests run in containers, as root and without the kernel features of its sandbox.
            .args(["--no-sandbox", "--disable-dev-shm-usage", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("--remote-debugging-pipe")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let to = process.stdin.take().unwrap();
        let mut answers = BufReader::new(process.stdout.take().unwrap());
        let (sender, from) = channel();
        std::thread::spawn(move || {
            let mut document = Vec::new();
            while answers.read_until(0, &mut document).is_ok_and(|read| read > 0) {
                document.pop();
                let Ok(value) = serde_json::from_slice(&document) else { break };
                if sender.send(value).is_err() {
                    break;
                }
                document.clear();
            }
        });
        let mut browser = Self {
            process,
            to,
            from,
            session: None,
            last: 0,
            events: Vec::new(),
            _profile: profile,
        };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", attach);
        browser.session = attached["sessionId"].as_str().map(str::to_owned);
        for domain in ["Page", "Log", "Runtime", "Network", "Accessibility"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    /// Calls a method of the protocol.
    ///
    /// # Panics
    /// When it fails or does not answer.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        let answer = self.attempt(method, parameters);
        assert!(answer.get("error").is_none(), "{method}: {answer:#}");
        answer["result"].clone()
    }

    fn attempt(&mut self, method: &str, parameters: Value) -> Value {
        self.last += 1;
        let mut request = json!({ "id": self.last, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            request["sessionId"] = json!(session);
        }
        let mut document = request.to_string().into_bytes();
        document.push(0);
        self.to.write_all(&document).unwrap();
        loop {
            let answer = self
                .from
                .recv_timeout(wait::DEADLINE)
                .unwrap_or_else(|error| panic!("the browser does not answer {method}: {error}"));
            if answer["id"] == self.last {
                return answer;
            }
            self.events.push(answer);
        }
    }

    /// Opens an address and waits until it is loaded.
    pub fn open(&mut self, address: &str) {
        // The page that is left may answer for a while.
        self.ask("window.isLeft = true");
        let opened = self.call("Page.navigate", json!({ "url": address }));
        assert!(opened.get("errorText").is_none(), "{address}: {opened:#}");
        wait::until(address, || {
            let is_there = self.ask("document.readyState === 'complete' && !window.isLeft");
            (is_there == true).then_some(())
        });
    }

    /// Shows nothing, and asks no server for anything.
    pub fn leave(&mut self) {
        self.open("about:blank");
    }

    /// The value of an expression in the page, which is asked again when the page is renewed
    /// meanwhile.
    pub fn ask(&mut self, expression: &str) -> Value {
        let ask = json!({
            "expression": expression, "returnByValue": true, "awaitPromise": true,
        });
        wait::until(expression, || {
            let answer = self.attempt("Runtime.evaluate", ask.clone());
            if let Some(error) = answer.get("error") {
                let said = error["message"].as_str().unwrap_or_default();
                let is_renewed = RENEWED.iter().any(|words| said.contains(words));
                assert!(is_renewed, "{expression}: {answer:#}");
                return None;
            }
            let result = &answer["result"];
            assert!(result.get("exceptionDetails").is_none(), "{expression}: {answer:#}");
            Some(result["result"]["value"].clone())
        })
    }

    /// The page as a reader sees it; nothing before it has a body.
    pub fn text(&mut self) -> String {
        let text = self.ask("document.body?.innerText ?? ''");
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Makes the window this wide, on a telephone or not.
    pub fn resize(&mut self, width: u32, is_telephone: bool) {
        let size = json!({
            "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": is_telephone,
        });
        self.call("Emulation.setDeviceMetricsOverride", size);
    }

    /// Prefers light or dark.
    pub fn prefer(&mut self, scheme: &str) {
        let feature = json!({ "name": "prefers-color-scheme", "value": scheme });
        self.call("Emulation.setEmulatedMedia", json!({ "features": [feature] }));
    }

    /// Presses and releases a key that moves or opens, such as `Tab`.
    pub fn press(&mut self, key: &str, code: u32) {
        for kind in ["rawKeyDown", "keyUp"] {
            let event = json!({
                "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code,
            });
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// What it complained about so far: errors and warnings of the console, exceptions.
    pub fn complaints(&self) -> Vec<&Value> {
        let complains = |event: &&Value| {
            matches!(
                event["method"].as_str(),
                Some("Log.entryAdded" | "Runtime.exceptionThrown" | "Runtime.consoleAPICalled")
            )
        };
        self.events.iter().filter(complains).collect()
    }

    /// The answers that it got, each with its address and headers.
    pub fn answers(&self) -> impl Iterator<Item = &Value> {
        let received = |event: &&Value| event["method"] == "Network.responseReceived";
        self.events.iter().filter(received).map(|event| &event["params"]["response"])
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Asked to close, it ends its own processes too; its pipe is then at its end.
        let _ = self.to.write_all(b"{\"id\":0,\"method\":\"Browser.close\"}\0");
        while self.from.recv_timeout(wait::DEADLINE).is_ok() {}
        // Fails only when it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The browser to run, or `None` after one line that names the skipped test.
fn program() -> Option<String> {
    let named = named();
    let found = named
        .into_iter()
        .chain(["chromium".to_owned(), "chromium-browser".to_owned()])
        .find(|program| {
            let answer = Command::new(program).arg("--version").output();
            answer.is_ok_and(|output| output.status.success())
        });
    if found.is_none() {
        let thread = std::thread::current();
        let test = thread.name().unwrap_or("a test");
        // Not by a macro: the test runner would swallow the line.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {test} needs Chromium");
    }
    found
}

#[expect(clippy::disallowed_methods, reason = "how the test runner says where the browser is")]
fn named() -> Option<String> {
    std::env::var("AMIFERRY_CHROMIUM").ok().filter(|path| !path.is_empty())
}
