//! Messages and gRPC stubs of `sessiond.v1`, generated from the contract.

/// The package `sessiond.v1`: its messages, [`session_service_client`](v1::session_service_client),
/// and `FILE_DESCRIPTOR_SET` for reflection.
#[allow(clippy::all)]
pub mod v1 {
    include!("gen/sessiond/v1/sessiond.v1.rs");
    include!("gen/sessiond/v1/sessiond.v1.tonic.rs");
}
