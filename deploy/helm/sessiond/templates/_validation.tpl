{{- /*
Fails with everything that is wrong with the values, and what would be right. What a type or a range can
tell is in values.schema.json, except for secrets: a violation of the schema is reported with the value.
*/ -}}
{{- define "sessiond.validate" -}}
{{- $v := .Values -}}
{{- $problems := list -}}
{{- if and (not $v.secrets.existingSecret) (not $v.secrets.databaseUrl) -}}
{{- $problems = append $problems "there is no database URL: set secrets.existingSecret, or secrets.databaseUrl" -}}
{{- end -}}
{{- if and (include "sessiond.hasLocalKeys" .) (not $v.secrets.existingSecret) (not $v.secrets.keyEncryptionKeys) -}}
{{- $problems = append $problems "there are no key-encryption keys: set secrets.existingSecret, or secrets.keyEncryptionKeys to what `openssl rand -base64 32` prints, or keyEncryption.provider to vault-transit" -}}
{{- end -}}
{{- if not (regexMatch "^(postgres(ql)?://.+)?$" $v.secrets.databaseUrl) -}}
{{- $problems = append $problems "secrets.databaseUrl is no postgres:// or postgresql:// URL" -}}
{{- end -}}
{{- if not (regexMatch "^([A-Za-z0-9+/]{43}=(,[A-Za-z0-9+/]{43}=)*)?$" $v.secrets.keyEncryptionKeys) -}}
{{- $problems = append $problems "secrets.keyEncryptionKeys is no list of base64 keys of 32 bytes each: make one with `openssl rand -base64 32`" -}}
{{- end -}}
{{- if and $v.secrets.existingSecret (or $v.secrets.databaseUrl $v.secrets.keyEncryptionKeys) -}}
{{- $problems = append $problems "secrets.existingSecret is set, so secrets.databaseUrl and secrets.keyEncryptionKeys must not be" -}}
{{- end -}}
{{- if and (eq $v.keyEncryption.provider "vault-transit") (not (and $v.keyEncryption.vault.address $v.keyEncryption.vault.key)) -}}
{{- $problems = append $problems "keyEncryption.provider is vault-transit: set keyEncryption.vault.address and keyEncryption.vault.key" -}}
{{- end -}}
{{- if and $v.callers.existingSecret $v.callers.content -}}
{{- $problems = append $problems "callers.existingSecret and callers.content are both set: only one can be" -}}
{{- end -}}
{{- if include "sessiond.hasCallers" . -}}
{{- if $v.callers.insecureNoAuthentication -}}
{{- $problems = append $problems "callers.insecureNoAuthentication is true although there are callers: only one can be" -}}
{{- end -}}
{{- if not (or $v.tls.existingSecret $v.tls.insecurePlainText) -}}
{{- $problems = append $problems "callers would send their tokens in plain text: set tls.existingSecret, or tls.insecurePlainText=true if a service mesh encrypts the connections" -}}
{{- end -}}
{{- else if not $v.callers.insecureNoAuthentication -}}
{{- $problems = append $problems "nobody may call: set callers.existingSecret or callers.content, or for a trial callers.insecureNoAuthentication=true, which lets everyone who reaches the port end all sessions" -}}
{{- end -}}
{{- if and $v.tls.existingSecret $v.tls.insecurePlainText -}}
{{- $problems = append $problems "tls.existingSecret and tls.insecurePlainText are both set: only one can be" -}}
{{- end -}}
{{- if and $v.tls.clientCaSecret (not $v.tls.existingSecret) -}}
{{- $problems = append $problems "tls.clientCaSecret needs tls.existingSecret" -}}
{{- end -}}
{{- if and (eq $v.tls.clientCertificate "required") (not $v.tls.clientCaSecret) -}}
{{- $problems = append $problems "tls.clientCertificate=required needs tls.clientCaSecret" -}}
{{- end -}}
{{- if and $v.tls.existingSecret (not $v.metrics.enabled) -}}
{{- $problems = append $problems "tls.existingSecret needs metrics.enabled=true: the probes of kubelet speak no TLS, and use the metrics port" -}}
{{- end -}}
{{- if and (or $v.metrics.serviceMonitor.enabled $v.metrics.prometheusRule.enabled) (not $v.metrics.enabled) -}}
{{- $problems = append $problems "metrics.serviceMonitor and metrics.prometheusRule need metrics.enabled=true" -}}
{{- end -}}
{{- if and $v.autoscaling.enabled (gt (int $v.autoscaling.minReplicas) (int $v.autoscaling.maxReplicas)) -}}
{{- $problems = append $problems "autoscaling.minReplicas is greater than autoscaling.maxReplicas" -}}
{{- end -}}
{{- if and $v.autoscaling.enabled (not (dig "requests" "cpu" "" $v.resources)) -}}
{{- $problems = append $problems "autoscaling.enabled needs resources.requests.cpu, which its target is a percentage of" -}}
{{- end -}}
{{- $taken := include "sessiond.takenSettings" . | fromYaml -}}
{{- range $name, $value := $v.settings -}}
{{- $base := trimSuffix "_FILE" $name -}}
{{- if hasKey $taken $base -}}
{{- $problems = append $problems (printf "settings.%s: use %s" $name (get $taken $base)) -}}
{{- end -}}
{{- end -}}
{{- if $problems -}}
{{- fail (printf "\n\nThe values cannot be used:\n- %s\n" (join "\n- " $problems)) -}}
{{- end -}}
{{- end -}}

{{- /* The settings that values of the chart decide, and the values. */ -}}
{{- define "sessiond.takenSettings" -}}
SESSIOND_HOST: extraEnv if the address must be another
SESSIOND_PORT: service.port for the port of the service; the container's stays 8480
SESSIOND_WORKERS: workers
SESSIOND_METRICS_PORT: metrics.enabled; the port stays 9464
SESSIOND_METRICS_HOST: networkPolicy.metricsFrom
SESSIOND_DRAIN_DELAY: shutdown.drainDelaySeconds
SESSIOND_SHUTDOWN_GRACE: shutdown.graceSeconds
SESSIOND_DATABASE_URL: secrets.databaseUrl or secrets.existingSecret
SESSIOND_DATA_DIR: no such setting, since a pod has no embedded database
SESSIOND_KEY_ENCRYPTION_KEYS: secrets.keyEncryptionKeys or secrets.existingSecret
SESSIOND_KEY_ENCRYPTION_PROVIDER: keyEncryption.provider
SESSIOND_KEY_ENCRYPTION_VAULT_ADDRESS: keyEncryption.vault.address
SESSIOND_KEY_ENCRYPTION_VAULT_KEY: keyEncryption.vault.key
SESSIOND_KEY_ENCRYPTION_VAULT_MOUNT: keyEncryption.vault.mount
SESSIOND_KEY_ENCRYPTION_VAULT_NAMESPACE: keyEncryption.vault.namespace
SESSIOND_KEY_ENCRYPTION_VAULT_TOKEN: keyEncryption.vault.tokenFile
SESSIOND_KEY_ENCRYPTION_VAULT_CA: keyEncryption.vault.caSecret
SESSIOND_CALLERS: callers.existingSecret or callers.content
SESSIOND_INSECURE_NO_CALLER_AUTHENTICATION: callers.insecureNoAuthentication
SESSIOND_INSECURE_PLAIN_TEXT_CREDENTIALS: tls.insecurePlainText
SESSIOND_TLS_CERT: tls.existingSecret
SESSIOND_TLS_KEY: tls.existingSecret
SESSIOND_TLS_CLIENT_CA: tls.clientCaSecret
SESSIOND_TLS_CLIENT_CERTIFICATE: tls.clientCertificate
SESSIOND_CLI_TOKEN: extraEnv with a secretKeyRef
{{- end -}}
