import { Registry } from "@prometheus-io/client";
import { protobufExposition } from "./protobuf-exposition.ts";
import type { Snapshot } from "./snapshot.ts";

export interface Exposition {
  readonly contentType: string;
  readonly body: Buffer;
}

const PROTOBUF =
  "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited";

/**
 * The snapshot in the format that the client prefers: protobuf, which has native histograms, or text.
 *
 * @param accept the request's header
 */
export async function expose(snapshot: Snapshot, accept: string | undefined): Promise<Exposition> {
  if (prefersProtobuf(accept)) {
    return { contentType: PROTOBUF, body: protobufExposition(snapshot) };
  }
  const text = await Registry.aggregate([snapshot.metrics as object]).metrics();
  return { contentType: Registry.PROMETHEUS_CONTENT_TYPE, body: Buffer.from(text) };
}

/** Whether protobuf has a higher weight than every form of text. A client that names neither gets text. */
function prefersProtobuf(accept = ""): boolean {
  let protobuf = 0;
  let text = 0;
  for (const range of accept.toLowerCase().split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim());
    const quality = parameters.find((parameter) => parameter.startsWith("q="));
    const weight = quality === undefined ? 1 : Number(quality.slice(2)) || 0;
    if (type !== "application/vnd.google.protobuf") text = Math.max(text, weight);
    else if (isSupported(parameters)) protobuf = Math.max(protobuf, weight);
  }
  return protobuf > 0 && protobuf >= text;
}

function isSupported(parameters: readonly string[]): boolean {
  return (
    parameters.includes("proto=io.prometheus.client.metricfamily") &&
    parameters.includes("encoding=delimited")
  );
}
