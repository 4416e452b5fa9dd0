{{/* Refuses what a schema cannot: each refusal is a sentence that says what to do instead. */}}
{{- define "kehu.validate" -}}
{{- include "kehu.validateNames" . -}}
{{- include "kehu.validateSecrets" . -}}
{{- include "kehu.validateGraph" . -}}
{{- range $process := include "kehu.processes" . | fromJsonArray -}}
  {{- include "kehu.validateProcess" (list $ $process) -}}
{{- end -}}
{{- end -}}

{{- define "kehu.validateNames" -}}
{{- $running := include "kehu.services" . | fromJsonArray -}}
{{- if not $running -}}
  {{- fail "services: none is enabled, so there is nothing to run; declare at least one" -}}
{{- end -}}
{{- $known := .Files.Get "files/leases.yaml" | fromYaml -}}
{{- range $service := $running -}}
  {{- if not (hasKey $known $service) -}}
    {{- fail (printf "services.%s: the image has no such service; it has %s" $service (keys $known | sortAlpha | join ", ")) -}}
  {{- end -}}
  {{- $longest := printf "%s-%s-migrate-12345678" (include "kehu.fullname" $) $service -}}
  {{- if gt (len $longest) 63 -}}
    {{- fail (printf "fullnameOverride: %s would be longer than the 63 characters of a name; set a shorter one" $longest) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- define "kehu.validateSecrets" -}}
{{- range $part, $what := dict "mongodb" "the connection string of MongoDB" "rabbitmq" "the connection string of RabbitMQ" "keys" "the keys of tokens and seals" -}}
  {{- if not (get $.Values $part).existingSecret -}}
    {{- fail (printf "%s.existingSecret: name the secret with %s; the chart makes none, see deploy/helm/examples" $part $what) -}}
  {{- end -}}
{{- end -}}
{{- if and (eq .Values.tls.clients "certified") (not .Values.tls.existingSecret) -}}
  {{- fail "tls.existingSecret: clients are to be certified, and servers without a certificate cannot ask; name the secret" -}}
{{- end -}}
{{- $rabbitmq := .Values.rabbitmq -}}
{{- if and (include "kehu.usesKeda" .) (contains "<service>" $rabbitmq.existingSecret) (not $rabbitmq.managementSecret) -}}
  {{- fail "rabbitmq.managementSecret: KEDA asks for all services with one user; name the secret with its URL" -}}
{{- end -}}
{{- end -}}

{{- define "kehu.validateGraph" -}}
{{- $services := .Values.services -}}
{{- range $service, $declared := $services -}}
  {{- range $kind := list "calls" "listens" -}}
    {{- range $peer := dig $kind list $declared -}}
      {{- if not (hasKey $services $peer) -}}
        {{- fail (printf "services.%s.%s: there is no service %q; declare it, with enabled: false when it runs elsewhere" $service $kind $peer) -}}
      {{- end -}}
      {{- $other := get $services $peer -}}
      {{- if and (eq $kind "calls") (not (dig "enabled" true $other)) (not (dig "target" "" $other)) -}}
        {{- fail (printf "services.%s.calls: %s does not run in this release; set services.%s.target to where it does" $service $peer $peer) -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
  {{- if and (dig "enabled" true $declared) (dig "target" "" $declared) -}}
    {{- fail (printf "services.%s.target: the service runs in this release; remove the target, or set enabled: false" $service) -}}
  {{- end -}}
  {{- $reached := dig "calls" list $declared -}}
  {{- range $services -}}
    {{- range $next := $reached -}}
      {{- $reached = concat $reached (dig "calls" list (get $services $next | default dict)) | uniq -}}
    {{- end -}}
  {{- end -}}
  {{- if has $service $reached -}}
    {{- fail (printf "services.%s.calls: it is called by what it calls (%s), and both would wait for each other; let one listen to events instead" $service (join ", " $reached)) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- define "kehu.validateProcess" -}}
{{- $root := index . 0 -}}
{{- $process := index . 1 -}}
{{- $where := printf "services.%s.%s" $process.service $process.role -}}
{{- $scaling := $process.autoscaling -}}
{{- if $scaling.enabled -}}
  {{- if gt (int64 $scaling.min) (int64 $scaling.max) -}}
    {{- fail (printf "%s.autoscaling: min is %d and max is %d; min must not be greater" $where (int64 $scaling.min) (int64 $scaling.max)) -}}
  {{- end -}}
  {{- if and (has $process.role (list "api" "web")) (not (dig "requests" "cpu" "" $process.resources)) -}}
    {{- fail (printf "%s.autoscaling: it goes by per cent of resources.requests.cpu, which is not set; set it" $where) -}}
  {{- end -}}
{{- end -}}
{{- if lt (int64 $process.drainSeconds) (int64 $process.probes.readinessPeriodSeconds) -}}
  {{- fail (printf "%s.drainSeconds: %d is less than probes.readinessPeriodSeconds (%d), so nobody would see that it is not ready; raise it" $where (int64 $process.drainSeconds) (int64 $process.probes.readinessPeriodSeconds)) -}}
{{- end -}}
{{- range $key := list "terminationGracePeriodSeconds" "serviceAccountName" -}}
  {{- if hasKey $process.podOverrides $key -}}
    {{- fail (printf "%s.podOverrides.%s: the chart works it out; %s" $where $key (eq $key "serviceAccountName" | ternary "grant rights to the account of that name" "set drainSeconds and graceSeconds instead")) -}}
  {{- end -}}
{{- end -}}
{{- end -}}
