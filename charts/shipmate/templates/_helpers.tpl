{{- define "shipmate.name" -}}
{{- if contains "shipmate" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-shipmate" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "shipmate.select" -}}
app.kubernetes.io/name: shipmate
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: bot
{{- end }}

{{- define "shipmate.labels" -}}
{{ include "shipmate.select" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "shipmate.account" -}}
{{ .Values.serviceAccount.name | default (include "shipmate.name" .) }}
{{- end }}

{{- /* "true" or "false". */ -}}
{{- define "shipmate.automount" -}}
{{- if kindIs "invalid" .Values.serviceAccount.automount }}{{ not (empty .Values.environments) }}{{ else }}{{ .Values.serviceAccount.automount }}{{ end }}
{{- end }}

{{- /* The operator's file. The Redis of this chart has no TLS, and everything that reads the file has to know. */ -}}
{{- define "shipmate.config" -}}
{{- if .Values.redis.enabled }}{{ toYaml (merge (dict "insecure_redis" true) .Values.config) }}{{ else }}{{ toYaml .Values.config }}{{ end }}
{{- end }}

{{- define "shipmate.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $.Chart.AppVersion }}{{ end }}
{{- end }}
{{- end }}

{{- /* Variables of the bot by the key of the Secret that holds them. */ -}}
{{- define "shipmate.secrets" -}}
redis-url: SHIPMATE_REDIS_URL
github-private-key: SHIPMATE_GITHUB_PRIVATE_KEY
github-webhook-secret: SHIPMATE_GITHUB_WEBHOOK_SECRET
github-webhook-secret-previous: SHIPMATE_GITHUB_WEBHOOK_SECRET_PREVIOUS
github-client-secret: SHIPMATE_GITHUB_CLIENT_SECRET
slack-client-secret: SHIPMATE_SLACK_CLIENT_SECRET
slack-bot-token: SHIPMATE_SLACK_BOT_TOKEN
slack-app-token: SHIPMATE_SLACK_APP_TOKEN
slack-signing-secret: SHIPMATE_SLACK_SIGNING_SECRET
slack-signing-secret-previous: SHIPMATE_SLACK_SIGNING_SECRET_PREVIOUS
api-token: SHIPMATE_API_TOKEN
audit-key: SHIPMATE_AUDIT_KEY
{{- end }}

{{- define "shipmate.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "shipmate.restrictedPod" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "shipmate.check" -}}
{{- if not .Values.secrets.existingSecret }}
{{- fail "\n\nsecrets.existingSecret: name a Secret with the keys github-private-key, github-webhook-secret and redis-url (values.yaml lists all). No secret is ever a value of this chart." }}
{{- end }}
{{- if and .Values.autoscaling.enabled (lt (int .Values.autoscaling.maxReplicas) (int .Values.autoscaling.minReplicas)) }}
{{- fail "\n\nautoscaling.maxReplicas is less than autoscaling.minReplicas." }}
{{- end }}
{{- $most := .Values.autoscaling.enabled | ternary .Values.autoscaling.maxReplicas .Values.replicas | int }}
{{- if and .Values.store.url .Values.store.existingClaim }}
{{- fail "\n\nstore: there is a bucket in store.url and a claim in store.existingClaim; take one of them out." }}
{{- end }}
{{- if and (gt $most 1) (not (or .Values.store.url .Values.store.existingClaim)) }}
{{- fail (printf "\n\nstore: up to %d bots need one place for logs and artifacts, or a step does not find what another bot's step made. Name a bucket with store.url (s3://NAME?region=REGION), or a ReadWriteMany claim with store.existingClaim. To try it out with a single bot, set replicas to 1." $most) }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) }}
{{- fail "\n\ningress.host: say under which name GitHub and Slack reach the bot." }}
{{- end }}
{{- $seen := dict }}
{{- range .Values.environments }}
{{- if hasKey $seen .namespace }}{{ fail (printf "\n\nenvironments: the namespace %s is there twice." .namespace) }}{{ end }}
{{- $_ := set $seen .namespace true }}
{{- if not (or .deploy .jobs .helm .resources) }}
{{- fail (printf "\n\nenvironments: say what the bot does in the namespace %s: deploy, jobs, helm." .namespace) }}
{{- end }}
{{- end }}
{{- end }}
