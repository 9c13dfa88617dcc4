import type { Attack } from "../attack.ts";
import { runH2spec } from "../h2spec.ts";

/** How long h2spec waits for each answer at first, and again where none of the known ones came. */
const TIMEOUT_S = 2;
const SECOND_TIMEOUT_S = 30;
const LEAST_CASES = 140;

const CLOSED_STREAM =
  "nghttp2 ignores frames of streams that it has closed and forgotten, and RFC 9113, section 5.1, lets it do so for a time";
const PRIORITY = "nghttp2 ignores PRIORITY frames, which RFC 9113, section 5.3, has deprecated";

/** Cases that Node's HTTP/2, or sessiond on purpose, answers in another way than h2spec expects. */
const deviations: Readonly<Record<string, string>> = {
  "http2/3.5 Sends invalid connection preface":
    "what is no preface of HTTP/2 is HTTP/1.1 on the same port: it gets status 400, and the connection is closed",
  "http2/5.1 half closed (remote): Sends a DATA frame": CLOSED_STREAM,
  "http2/5.1 half closed (remote): Sends a HEADERS frame": CLOSED_STREAM,
  "http2/5.1 closed: Sends a DATA frame after sending RST_STREAM frame": CLOSED_STREAM,
  "http2/5.1 closed: Sends a HEADERS frame after sending RST_STREAM frame": CLOSED_STREAM,
  "http2/5.1 closed: Sends a DATA frame": CLOSED_STREAM,
  "http2/5.1 closed: Sends a HEADERS frame": CLOSED_STREAM,
  "http2/5.1.1 Sends stream identifier that is numerically smaller than previous": CLOSED_STREAM,
  "http2/5.3.1 Sends PRIORITY frame that depend on itself": PRIORITY,
  "http2/6.3 Sends a PRIORITY frame with 0x0 stream identifier": PRIORITY,
  "http2/6.7 Sends a PING frame with ACK":
    "Node closes a connection with an acknowledgement of a PING that it has not sent",
  "http2/6.9.1 Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1 on a stream":
    "the whole connection is closed, and not only the stream",
};

export const attacks: readonly Attack[] = [
  {
    name: "http2-conformance",
    shows: "frames that are wrong are answered as h2spec expects, except for known deviations",
    async run(target) {
      const results = await runH2spec(target, TIMEOUT_S);
      if (results === undefined) {
        const failures = process.env.REQUIRE_H2SPEC === "1" ? ["there is no Go to run h2spec"] : [];
        return { summary: "skipped, because there is no Go to run h2spec with", failures };
      }
      const failed = results.filter(({ passed }) => !passed);
      const unknown = failed.filter(({ name }) => deviations[name] === undefined);
      // On a busy machine an answer may just have come too late.
      const again =
        unknown.length === 0
          ? []
          : await runH2spec(
              target,
              SECOND_TIMEOUT_S,
              unknown.map(({ spec }) => spec),
            );
      const failures = (again ?? [])
        .filter(({ passed }) => !passed)
        .map(({ name }) => `a deviation that is not known: ${name}`);
      if (results.length < LEAST_CASES)
        failures.push(`h2spec has run only ${results.length} cases`);
      const known = failed.length - unknown.length;
      // PRIORITY frames, at least. Otherwise the report was not understood.
      if (known === 0) failures.push("none of the known deviations was found");
      const summary = `${results.length} cases, ${known} with a known deviation`;
      return { summary, failures };
    },
  },
];
