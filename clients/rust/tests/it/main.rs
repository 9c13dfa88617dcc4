//! Tests against a real sessiond and against small servers with faults.

mod calls;
mod credentials;
mod login;
mod middleware;
mod outages;
mod support;
mod test_sessiond;
