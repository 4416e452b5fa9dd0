{{/* (root, process): the spec of a pod with one process, overridden by what `podOverrides` says. */}}
{{- define "kehu.pod" -}}
{{- $spec := include "kehu.podSpec" . | fromYaml -}}
{{- include "kehu.overlay" (list $spec (index . 1).podOverrides) -}}
{{- $spec | toYaml -}}
{{- end -}}

{{- define "kehu.podSpec" -}}
{{- $root := index . 0 -}}
{{- $process := index . 1 -}}
{{- $longLived := ne $process.role "migrate" -}}
{{- $usesApi := and (eq $process.role "worker") (eq $process.lease "kubernetes") -}}
{{- $selector := include "kehu.selector" (list $root $process.component) | fromYaml -}}
{{- $secrets := include "kehu.secrets" . | fromYamlArray -}}
serviceAccountName: {{ $longLived | ternary $process.name "default" }}
automountServiceAccountToken: {{ $usesApi }}
enableServiceLinks: false
{{- include "kehu.pullSecrets" $process.image }}
securityContext: {{ include "kehu.podSecurity" . | fromYaml | toJson }}
{{- if $longLived }}
terminationGracePeriodSeconds: {{ add (int64 $process.drainSeconds) (int64 $process.graceSeconds) 5 }}
{{- with $process.topologySpread }}
topologySpreadConstraints:
  {{- range . }}
  - topologyKey: {{ ternary "kubernetes.io/hostname" "topology.kubernetes.io/zone" (eq . "hostname") }}
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector: {matchLabels: {{ $selector | toJson }}}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
{{- end }}
{{- else }}
restartPolicy: Never
{{- end }}
containers:
  - name: kehu
    image: {{ include "kehu.image" (list $root $process.image) | quote }}
    imagePullPolicy: {{ $process.image.pullPolicy }}
    args: [{{ $process.service }}, {{ $process.role }}]
    env:
      {{- include "kehu.env" . | nindent 6 }}
    {{- if $longLived }}
    ports:
      {{- if eq $process.role "api" }}
      - {name: grpc, containerPort: 50051, protocol: TCP}
      {{- else if eq $process.role "web" }}
      - {name: http, containerPort: 8080, protocol: TCP}
      {{- end }}
      - {name: admin, containerPort: 9090, protocol: TCP}
    {{- include "kehu.probes" (list $root $process) | nindent 4 }}
    {{- end }}
    resources: {{ $process.resources | toJson }}
    securityContext: {{ include "kehu.containerSecurity" . | fromYaml | toJson }}
    terminationMessagePolicy: FallbackToLogsOnError
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      {{- range $secrets }}
      - {name: {{ .name }}, mountPath: /etc/kehu/{{ .name }}, readOnly: true}
      {{- end }}
volumes:
  - {name: tmp, emptyDir: {sizeLimit: 64Mi}}
  {{- toYaml $secrets | nindent 2 }}
{{- end -}}

{{/*
(root, process): liveness asks whether it is stuck, readiness whether it should get work. The API answers both over gRPC
under two names, the worker on its admin port, from the loop that does the work. Kubelets speak no TLS to gRPC, so with
TLS the API is asked on its admin port, too.
*/}}
{{- define "kehu.probes" -}}
{{- $live := dict "httpGet" (dict "path" "/livez" "port" "admin") -}}
{{- $ready := dict "httpGet" (dict "path" "/readyz" "port" "admin") -}}
{{- $probes := (index . 1).probes -}}
{{- if and (eq (index . 1).role "api") (not (index . 0).Values.tls.existingSecret) -}}
  {{- $live = dict "grpc" (dict "port" 50051 "service" "liveness") -}}
  {{- $ready = dict "grpc" (dict "port" 50051 "service" "readiness") -}}
{{- end -}}
startupProbe:
  {{- toYaml $live | nindent 2 }}
  periodSeconds: 2
  timeoutSeconds: 5
  failureThreshold: {{ div (add (int64 $probes.startupSeconds) 1) 2 }}
livenessProbe:
  {{- toYaml $live | nindent 2 }}
  periodSeconds: {{ int64 $probes.livenessPeriodSeconds }}
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  {{- toYaml $ready | nindent 2 }}
  periodSeconds: {{ int64 $probes.readinessPeriodSeconds }}
  timeoutSeconds: 5
  failureThreshold: 2
{{- end -}}

{{- define "kehu.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "kehu.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "kehu.pullSecrets" }}
{{- with .pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}
