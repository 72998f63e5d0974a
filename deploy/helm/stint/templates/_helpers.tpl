{{- define "stint.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "stint.selector" -}}
app.kubernetes.io/name: stint
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "stint.labels" -}}
{{ include "stint.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "stint.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* stint.yaml. What the chart decides wins; what belongs to it may not stand in .Values.config. */}}
{{- define "stint.config" -}}
{{- range $key := list "server" "listen" "tls" "store" "root_key" -}}
{{- if hasKey $.Values.config $key -}}
{{- fail (printf "config.%s is decided by the chart" $key) -}}
{{- end -}}
{{- end -}}
{{- $ours := dict
  "server" (dict "issuer" .Values.server.issuer "gateway" .Values.server.gateway
                 "trust_domain" .Values.server.trustDomain)
  "listen" (dict "control" "0.0.0.0:7443" "gateway" "0.0.0.0:7444" "operations" "0.0.0.0:7446")
  "tls" (dict "cert_file" "/etc/stint/tls/tls.crt" "key_file" "/etc/stint/tls/tls.key")
  "root_key" (dict "source" "systemd") -}}
{{- toYaml (merge $ours .Values.config) -}}
{{- end -}}

{{/* Seconds that a pod may take to end: until load balancers know, the drain, and what follows it. */}}
{{- define "stint.grace" -}}
{{- $drain := dig "limits" "drain_timeout" "30s" .Values.config -}}
{{- if not (regexMatch "^[0-9]+[sm]$" $drain) -}}
{{- fail "config.limits.drain_timeout: seconds or minutes, as 30s or 2m" -}}
{{- end -}}
{{- $unit := ternary 60 1 (hasSuffix "m" $drain) -}}
{{- add (mul (trimSuffix "m" (trimSuffix "s" $drain) | int) $unit) .Values.preStopSeconds 15 -}}
{{- end -}}
