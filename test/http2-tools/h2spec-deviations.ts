const CLOSED_STREAM =
  "nghttp2 ignores frames of streams that it has closed and forgotten, and RFC 9113, section 5.1, lets it do so for a time";
const PRIORITY = "nghttp2 ignores PRIORITY frames, which RFC 9113, section 5.3, has deprecated";

type Deviations = Readonly<Record<string, string>>;

/** Cases that Node's HTTP/2 answers in another way than h2spec expects, and why. */
const everywhere: Deviations = {
  "http2/5.1 half closed (remote): Sends a DATA frame": CLOSED_STREAM,
  "http2/5.1 half closed (remote): Sends a HEADERS frame": CLOSED_STREAM,
  "http2/5.1 closed: Sends a DATA frame after sending RST_STREAM frame": CLOSED_STREAM,
  "http2/5.1 closed: Sends a HEADERS frame after sending RST_STREAM frame": CLOSED_STREAM,
  "http2/5.1 closed: Sends a DATA frame": CLOSED_STREAM,
  "http2/5.1 closed: Sends a HEADERS frame": CLOSED_STREAM,
  "http2/5.1.1 Sends stream identifier that is numerically smaller than previous": CLOSED_STREAM,
  "http2/5.3.1 Sends PRIORITY frame that depend on itself": PRIORITY,
  'http2/6.1 Sends a DATA frame on the stream that is not in "open" or "half-closed (local)" state':
    CLOSED_STREAM,
  "http2/6.3 Sends a PRIORITY frame with 0x0 stream identifier": PRIORITY,
  "http2/6.7 Sends a PING frame with ACK":
    "Node closes a connection with an acknowledgement of a PING that it has not sent",
  "http2/6.9.1 Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1 on a stream":
    "the whole connection is closed, and not only the stream",
};

/** What is answered differently only without TLS, where the first bytes select the HTTP version. */
const inCleartext: Deviations = {
  "http2/3.5 Sends invalid connection preface":
    "what is no preface of HTTP/2 is HTTP/1.1 on the same port: it gets status 400, and the connection is closed",
};

/** The cases of h2spec that sessiond answers in another way, by name, each with the reason. */
export function deviationsOf({ tls }: { readonly tls: boolean }): Deviations {
  return tls ? everywhere : { ...everywhere, ...inCleartext };
}
