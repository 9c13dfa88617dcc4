{{- define "sessiond.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if contains $name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "sessiond.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "sessiond.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "sessiond.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "sessiond.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "sessiond.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "sessiond.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "sessiond.secretName" -}}
{{- default (include "sessiond.fullname" .) .Values.secrets.existingSecret -}}
{{- end -}}

{{- define "sessiond.callersSecretName" -}}
{{- default (printf "%s-callers" (include "sessiond.fullname" .)) .Values.callers.existingSecret -}}
{{- end -}}

{{- /* "true" if there are callers, else nothing. */ -}}
{{- define "sessiond.hasCallers" -}}
{{- if or .Values.callers.existingSecret .Values.callers.content -}}true{{- end -}}
{{- end -}}

{{- /* "true" if key-encryption keys come from the Secret, else nothing. */ -}}
{{- define "sessiond.hasLocalKeys" -}}
{{- if or (eq .Values.keyEncryption.provider "local") .Values.keyEncryption.localKeysToo -}}true{{- end -}}
{{- end -}}
