use std::fmt;
#[cfg(feature = "tls")]
use std::sync::{Mutex, PoisonError};
#[cfg(feature = "tls")]
use std::time::{Duration, Instant};

use tonic::transport::{Channel, Endpoint};

#[cfg(feature = "tls")]
use crate::connect::{ConfigError, Pems, TlsOptions};

/// The connections of a client.
pub(crate) enum Transport {
    Fixed(Channel),
    #[cfg(feature = "tls")]
    Renewed(Box<Renewed>),
}

impl Transport {
    pub(crate) fn fixed(endpoint: &Endpoint) -> Self {
        Self::Fixed(endpoint.connect_lazy())
    }

    /// The channel for the next call.
    pub(crate) fn channel(&self) -> Channel {
        match self {
            Self::Fixed(channel) => channel.clone(),
            #[cfg(feature = "tls")]
            Self::Renewed(renewed) => renewed.channel(),
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

/// A channel that is made again when a file with certificates has changed: tonic's own has the same
/// certificates for all of its connections. As long as new files cannot be used, it stays.
#[cfg(feature = "tls")]
pub(crate) struct Renewed {
    endpoint: Endpoint,
    options: TlsOptions,
    reread_after: Duration,
    current: Mutex<Current>,
}

#[cfg(feature = "tls")]
struct Current {
    pems: Pems,
    channel: Channel,
    /// Stays open for its calls in flight until the next change.
    _replaced: Option<Channel>,
    read_at: Instant,
    problem: String,
}

#[cfg(feature = "tls")]
impl Renewed {
    /// Reads the files for the first time.
    pub(crate) fn new(
        endpoint: Endpoint,
        options: TlsOptions,
        reread_after: Duration,
    ) -> Result<Self, ConfigError> {
        let pems = options.read()?;
        let current = Current {
            channel: options.endpoint(endpoint.clone(), &pems)?.connect_lazy(),
            pems,
            _replaced: None,
            read_at: Instant::now(),
            problem: String::new(),
        };
        Ok(Self { endpoint, options, reread_after, current: Mutex::new(current) })
    }

    fn channel(&self) -> Channel {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.read_at.elapsed() >= self.reread_after {
            current.read_at = Instant::now();
            let problem =
                self.update(&mut current).err().map_or_else(String::new, |e| e.to_string());
            if !problem.is_empty() && problem != current.problem {
                tracing::warn!(error = problem, "the former certificates stay in use");
            }
            current.problem = problem;
        }
        current.channel.clone()
    }

    fn update(&self, current: &mut Current) -> Result<(), ConfigError> {
        let pems = self.options.read()?;
        if pems != current.pems {
            let channel = self.options.endpoint(self.endpoint.clone(), &pems)?.connect_lazy();
            current._replaced = Some(std::mem::replace(&mut current.channel, channel));
            current.pems = pems;
        }
        Ok(())
    }
}
