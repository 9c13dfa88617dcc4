{{- /* What the containers of the deployment, the migration and the test have in common. */ -}}

{{- define "sessiond.containerSecurityContext" -}}
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
readOnlyRootFilesystem: true
{{- end -}}

{{- define "sessiond.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
# The group may read the mounted secrets.
fsGroup: 1000
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- /* Whole numbers of a values file are floating-point numbers here, which would get an exponent. */ -}}
{{- define "sessiond.settingValue" -}}
{{- if kindIs "float64" . }}{{ . | int64 | toString | quote }}{{ else }}{{ . | toString | quote }}{{ end -}}
{{- end -}}

{{- /* The settings of the database and of the keys' encryption, which the migration needs as well. */ -}}
{{- define "sessiond.storageEnvironment" -}}
- name: SESSIOND_DATABASE_URL_FILE
  value: /etc/sessiond/secrets/database-url
{{- if include "sessiond.hasLocalKeys" . }}
- name: SESSIOND_KEY_ENCRYPTION_KEYS_FILE
  value: /etc/sessiond/secrets/key-encryption-keys
{{- end }}
{{- with .Values.keyEncryption }}
- name: SESSIOND_KEY_ENCRYPTION_PROVIDER
  value: {{ .provider }}
{{- if .vault.address }}
- name: SESSIOND_KEY_ENCRYPTION_VAULT_ADDRESS
  value: {{ .vault.address | quote }}
- name: SESSIOND_KEY_ENCRYPTION_VAULT_KEY
  value: {{ .vault.key | quote }}
- name: SESSIOND_KEY_ENCRYPTION_VAULT_MOUNT
  value: {{ .vault.mount | quote }}
{{- with .vault.namespace }}
- name: SESSIOND_KEY_ENCRYPTION_VAULT_NAMESPACE
  value: {{ . | quote }}
{{- end }}
- name: SESSIOND_KEY_ENCRYPTION_VAULT_TOKEN_FILE
  value: {{ .vault.tokenFile | quote }}
{{- if .vault.caSecret }}
- name: SESSIOND_KEY_ENCRYPTION_VAULT_CA_FILE
  value: /etc/sessiond/vault-ca/ca.crt
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- /*
The settings of the service, in a fixed order. Secrets are files, which no environment of a process shows,
and of which sessiond reads certificates and callers again when they change.
*/ -}}
{{- define "sessiond.environment" -}}
{{ include "sessiond.storageEnvironment" . }}
{{- if include "sessiond.hasCallers" . }}
- name: SESSIOND_CALLERS_FILE
  value: /etc/sessiond/callers/callers.jsonl
{{- else }}
- name: SESSIOND_INSECURE_NO_CALLER_AUTHENTICATION
  value: "true"
{{- end }}
{{- with .Values.tls }}
{{- if .existingSecret }}
- name: SESSIOND_TLS_CERT_FILE
  value: /etc/sessiond/tls/tls.crt
- name: SESSIOND_TLS_KEY_FILE
  value: /etc/sessiond/tls/tls.key
{{- else if .insecurePlainText }}
- name: SESSIOND_INSECURE_PLAIN_TEXT_CREDENTIALS
  value: "true"
{{- end }}
{{- if .clientCaSecret }}
- name: SESSIOND_TLS_CLIENT_CA_FILE
  value: /etc/sessiond/client-ca/ca.crt
- name: SESSIOND_TLS_CLIENT_CERTIFICATE
  value: {{ .clientCertificate }}
{{- end }}
{{- end }}
- name: SESSIOND_WORKERS
  value: {{ .Values.workers | quote }}
- name: SESSIOND_DRAIN_DELAY
  value: {{ .Values.shutdown.drainDelaySeconds }}s
- name: SESSIOND_SHUTDOWN_GRACE
  value: {{ .Values.shutdown.graceSeconds }}s
{{- range $name, $value := .Values.settings }}
- name: {{ $name }}
  value: {{ include "sessiond.settingValue" $value }}
{{- end }}
{{- end -}}

{{- /* A directory of the container with one key of a Secret as a file: dict of name, secret, key, file. */ -}}
{{- define "sessiond.secretVolume" -}}
- name: {{ .name }}
  secret:
    secretName: {{ .secret }}
    # 0440 in octal digits, which not every reader of YAML knows.
    defaultMode: 288
    items:
      - key: {{ .key }}
        path: {{ .file }}
{{- end -}}

{{- /*
The database's URL and the key-encryption keys, from the Secret of the given name, and the authorities of the
database and of Vault.
*/ -}}
{{- define "sessiond.credentialVolumes" -}}
- name: secrets
  secret:
    secretName: {{ .secretName }}
    # 0440 in octal digits, which not every reader of YAML knows.
    defaultMode: 288
    items:
      - key: {{ .context.Values.secrets.databaseUrlKey }}
        path: database-url
      {{- if include "sessiond.hasLocalKeys" .context }}
      - key: {{ .context.Values.secrets.keyEncryptionKeysKey }}
        path: key-encryption-keys
      {{- end }}
{{- with .context.Values.database }}
{{- if .caSecret }}
{{ include "sessiond.secretVolume" (dict "name" "database-ca" "secret" .caSecret "key" .caKey "file" "ca.crt") }}
{{- end }}
{{- end }}
{{- with .context.Values.keyEncryption.vault }}
{{- if .caSecret }}
{{ include "sessiond.secretVolume" (dict "name" "vault-ca" "secret" .caSecret "key" .caKey "file" "ca.crt") }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "sessiond.credentialVolumeMounts" -}}
- name: secrets
  mountPath: /etc/sessiond/secrets
  readOnly: true
{{- if .Values.database.caSecret }}
- name: database-ca
  mountPath: /etc/sessiond/database-ca
  readOnly: true
{{- end }}
{{- if .Values.keyEncryption.vault.caSecret }}
- name: vault-ca
  mountPath: /etc/sessiond/vault-ca
  readOnly: true
{{- end }}
{{- end -}}

{{- define "sessiond.volumes" -}}
{{ include "sessiond.credentialVolumes" (dict "context" . "secretName" (include "sessiond.secretName" .)) }}
{{- if include "sessiond.hasCallers" . }}
{{ include "sessiond.secretVolume" (dict "name" "callers" "secret" (include "sessiond.callersSecretName" .) "key" .Values.callers.key "file" "callers.jsonl") }}
{{- end }}
{{- with .Values.tls }}
{{- if .existingSecret }}
- name: tls
  secret:
    secretName: {{ .existingSecret }}
    # 0440 in octal digits, which not every reader of YAML knows.
    defaultMode: 288
{{- end }}
{{- if .clientCaSecret }}
{{ include "sessiond.secretVolume" (dict "name" "client-ca" "secret" .clientCaSecret "key" .clientCaKey "file" "ca.crt") }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "sessiond.volumeMounts" -}}
{{ include "sessiond.credentialVolumeMounts" . }}
{{- if include "sessiond.hasCallers" . }}
- name: callers
  mountPath: /etc/sessiond/callers
  readOnly: true
{{- end }}
{{- if .Values.tls.existingSecret }}
- name: tls
  mountPath: /etc/sessiond/tls
  readOnly: true
{{- end }}
{{- if .Values.tls.clientCaSecret }}
- name: client-ca
  mountPath: /etc/sessiond/client-ca
  readOnly: true
{{- end }}
{{- end -}}
