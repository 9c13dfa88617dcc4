{{- /* kubelet's gRPC probes speak no TLS: with it, they ask the metrics port. */ -}}
{{- define "sessiond.livenessAction" -}}
{{- if .Values.tls.existingSecret -}}
httpGet:
  path: /healthz
  port: 9464
{{- else -}}
grpc:
  port: 8480
{{- end -}}
{{- end -}}

{{- define "sessiond.readinessAction" -}}
{{- if .Values.tls.existingSecret -}}
httpGet:
  path: /readyz
  port: 9464
{{- else -}}
grpc:
  port: 8480
  service: sessiond.v1.SessionService
{{- end -}}
{{- end -}}
