//! Starts a real sessiond for tests.
//!
//! ```no_run
//! use sessiond_client::testing::{TestOptions, TestSessiond};
//!
//! #[tokio::test]
//! async fn users_can_log_in() {
//!     let sessiond = TestSessiond::start(TestOptions::default()).await.unwrap();
//!     let client = sessiond.client();
//!     // …
//! }
//! ```

use std::collections::VecDeque;
use std::fs::{self, Permissions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{Client, ConnectOptions, connect};

const START_LIMIT: Duration = Duration::from_secs(60);
const BANNER: &str = "listens on ";
/// What an error says of standard error.
const LAST_LINES: usize = 50;

/// Options of [`TestSessiond::start`].
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct TestOptions {
    command: Option<Vec<String>>,
    settings: Vec<(String, String)>,
}

impl TestOptions {
    /// The program and its arguments. By default the environment variable `SESSIOND_COMMAND`, split at
    /// spaces, or else `npx --no sessiond`.
    pub fn command<T: Into<String>>(mut self, command: impl IntoIterator<Item = T>) -> Self {
        self.command = Some(command.into_iter().map(Into::into).collect());
        self
    }

    /// Whether cookies are Secure and have the prefix `__Host-`: sessiond's default is true.
    pub fn cookie_secure(self, secure: bool) -> Self {
        self.setting("SESSIOND_COOKIE_SECURE", secure.to_string())
    }

    /// A setting of sessiond, such as `SESSIOND_IDLE_TIMEOUT`.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    fn program(&self) -> io::Result<(String, Vec<String>)> {
        let from_environment = || {
            let command = std::env::var("SESSIOND_COMMAND").unwrap_or_default();
            let words = if command.trim().is_empty() { "npx --no sessiond" } else { &command };
            words.split_whitespace().map(str::to_owned).collect()
        };
        let mut words: VecDeque<_> = self.command.clone().unwrap_or_else(from_environment).into();
        let program = words.pop_front();
        let program = program.ok_or_else(|| io::Error::other("the command has no program"))?;
        Ok((program, words.into()))
    }
}

/// A running sessiond with an embedded PostgreSQL in a temporary directory, and with none of this
/// process's settings. It stops when it is dropped, which waits for its end.
#[derive(Debug)]
pub struct TestSessiond {
    url: String,
    process: Process,
}

impl TestSessiond {
    /// Starts sessiond on a free port and waits until it listens.
    ///
    /// # Errors
    ///
    /// If the program cannot be started, ends, or does not listen within 60 s; with the end of its
    /// standard error.
    pub async fn start(options: TestOptions) -> io::Result<Self> {
        let started = tokio::task::spawn_blocking(move || Self::start_blocking(&options));
        started.await.map_err(io::Error::other)?
    }

    /// Like [`start`](Self::start), but blocks the thread.
    ///
    /// # Errors
    ///
    /// As [`start`](Self::start).
    pub fn start_blocking(options: &TestOptions) -> io::Result<Self> {
        let (mut process, lines) = Process::spawn(options)?;
        let url = process.wait_for_banner(&lines)?;
        Ok(Self { url, process })
    }

    /// Where it listens, such as `http://127.0.0.1:40123`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A client with the default options.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn client(&self) -> Client {
        connect(&self.url, ConnectOptions::default()).expect("the URL is an address")
    }

    /// Stops it, waits for its end, which blocks the thread, and removes its directory. Does nothing if
    /// it is already stopped.
    ///
    /// # Errors
    ///
    /// If the process cannot be waited for.
    pub fn stop(&mut self) -> io::Result<()> {
        self.process.stop()
    }
}

#[derive(Debug)]
struct Process {
    child: Child,
    stderr: Arc<Mutex<VecDeque<String>>>,
    readers: Vec<JoinHandle<()>>,
    directory: Option<TempDir>,
}

impl Process {
    fn spawn(options: &TestOptions) -> io::Result<(Self, Receiver<String>)> {
        let (program, arguments) = options.program()?;
        let directory = tempfile::Builder::new().prefix("sessiond-test-").tempdir()?;
        // As root, the embedded PostgreSQL runs as another user, who must get to its directory.
        fs::set_permissions(directory.path(), Permissions::from_mode(0o755))?;
        let kept = ["PATH", "HOME"];
        let mut child = Command::new(&program)
            .args(arguments)
            .env_clear()
            .envs(kept.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .env("SESSIOND_PORT", "0")
            .env("SESSIOND_DATA_DIR", directory.path().join("data"))
            .envs(options.settings.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| {
                io::Error::new(error.kind(), format!("{program} cannot be started: {error}"))
            })?;
        let (sender, lines) = channel();
        let stderr = Arc::new(Mutex::new(VecDeque::new()));
        let last_lines = Arc::clone(&stderr);
        let readers = vec![
            // Reads on when nobody receives any more, so that the process can write.
            for_each_line(child.stdout.take(), move |line| drop(sender.send(line))),
            for_each_line(child.stderr.take(), move |line| {
                let mut last = last_lines.lock().unwrap();
                last.push_back(line);
                if last.len() > LAST_LINES {
                    last.pop_front();
                }
            }),
        ];
        let process = Self { child, stderr, readers, directory: Some(directory) };
        Ok((process, lines))
    }

    fn wait_for_banner(&mut self, lines: &Receiver<String>) -> io::Result<String> {
        let limit = Instant::now() + START_LIMIT;
        loop {
            let left = limit.saturating_duration_since(Instant::now());
            let problem = match lines.recv_timeout(left) {
                Ok(line) => match line.split_once(BANNER) {
                    Some((_, rest)) => {
                        let url = rest.split_whitespace().next().unwrap_or_default();
                        return Ok(url.trim_end_matches([',', '.']).to_owned());
                    }
                    None => continue,
                },
                Err(RecvTimeoutError::Disconnected) => "sessiond ended before it listened",
                Err(RecvTimeoutError::Timeout) => "sessiond did not listen within 60 s",
            };
            self.stop()?;
            let stderr = self.stderr.lock().unwrap();
            let stderr = Vec::from(stderr.clone()).join("\n");
            return Err(io::Error::other(format!("{problem}:\n{stderr}")));
        }
    }

    fn stop(&mut self) -> io::Result<()> {
        let Some(directory) = self.directory.take() else {
            return Ok(());
        };
        if self.child.try_wait()?.is_none() {
            // It can only end in between: its number is not reused before it has been waited for.
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
            self.child.wait()?;
        }
        // A launcher such as npx may end before sessiond, which then still holds its output.
        self.readers.drain(..).for_each(|reader| drop(reader.join()));
        directory.close()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::error!("sessiond could not be stopped: {error}");
        }
    }
}

fn for_each_line(
    output: Option<impl Read + Send + 'static>,
    mut handle: impl FnMut(String) + Send + 'static,
) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let lines = output.into_iter().flat_map(|output| BufReader::new(output).split(b'\n'));
        for line in lines.map_while(Result::ok) {
            handle(String::from_utf8_lossy(&line).into_owned());
        }
    })
}
