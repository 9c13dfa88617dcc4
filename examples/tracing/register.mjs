/**
 * Loads OpenTelemetry's SDK before sessiond: NODE_OPTIONS="--import /path/to/register.mjs". The
 * environment variables of OpenTelemetry configure it, such as OTEL_EXPORTER_OTLP_ENDPOINT,
 * OTEL_TRACES_SAMPLER and OTEL_RESOURCE_ATTRIBUTES.
 */

// NODE_OPTIONS is also that of the health check of a container, which has nothing to trace.
const isHealthCheck = process.argv[1]?.endsWith("healthcheck.js") === true;

if (!isHealthCheck) {
  const { OTLPTraceExporter } = await import("@opentelemetry/exporter-trace-otlp-grpc");
  const { NodeSDK } = await import("@opentelemetry/sdk-node");

  // By default it samples what the caller samples, and everything without a caller.
  new NodeSDK({
    serviceName: process.env.OTEL_SERVICE_NAME ?? "sessiond",
    traceExporter: new OTLPTraceExporter(),
    // Traces only. sessiond's metrics are Prometheus', its log is on standard error.
    metricReaders: [],
    logRecordProcessors: [],
  }).start();
}
